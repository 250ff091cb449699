/** topic-view.test.ts: what an answer about a topic changes, and what not. */
import { initialRanges } from "@varve/base";
import type { TopicMetadata } from "@varve/rpc";
import { expect, test } from "vitest";
import { topicViewOf, withLeader } from "./topic-view.js";

function metadata(
  epochs: readonly (readonly [leader: number | null, epoch: number])[],
  topicId = "id-1",
): TopicMetadata {
  const ranges = initialRanges(epochs.length);
  const partitions = epochs.map(([leader, leaderEpoch], partition) => ({
    partition,
    leader,
    leaderEpoch,
    hashStart: ranges[partition]?.start ?? 0,
    hashEnd: ranges[partition]?.end ?? 0,
  }));
  return { topic: "t", topicId, error: null, partitions, batchBytesMax: 4_096 };
}

test("an answer from a broker that is behind does not bring an old leader back", () => {
  const newer = topicViewOf(
    metadata([
      [2, 7],
      [3, 4],
    ]),
    null,
  );
  const view = topicViewOf(
    metadata([
      [1, 6],
      [1, 5],
    ]),
    newer,
  );
  expect(view.partitions.map(({ leader, epoch }) => [leader, epoch])).toEqual([
    [2, 7],
    [1, 5],
  ]);
});

test("a recreated topic begins anew, whatever its epochs", () => {
  const older = topicViewOf(metadata([[2, 7]]), null);
  expect(topicViewOf(metadata([[1, 1]], "id-2"), older).partitions[0]).toEqual({ partition: 0, leader: 1, epoch: 1 });
});

test.each([
  { why: "a later epoch", leader: 3, epoch: 8, want: [3, 8] },
  { why: "the leader of an epoch that had none yet", leader: 3, epoch: 7, want: [3, 7] },
  { why: "an earlier epoch: no news", leader: 3, epoch: 6, want: [2, 7] },
  { why: "no leader in the same epoch: no news", leader: null, epoch: 7, want: [2, 7] },
  { why: "a partition that is not known: no news", partition: 5, leader: 3, epoch: 9, want: [2, 7] },
])("withLeader: $why", ({ partition = 0, leader, epoch, want }) => {
  const view = withLeader(topicViewOf(metadata([[2, 7]]), null), partition, leader, epoch);
  expect([view.partitions[0]?.leader, view.partitions[0]?.epoch]).toEqual(want);
});

test("ranges that leave hashes to nobody are refused", () => {
  const broken = metadata([
    [1, 1],
    [1, 1],
  ]);
  expect(() => topicViewOf({ ...broken, partitions: broken.partitions.slice(0, 1) }, null)).toThrow(
    /metadata of t is broken/,
  );
});
