/**
 * result.ts: the answer to a command, the same on every replica.
 */
import { assert, type ClusterId, type ErrorCode, type ErrorDetails, type ReplicaId, VarveError } from "@varve/base";
import type { ControllerReplica, Topic } from "./model.js";

/** What a command that succeeded has to tell. */
export type CommandValue =
  | { readonly kind: "done" }
  /** To joinBroker and registerBroker. `replicaId`: of the controller's group on that directory. */
  | {
      readonly kind: "member";
      readonly clusterId: ClusterId;
      readonly replicaId: ReplicaId;
      readonly controllerReplicas: readonly ControllerReplica[];
    }
  /** To createTopic, alterTopic and addPartitions: the topic as it is now. `created`: by this very command. */
  | { readonly kind: "topic"; readonly topic: Topic; readonly created: boolean }
  /** To allocateProducerIds: the ids `first .. first + count - 1`, which nobody else ever gets. */
  | { readonly kind: "producerIds"; readonly first: number; readonly count: number };

/** A refusal, which the caller may throw as `refusalError`. The command had no effect on topics and brokers. */
export interface Refusal {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
}

export type CommandResult = { readonly ok: true; readonly value: CommandValue } | Refusal;

export function refuse(code: ErrorCode, message: string, details: ErrorDetails = {}): Refusal {
  return { ok: false, code, message, details };
}

/** The refusal as an error to throw or to send. */
export function refusalError(refusal: Refusal): VarveError {
  return new VarveError(refusal.code, { message: refusal.message, details: refusal.details, effect: "NOT_APPLIED" });
}

/**
 * The value of a result whose kind the caller knows from its command.
 * @throws VarveError when the command was refused; its effect is NOT_APPLIED.
 */
export function expectValue<Kind extends CommandValue["kind"]>(
  result: CommandResult,
  kind: Kind,
): Extract<CommandValue, { kind: Kind }> {
  if (!result.ok) throw refusalError(result);
  const { value } = result;
  assert(isKind(value, kind), `the command's value is of kind ${kind}`);
  return value;
}

function isKind<Kind extends CommandValue["kind"]>(
  value: CommandValue,
  kind: Kind,
): value is Extract<CommandValue, { kind: Kind }> {
  return value.kind === kind;
}
