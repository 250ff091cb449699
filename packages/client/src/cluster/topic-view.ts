/**
 * topic-view.ts: one topic as metadata describes it: partitions, leaders, epochs, hash ranges.
 *
 * Invariant V1: a partition's leader epoch never decreases within one topic id; an older answer changes nothing.
 */
import {
  type BrokerId,
  type HashRange,
  hashRangesProblem,
  type PartitionId,
  type Term,
  type TopicId,
  VarveError,
} from "@varve/base";
import type { TopicMetadata } from "@varve/rpc";

export interface PartitionView {
  readonly partition: PartitionId;
  /** null: none that is known; any broker finds it. */
  readonly leader: BrokerId | null;
  readonly epoch: Term;
}

export interface TopicView {
  readonly topic: string;
  readonly topicId: TopicId;
  /** Largest batch that the topic accepts, bytes. */
  readonly batchBytesMax: number;
  /** Indexed by partition. */
  readonly partitions: readonly PartitionView[];
  /** In the order of the hash space. */
  readonly ranges: readonly HashRange[];
}

/** @throws VarveError INTERNAL when the ranges do not cover the hash space. */
export function topicViewOf(metadata: TopicMetadata, older: TopicView | null): TopicView {
  const known = older?.topicId === metadata.topicId ? older : null;
  const ranges = metadata.partitions
    .map(({ partition, hashStart, hashEnd }) => ({ partition, start: hashStart, end: hashEnd }))
    .sort((left, right) => left.start - right.start);
  const problem = hashRangesProblem(ranges);
  if (problem !== null) {
    throw new VarveError("INTERNAL", {
      message: `metadata of ${metadata.topic} is broken: ${problem}`,
      effect: "NONE",
    });
  }
  const partitions = metadata.partitions.map(({ partition, leader, leaderEpoch }): PartitionView => {
    const before = known?.partitions[partition];
    if (before !== undefined && before.epoch > leaderEpoch) return before; // V1
    return { partition, leader, epoch: leaderEpoch };
  });
  return {
    topic: metadata.topic,
    topicId: metadata.topicId,
    batchBytesMax: metadata.batchBytesMax,
    partitions,
    ranges,
  };
}

/** The view after a broker said who leads; the same object when that is no news (V1). */
export function withLeader(view: TopicView, partition: PartitionId, leader: BrokerId | null, epoch: Term): TopicView {
  const before = view.partitions[partition];
  if (before === undefined || before.epoch > epoch || (before.epoch === epoch && leader === null)) return view;
  if (before.epoch === epoch && before.leader === leader) return view;
  const partitions = view.partitions.map((each) =>
    each.partition === partition ? { partition, leader, epoch } : each,
  );
  return { ...view, partitions };
}
