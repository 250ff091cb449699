import { expect, test } from "vitest";
import { FailoverWatch, leaderOfMost } from "./failover-watch.js";

test("FailoverWatch: the gap is the longest over the killed broker's partitions, other epochs do not count", () => {
  const watch = new FailoverWatch();
  watch.acknowledged(0, 1, 50);
  const partitions = [
    { partition: 0, leader: 1, epoch: 1 },
    { partition: 1, leader: 2, epoch: 4 },
    { partition: 2, leader: 1, epoch: 2 },
  ];
  watch.killed(1, partitions, 100);
  watch.acknowledged(0, 1, 110); // Was on its way when the leader died.
  watch.acknowledged(1, 4, 120);
  watch.acknowledged(0, 2, 400);
  watch.acknowledged(0, 2, 450);
  watch.acknowledged(2, 3, 700.4);
  watch.acknowledged(1, 5, 2_000); // Moved later, was not killed.
  expect(watch.figures()).toEqual({ partitionsMoved: 2, gapMs: 600, recordsInLaterEpoch: 4 });
});

test("FailoverWatch: without acknowledgements after the kill there is no gap to tell", () => {
  const watch = new FailoverWatch();
  watch.killed(1, [{ partition: 0, leader: 1, epoch: 1 }], 100);
  expect(watch.figures()).toEqual({ partitionsMoved: 1, gapMs: null, recordsInLaterEpoch: 0 });
});

test.each([
  { leaders: [1, 2, 2], want: 2 },
  { leaders: [3, 1, 3, 1], want: 1 },
  { leaders: [null, null, 2], want: 2 },
  { leaders: [null], want: null },
])("leaderOfMost: $leaders -> $want", ({ leaders, want }) => {
  expect(leaderOfMost(leaders.map((leader, partition) => ({ partition, leader, epoch: 1 })))).toBe(want);
});
