/**
 * ids.ts: the numbers and names that every package speaks of, each with its range, documented once.
 *
 * All numbers are integers that a JavaScript number holds exactly (<= 2^53 - 1).
 */

/** Position of a record in one partition; 0-based, dense. */
export type Offset = number;
/** Position of an entry in one replica group's Raft log; the first entry has index 1. */
export type RaftIndex = number;
/** Raft term, which is also the leader epoch that clients see; 1 .. 2^31 - 1. */
export type Term = number;
/** A broker, as its configuration names it; 1 .. 2^31 - 1. */
export type BrokerId = number;
/** A replica group (one partition, or the controller); minted by the controller; 0 is the controller's group. */
export type GroupId = number;
/** A replica of one group; minted by the controller per (group, directory), never reused; >= 1. */
export type ReplicaId = number;
/** A partition of one topic; 0-based. */
export type PartitionId = number;
/** A topic's identity: a UUID in lower-case text. A recreated name has another. */
export type TopicId = string;
/** The identity of one data directory: a UUID minted when it was formatted, never reused. */
export type DirectoryId = string;
/** The identity of one start of a broker process: a random UUID. */
export type BootId = string;
/** The identity of a cluster: a UUID minted at founding. */
export type ClusterId = string;

/** The controller's replica group. */
export const CONTROLLER_GROUP: GroupId = 0;
/** Largest offset, index or count that travels as a number. */
export const NUMBER_MAX = Number.MAX_SAFE_INTEGER;
/** Largest term and broker id. */
export const INT31_MAX = 2 ** 31 - 1;

const NAME = /^[A-Za-z0-9._-]{1,249}$/;

/** Why `name` cannot be a topic or group name, or null when it can. The `__` prefix is reserved. */
export function nameProblem(name: string): string | null {
  if (name.length === 0) return "is empty";
  if (name.length > 249) return `has ${name.length} characters, at most 249 are allowed`;
  if (name === "." || name === "..") return "must not be . or ..";
  if (name.startsWith("__")) return "starts with __, which is reserved";
  if (!NAME.test(name)) return "has a character outside A-Z a-z 0-9 . _ -";
  return null;
}
