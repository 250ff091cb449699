/**
 * partition-map.ts: values and sets by partition, across topics: topic id -> partition -> value. No topic has an empty map.
 */
import type { PartitionId, TopicId } from "@varve/base";
import type { TopicPartitions } from "./commands.js";

export type PartitionMap<T> = Map<TopicId, Map<PartitionId, T>>;
export type ReadonlyPartitionMap<T> = ReadonlyMap<TopicId, ReadonlyMap<PartitionId, T>>;
export type PartitionSet = Map<TopicId, Set<PartitionId>>;
export type ReadonlyPartitionSet = ReadonlyMap<TopicId, ReadonlySet<PartitionId>>;

export function getPartition<T>(map: ReadonlyPartitionMap<T>, topicId: TopicId, partition: PartitionId): T | undefined {
  return map.get(topicId)?.get(partition);
}

export function putPartition<T>(map: PartitionMap<T>, topicId: TopicId, partition: PartitionId, value: T): void {
  const known = map.get(topicId);
  if (known === undefined) map.set(topicId, new Map([[partition, value]]));
  else known.set(partition, value);
}

export function removePartition<T>(map: PartitionMap<T>, topicId: TopicId, partition: PartitionId): void {
  const known = map.get(topicId);
  known?.delete(partition);
  if (known?.size === 0) map.delete(topicId);
}

/** Every entry, in the order of insertion. */
export function* partitionEntries<T>(map: ReadonlyPartitionMap<T>): Generator<[TopicId, PartitionId, T]> {
  for (const [topicId, partitions] of map)
    for (const [partition, value] of partitions) yield [topicId, partition, value];
}

export function hasPartition(
  set: ReadonlyMap<TopicId, { has(partition: PartitionId): boolean }>,
  topicId: TopicId,
  partition: PartitionId,
): boolean {
  return set.get(topicId)?.has(partition) === true;
}

export function addPartition(set: PartitionSet, topicId: TopicId, partition: PartitionId): void {
  const known = set.get(topicId);
  if (known === undefined) set.set(topicId, new Set([partition]));
  else known.add(partition);
}

export function partitionSetOf(listed: readonly TopicPartitions[]): PartitionSet {
  const set: PartitionSet = new Map();
  for (const { topicId, partitions } of listed)
    for (const partition of partitions) addPartition(set, topicId, partition);
  return set;
}

export function samePartitions(left: ReadonlyPartitionSet, right: ReadonlyPartitionSet): boolean {
  if (left.size !== right.size) return false;
  for (const [topicId, partitions] of left) {
    const others = right.get(topicId);
    if (others?.size !== partitions.size) return false;
    for (const partition of partitions) if (!others.has(partition)) return false;
  }
  return true;
}

/** Sorted by topic id, then by partition: equal sets give equal lists. */
export function listPartitions(
  set: ReadonlyMap<TopicId, { keys(): IterableIterator<PartitionId> }>,
): TopicPartitions[] {
  return [...set]
    .map(([topicId, partitions]) => ({
      topicId,
      partitions: [...partitions.keys()].sort((left, right) => left - right),
    }))
    .sort((left, right) => compareText(left.topicId, right.topicId));
}

/** By code unit, the same everywhere. */
export function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
