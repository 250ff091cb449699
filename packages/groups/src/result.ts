/**
 * result.ts: the answer to a command, the same on every replica.
 */
import {
  assert,
  type ErrorCode,
  type ErrorDetails,
  type Offset,
  type PartitionId,
  type TopicId,
  VarveError,
} from "@varve/base";
import type { StartFrom } from "./commands.js";

/** A partition as its owner is given it. */
export interface AssignedPartition {
  readonly partition: PartitionId;
  /** The group epoch at which it was given to this member. A commit names it; another epoch's commit is refused. */
  readonly epoch: number;
  /** The committed offset; null: there is none, `startFrom` decides. */
  readonly startOffset: Offset | null;
  /** Where to start without a committed offset: the member's own wish, but "earliest" for a partition added later. */
  readonly startFrom: StartFrom;
}

export interface AssignedTopic {
  readonly topic: string;
  readonly topicId: TopicId;
  /** Sorted by partition. */
  readonly partitions: readonly AssignedPartition[];
}

/** What a member is told. */
export interface HeartbeatAnswer {
  readonly kind: "heartbeat";
  readonly memberId: string;
  /** The epoch to send from now on. 0 after a leave. */
  readonly memberEpoch: number;
  /** All that the member shall own, sorted by topic name; what is missing is to be given up. null: as it was told before. */
  readonly assignment: readonly AssignedTopic[] | null;
  /** Subscribed topics that do not exist (yet): the member waits for them. Sorted. */
  readonly missingTopics: readonly string[];
}

/** A commit's outcome at one partition. */
export interface CommittedPartition {
  readonly topicId: TopicId;
  readonly partition: PartitionId;
  /** The committed offset now: what was asked, or the later one that was there before and stays. */
  readonly offset: Offset;
}

/** What a command that succeeded has to tell. */
export type GroupValue =
  | HeartbeatAnswer
  /** To expire: who was removed; ids that were not there are left out. */
  | { readonly kind: "expired"; readonly memberIds: readonly string[] }
  /** To commit and seek. */
  | { readonly kind: "offsets"; readonly offsets: readonly CommittedPartition[] }
  /** To topicsChanged and deleteGroup. */
  | { readonly kind: "done" };

/** A refusal, which the caller may throw as `refusalError`. The command changed nothing at all. */
export interface Refusal {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
}

export type GroupResult = { readonly ok: true; readonly value: GroupValue } | Refusal;

/** "skipped": the state had applied this index before, as after a restart whose log overlaps the stored state. */
export type GroupOutcome = GroupResult | { readonly ok: "skipped" };

export const DONE: GroupResult = { ok: true, value: { kind: "done" } };

export function refuse(code: ErrorCode, message: string, details: ErrorDetails = {}): Refusal {
  return { ok: false, code, message, details };
}

/** The refusal as an error to throw or to send. */
export function refusalError(refusal: Refusal): VarveError {
  return new VarveError(refusal.code, { message: refusal.message, details: refusal.details, effect: "NOT_APPLIED" });
}

/**
 * The value of an outcome whose kind the caller knows from its command.
 * @throws VarveError when the command was refused; its effect is NOT_APPLIED.
 */
export function expectValue<Kind extends GroupValue["kind"]>(
  outcome: GroupOutcome,
  kind: Kind,
): Extract<GroupValue, { kind: Kind }> {
  assert(outcome.ok !== "skipped", "only a command that is applied for the first time has a value");
  if (!outcome.ok) throw refusalError(outcome);
  const { value } = outcome;
  assert(isKind(value, kind), `the command's value is of kind ${kind}`);
  return value;
}

function isKind<Kind extends GroupValue["kind"]>(
  value: GroupValue,
  kind: Kind,
): value is Extract<GroupValue, { kind: Kind }> {
  return value.kind === kind;
}
