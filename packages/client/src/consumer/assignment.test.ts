/** assignment.test.ts: what answers of a coordinator change. */
import { StartFrom } from "@varve/rpc";
import { expect, test } from "vitest";
import { assignmentChange, groupByTopic, partitionKey } from "./assignment.js";

function given(partition: number, assignmentEpoch: number, startOffset = 0) {
  return { topicId: "id", topic: "t", partition, assignmentEpoch, startOffset, startFrom: StartFrom.EARLIEST };
}

function held(...list: readonly (readonly [partition: number, epoch: number, isReleasing?: boolean])[]) {
  return new Map(
    list.map(([partition, assignmentEpoch, isReleasing = false]) => [
      partitionKey("id", partition),
      { topicId: "id", partition, assignmentEpoch, isReleasing },
    ]),
  );
}

const none = new Map<string, number>();

test.each([
  {
    why: "a new partition is begun",
    before: held(),
    assigned: [given(0, 3)],
    want: { assign: [0], revoke: [], reset: [] },
  },
  {
    why: "a repeated answer changes nothing",
    before: held([0, 3]),
    assigned: [given(0, 3)],
    want: { assign: [], revoke: [], reset: [] },
  },
  {
    why: "what is missing is let go of",
    before: held([0, 3], [1, 1]),
    assigned: [given(1, 1)],
    want: { assign: [], revoke: [0], reset: [] },
  },
  {
    why: "another epoch is a new start",
    before: held([0, 3]),
    assigned: [given(0, 4, 9)],
    want: { assign: [], revoke: [], reset: [0] },
  },
  {
    why: "what is being let go of stays so",
    before: held([0, 3, true]),
    assigned: [given(0, 4)],
    want: { assign: [], revoke: [], reset: [] },
  },
  {
    why: "what is being let go of is not revoked again",
    before: held([0, 3, true]),
    assigned: [],
    want: { assign: [], revoke: [], reset: [] },
  },
])("$why", ({ before, assigned, want }) => {
  const change = assignmentChange(before, none, { assigned, sequence: 5 });
  expect({
    assign: change.assign.map(({ partition }) => partition),
    revoke: change.revoke.map(({ partition }) => partition),
    reset: change.reset.map(({ partition }) => partition),
  }).toEqual(want);
});

test.each([
  { sequence: 6, isBegun: false },
  { sequence: 0, isBegun: false },
  { sequence: 7, isBegun: true },
])("what was let go of in message 7 is taken back by answer $sequence: $isBegun", ({ sequence, isBegun }) => {
  const released = new Map([[partitionKey("id", 0), 7]]);
  expect(assignmentChange(held(), released, { assigned: [given(0, 4)], sequence }).assign).toHaveLength(
    isBegun ? 1 : 0,
  );
});

test("partitions travel by topic, ascending", () => {
  const list = [
    { topicId: "b", partition: 2 },
    { topicId: "a", partition: 1 },
    { topicId: "b", partition: 0 },
  ];
  expect(groupByTopic(list)).toEqual([
    { topicId: "b", partitions: [0, 2] },
    { topicId: "a", partitions: [1] },
  ]);
});
