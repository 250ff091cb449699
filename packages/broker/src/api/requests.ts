/**
 * requests.ts: what callers send, checked and put into the broker's own terms.
 */
import { NUMBER_MAX, nameProblem, type Offset, VarveError } from "@varve/base";
import { isTopicConfigKey, type TopicConfigPatch, topicConfigProblems } from "@varve/cluster";
import { OffsetPosition, Acks as WireAcks } from "@varve/rpc";
import type { Acks } from "../partition/partition.js";
import type { CallContext } from "../routing/router.js";
import type { OffsetPoint, PartitionRef } from "./log-api.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function invalidArgument(message: string, details: Record<string, string | number> = {}): VarveError {
  return new VarveError("INVALID_ARGUMENT", { message: `${message}; nothing was done`, details });
}

/** @throws VarveError INVALID_ARGUMENT: neither name nor id, or the id is no UUID, or the partition is no index. */
export function partitionRef(request: {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}): PartitionRef {
  checkTopicRef(request);
  if (request.partition < 0)
    throw invalidArgument(`partition ${request.partition} is negative`, { partition: request.partition });
  return { topic: request.topic, topicId: request.topicId, partition: request.partition };
}

/** @throws VarveError INVALID_ARGUMENT. */
export function checkTopicRef({ topic, topicId }: { readonly topic: string; readonly topicId: string }): void {
  if (topicId !== "" && !UUID.test(topicId)) throw invalidArgument("topic_id is not a UUID in lower case");
  if (topicId === "" && topic === "") throw invalidArgument("neither topic nor topic_id is given");
}

/** @throws VarveError INVALID_GROUP_NAME. */
export function checkGroupName(group: string): void {
  const problem = nameProblem(group);
  if (problem === null) return;
  throw new VarveError("INVALID_GROUP_NAME", {
    message: `the group name ${JSON.stringify(group.slice(0, 300))} ${problem}; a name has 1 to 249 of the characters A-Z a-z 0-9 . _ -; nothing was done`,
  });
}

export function acksOf(acks: WireAcks): Acks {
  if (acks === WireAcks.LEADER) return "leader";
  return acks === WireAcks.NONE ? "none" : "quorum";
}

/** @throws VarveError INVALID_ARGUMENT. */
export function offsetOf(offset: number): Offset {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new VarveError("INVALID_ARGUMENT", {
      message: `offset ${offset} is not a whole number from 0 to ${NUMBER_MAX}`,
      details: { offset },
      effect: "NONE",
    });
  }
  return offset;
}

/** @throws VarveError INVALID_ARGUMENT. */
export function offsetPoint(at: OffsetPosition, timeMs: number): OffsetPoint {
  if (at === OffsetPosition.EARLIEST) return "earliest";
  if (at === OffsetPosition.LATEST) return "latest";
  if (at === OffsetPosition.TIME) return { timeMs };
  throw invalidArgument("at: OFFSET_POSITION_UNSPECIFIED is not a position; choose EARLIEST, LATEST or TIME");
}

/** @throws VarveError INVALID_CONFIG naming every value that is no integer. */
export function configPatch(config: Readonly<Record<string, string>>, reset: readonly string[] = []): TopicConfigPatch {
  const patch: Record<string, number | null> = Object.create(null) as Record<string, number | null>;
  const problems: string[] = [];
  for (const [key, text] of Object.entries(config)) {
    const value = /^-?[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value)) patch[key] = value;
    else problems.push(`${key}: ${JSON.stringify(text.slice(0, 40))} is not an integer`);
  }
  for (const key of reset) patch[key] = null;
  // What the controller would refuse is told together with what never reaches it.
  if (problems.length > 0) problems.push(...topicConfigProblems({ ...patch, ...unknownKeys(config) }));
  if (problems.length > 0) {
    throw new VarveError("INVALID_CONFIG", {
      message: `${problems.join("; ")}; nothing was changed`,
      details: { problems },
    });
  }
  return patch;
}

/** Settings that no topic has, whatever their value. */
function unknownKeys(config: Readonly<Record<string, string>>): TopicConfigPatch {
  return Object.fromEntries(Object.keys(config).flatMap((key) => (isTopicConfigKey(key) ? [] : [[key, 0]])));
}

/** A call's limits on this broker's clock; a caller without a deadline, or with a later one, gets the broker's. */
export function callContext(
  nowMs: number,
  requestDeadlineMs: number,
  call: { readonly deadlineMs: number; readonly signal: AbortSignal },
): CallContext {
  return {
    deadlineAtMs: nowMs + Math.min(call.deadlineMs, requestDeadlineMs),
    signal: call.signal,
    forwarded: false,
  };
}
