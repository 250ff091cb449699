/**
 * partitioner.ts: the partition of a record by its key: by hash range (Varve's way: adding partitions moves few keys) or
 * by remainder (Kafka's way, for producers that share a topic layout with Kafka clients).
 */
import { assert, assertDefined, type HashRange, type PartitionId } from "@varve/base";
import { keyHash } from "./murmur2.js";

/** The partition whose range holds the key's hash; `ranges` sorted and gapless as the controller gives them. */
export function partitionForKeyRange(key: Uint8Array, ranges: readonly HashRange[]): PartitionId {
  return partitionForHash(keyHash(key), ranges);
}

/** The partition whose range holds `hash` (0 .. 2^31 - 1): a binary search. */
export function partitionForHash(hash: number, ranges: readonly HashRange[]): PartitionId {
  assert(ranges.length > 0, "a topic has at least one range");
  let first = 0;
  let last = ranges.length - 1;
  while (first < last) {
    const middle = (first + last) >>> 1;
    if (hash < assertDefined(ranges[middle], "middle lies inside the list").end) last = middle;
    else first = middle + 1;
  }
  const range = assertDefined(ranges[first], "first lies inside the list");
  assert(hash >= range.start && hash < range.end, "the ranges cover every hash");
  return range.partition;
}

/** Kafka's default for keyed records: hash without its sign, modulo the number of partitions. */
export function partitionForKeyModulo(key: Uint8Array, partitionCount: number): PartitionId {
  assert(Number.isInteger(partitionCount) && partitionCount >= 1, "a topic has at least one partition");
  return keyHash(key) % partitionCount;
}

/**
 * The partition for the next batch of records without a key: any but `previous`, chosen by `draw` (a random integer >= 0),
 * so that batches fill up on one partition and the load still spreads over all.
 */
export function nextStickyPartition(
  partitions: readonly PartitionId[],
  previous: PartitionId | null,
  draw: number,
): PartitionId {
  assert(partitions.length > 0, "a topic has at least one partition");
  const others = partitions.length > 1 ? partitions.filter((partition) => partition !== previous) : partitions;
  return assertDefined(others[draw % others.length], "draw is an integer >= 0");
}
