/**
 * shards.ts: the internal topic that holds consumer groups, and which of its partitions coordinates a group.
 *
 * Invariant H1: a group's partition never changes: the number of partitions and the hash are fixed for ever.
 */
import { GROUPS_TOPIC } from "@varve/cluster";
import { keyHash } from "@varve/records";

/** Number of partitions of the internal topic; only a simulated cluster has fewer. */
export const GROUP_SHARDS = 16;

/** Names the internal topic for the router. */
export const GROUPS_TOPIC_REF = { topic: GROUPS_TOPIC, topicId: "" } as const;

/** The partition that coordinates a group: the 31-bit murmur2 of its name, as for keys of records. */
export function shardOf(group: string, shards: number): number {
  return keyHash(Buffer.from(group)) % shards;
}
