/**
 * options.ts: the settings of a consumer and of its `run`, checked, with what happens when they are left out.
 */
import {
  INT31_MAX,
  KIB,
  LIMITS,
  MIB,
  NUMBER_MAX,
  nameProblem,
  type Offset,
  type PartitionId,
  VarveError,
} from "@varve/base";
import type { WaitOptions } from "../options.js";
import { integerIn, invalidArgument } from "../options.js";
import { checkTopicName } from "../producer/encoded-record.js";
import type { VarveRecord } from "../records/output.js";
import type { Serde } from "../records/serde.js";

/** One partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: PartitionId;
}

/** A place in a partition. */
export interface TopicPartitionOffset extends TopicPartition {
  /** Of the next record to work on. */
  readonly offset: Offset;
}

/** A partition that a member was given, before it begins with it. */
export interface GivenPartition extends TopicPartition {
  /** Names this assignment; a later one of the same partition is greater. */
  readonly epoch: number;
  /** What the group has stored for it; null: nothing. */
  readonly committed: Offset | null;
  /** The member had it already, and the group was moved to `committed`. */
  readonly seeked: boolean;
}

/** Some partitions of a topic, or all of them. */
export type PartitionSelector =
  | string
  | { readonly topic: string; readonly partitions?: readonly number[] | undefined };

export interface ConsumerOptions<T = Buffer> extends WaitOptions {
  /** Members with this name share the topics' partitions. */
  readonly group: string;
  /** A topic that does not exist yet is waited for. */
  readonly topics: readonly string[];
  /** A name of this member that stays over restarts, for example the pod's: a restart within the session timeout moves nothing. */
  readonly staticId?: string | undefined;
  /** What the member calls itself in descriptions; at most 256 bytes. */
  readonly clientId?: string | undefined;
  /** Where a partition without a committed offset begins. Default earliest. */
  readonly startFrom?: "earliest" | "latest" | undefined;
  /** Where to go on when the committed offset is no longer in the log. Default: run() rejects with OFFSET_OUT_OF_RANGE. */
  readonly onOutOfRange?: "earliest" | "latest" | undefined;
  /** Silence after which the coordinator takes the member for dead, ms, 1,000 .. 1,800,000. Default 30,000. */
  readonly sessionTimeoutMs?: number | undefined;
  /** Whether what is finished is committed every `commitIntervalMs`, and at close, revoke and leave. Default true. */
  readonly autoCommit?: boolean | undefined;
  /** Time between two commits of what is finished, ms, 10 .. 3,600,000. Default 1,000. Larger: fewer requests, more repeats after a crash. */
  readonly commitIntervalMs?: number | undefined;
  /**
   * Called before the member begins with partitions; may answer where. For offsets in the user's own database. `epoch` is the member's:
   * of two members that were given one partition, the later one has the greater epoch. What it throws ends the consumer.
   */
  readonly onAssign?:
    | ((
        partitions: readonly GivenPartition[],
        context: { readonly epoch: number; readonly signal: AbortSignal },
      ) => Promise<Iterable<TopicPartitionOffset> | undefined> | Iterable<TopicPartitionOffset> | undefined)
    | undefined;
  /** Called when records in work are finished and before another member gets the partitions. `lost`: another may have them already. */
  readonly onRevoke?:
    | ((partitions: readonly TopicPartition[], context: { readonly lost: boolean }) => Promise<void> | void)
    | undefined;
  /** Batches that were fetched and not worked on yet, bytes, 64 KiB .. 64 MiB. Default 8 MiB. */
  readonly bufferBytesMax?: number | undefined;
  /** Time without progress, although there are records, after which `stalled` says why, ms, 1,000 .. 3,600,000. Default 30,000. */
  readonly stallTimeoutMs?: number | undefined;
  /** How bytes become values. Default: values are Buffers. */
  readonly serde?: Serde<T> | undefined;
}

/** What to do about a record whose handler failed. */
export type ErrorDecision = "retry" | "skip" | "stop";

export interface HandlerContext {
  /** Aborted when the partition was lost, `run`'s signal was aborted or the consumer failed: the result no longer counts. */
  readonly signal: AbortSignal;
  /** 1 at first. */
  readonly attempt: number;
}

export interface RunOptions<T = Buffer> extends WaitOptions {
  /** Records in work at once, 1 .. 10,000; records of one key one after another. Default 1. */
  readonly concurrency?: number | undefined;
  /** Works on one record. When it resolves the record is finished. */
  readonly handler: (record: VarveRecord<T>, context: HandlerContext) => Promise<unknown> | unknown;
  /** Default: 5 tries with backoff, then run() rejects with the handler's error. "retry" tries on for as long as it is answered. */
  readonly onError?:
    | ((
        error: unknown,
        record: VarveRecord<T>,
        context: { readonly attempt: number },
      ) => Promise<ErrorDecision> | ErrorDecision)
    | undefined;
}

export interface ConsumerSettings<T> {
  readonly group: string;
  readonly topics: readonly string[];
  readonly staticId: string;
  readonly clientId: string;
  readonly startFrom: "earliest" | "latest";
  readonly onOutOfRange: "earliest" | "latest" | null;
  readonly sessionTimeoutMs: number;
  readonly autoCommit: boolean;
  readonly commitIntervalMs: number;
  readonly onAssign: NonNullable<ConsumerOptions<T>["onAssign"]> | null;
  readonly onRevoke: NonNullable<ConsumerOptions<T>["onRevoke"]> | null;
  readonly bufferBytesMax: number;
  readonly stallTimeoutMs: number;
  readonly serde: Serde<T> | null;
  readonly signal: AbortSignal | undefined;
}

const TOPICS_MAX = 1_000;
const CLIENT_ID_BYTES_MAX = 256;
const DEFAULT_TRIES = 5;

/** @throws VarveError INVALID_ARGUMENT, INVALID_GROUP_NAME, INVALID_TOPIC_NAME. */
export function consumerSettings<T>(options: ConsumerOptions<T>): ConsumerSettings<T> {
  const { group, topics, startFrom = "earliest", onOutOfRange = null, clientId = "", staticId = "" } = options;
  checkGroupName(group);
  if (!Array.isArray(topics) || topics.length === 0 || topics.length > TOPICS_MAX) {
    throw invalidArgument(`topics must be a list of 1 to ${TOPICS_MAX} names`);
  }
  for (const topic of topics) checkTopicName(topic);
  oneOf("startFrom", startFrom, ["earliest", "latest"]);
  if (onOutOfRange !== null) oneOf("onOutOfRange", onOutOfRange, ["earliest", "latest"]);
  if (typeof clientId !== "string" || Buffer.byteLength(clientId) > CLIENT_ID_BYTES_MAX) {
    throw invalidArgument(`clientId must be text of at most ${CLIENT_ID_BYTES_MAX} bytes`);
  }
  const staticProblem = typeof staticId !== "string" ? "is not text" : staticId === "" ? null : nameProblem(staticId);
  if (staticProblem !== null) throw invalidArgument(`staticId ${staticProblem}`);
  return {
    group,
    topics: [...new Set(topics)],
    staticId,
    clientId,
    startFrom,
    onOutOfRange,
    sessionTimeoutMs: integerIn(
      "sessionTimeoutMs",
      options.sessionTimeoutMs ?? LIMITS.sessionTimeoutMs,
      1_000,
      1_800_000,
    ),
    autoCommit: options.autoCommit ?? true,
    commitIntervalMs: integerIn("commitIntervalMs", options.commitIntervalMs ?? 1_000, 10, 3_600_000),
    onAssign: optionalFunction("onAssign", options.onAssign),
    onRevoke: optionalFunction("onRevoke", options.onRevoke),
    bufferBytesMax: integerIn(
      "bufferBytesMax",
      options.bufferBytesMax ?? 8 * MIB,
      64 * KIB,
      Math.min(64 * MIB, INT31_MAX),
    ),
    stallTimeoutMs: integerIn("stallTimeoutMs", options.stallTimeoutMs ?? 30_000, 1_000, 3_600_000),
    serde: options.serde ?? null,
    signal: options.signal,
  };
}

export interface RunSettings<T> {
  readonly concurrency: number;
  readonly handler: RunOptions<T>["handler"];
  readonly onError: NonNullable<RunOptions<T>["onError"]>;
  readonly signal: AbortSignal | undefined;
}

/** @throws VarveError INVALID_ARGUMENT. */
export function runSettings<T>(options: RunOptions<T>): RunSettings<T> {
  const handler = optionalFunction("handler", options.handler);
  if (handler === null) throw invalidArgument("run needs a handler: run({ handler: async (record) => { ... } })");
  return {
    concurrency: integerIn("concurrency", options.concurrency ?? 1, 1, 10_000),
    handler,
    onError: optionalFunction("onError", options.onError) ?? fiveTries,
    signal: options.signal,
  };
}

function fiveTries(_error: unknown, _record: unknown, { attempt }: { readonly attempt: number }): ErrorDecision {
  return attempt < DEFAULT_TRIES ? "retry" : "stop";
}

/** @throws VarveError INVALID_GROUP_NAME. */
export function checkGroupName(group: unknown): asserts group is string {
  const problem = typeof group === "string" ? nameProblem(group) : "is not text";
  if (problem === null) return;
  const shown = String(group).slice(0, 300);
  throw new VarveError("INVALID_GROUP_NAME", {
    message: `group name ${JSON.stringify(shown)} ${problem}; a name has 1 to 249 of the characters A-Z a-z 0-9 . _ -`,
    details: { group: shown },
  });
}

/** @throws VarveError INVALID_ARGUMENT. */
export function checkPartition(partition: unknown): number {
  return integerIn("partition", partition as number, 0, LIMITS.partitionsPerTopicMax - 1);
}

/** @throws VarveError INVALID_ARGUMENT. */
export function checkOffset(offset: unknown): number {
  return integerIn("offset", offset as number, 0, NUMBER_MAX);
}

function oneOf(name: string, value: unknown, words: readonly string[]): void {
  if (!words.includes(value as string))
    throw invalidArgument(`${name} is ${String(value)}, but must be ${words.join(" or ")}`);
}

function optionalFunction<F>(name: string, value: F | undefined): F | null {
  if (value === undefined) return null;
  if (typeof value !== "function") throw invalidArgument(`${name} must be a function`);
  return value;
}
