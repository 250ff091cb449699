/**
 * hash-ranges.ts: which part of the key hash space each partition of a topic owns. Pure arithmetic, shared by the
 * controller, which stores the ranges, and by producers, which look keys up in them.
 *
 * Invariants of a list of ranges:
 *   H1  sorted by `start`, the first starts at 0, each starts where the one before it ends, the last ends at 2^31
 *   H2  no range is empty, no partition has two
 *   H3  adding a partition moves keys only from the one range that is halved; its owner keeps the lower half
 */
import { assert } from "./assert.js";
import type { PartitionId } from "./ids.js";
import { LIMITS } from "./limits.js";

/** Hashes are integers in 0 .. HASH_SPACE - 1 (murmur2 without its sign bit). */
export const HASH_SPACE = 2 ** 31;

/** The hashes `start .. end - 1`, and the partition that keys with such a hash belong to. */
export interface HashRange {
  readonly partition: PartitionId;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** Ranges of equal width (differing by at most 1) for a new topic with partitions 0 .. partitionCount - 1. */
export function initialRanges(partitionCount: number): HashRange[] {
  assert(Number.isInteger(partitionCount), "a partition count is an integer");
  assert(partitionCount >= 1, "a topic has at least one partition");
  assert(partitionCount <= LIMITS.partitionsPerTopicMax, "a topic has at most partitionsPerTopicMax partitions");
  return Array.from({ length: partitionCount }, (_, partition) => ({
    partition,
    start: startOf(partition, partitionCount),
    end: startOf(partition + 1, partitionCount),
  }));
}

function startOf(partition: number, partitionCount: number): number {
  return Math.floor((partition * HASH_SPACE) / partitionCount);
}

/**
 * The ranges after `partition` was added: the widest range is halved (the lowest one of several), its owner keeps the
 * lower half, which is the wider one when the width is odd (H3). The given list stays as it is.
 */
export function splitWidest(ranges: readonly HashRange[], partition: PartitionId): HashRange[] {
  assert(!ranges.some((range) => range.partition === partition), "H2: the added partition has no range yet");
  let widest: HashRange | undefined;
  for (const range of ranges) {
    if (widest === undefined || range.end - range.start > widest.end - widest.start) widest = range;
  }
  assert(widest !== undefined, "a topic has at least one range");
  assert(widest.end - widest.start >= 2, "the widest range can be halved");
  const { start, end, partition: parent } = widest;
  const middle = start + Math.ceil((end - start) / 2);
  return ranges.flatMap((range) =>
    range === widest
      ? [
          { partition: parent, start, end: middle },
          { partition, start: middle, end },
        ]
      : [range],
  );
}

/** Why `ranges` breaks H1 or H2, or null when it does not; for ranges that came from outside. */
export function hashRangesProblem(ranges: readonly HashRange[]): string | null {
  const partitions = new Set<PartitionId>();
  let end = 0;
  for (const range of ranges) {
    if (range.start !== end) return `partition ${range.partition} starts at ${range.start}, expected ${end}`;
    if (!Number.isInteger(range.end) || range.end <= range.start) return `the range of ${range.partition} is empty`;
    if (partitions.has(range.partition)) return `partition ${range.partition} has two ranges`;
    partitions.add(range.partition);
    end = range.end;
  }
  return end === HASH_SPACE ? null : `the ranges end at ${end}, expected ${HASH_SPACE}`;
}
