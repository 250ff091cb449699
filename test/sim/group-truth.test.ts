/** group-truth.test.ts: the checks of groups notice what is wrong. */
import { expect, test } from "vitest";
import { GroupTruth } from "./group-truth.js";

test.each([
  {
    why: "two owners in one epoch",
    check: "C1",
    act: (truth: GroupTruth) => [1, 2].map((id) => truth.onAssigned(`m${id}`, 0, 7)),
  },
  { why: "a commit over a record that nobody finished", check: "C4", act: (truth: GroupTruth) => truth.onCommit(0, 1) },
  {
    why: "an offset below what was acknowledged",
    check: "C3",
    act: (truth: GroupTruth) => {
      truth.onFinished(0, 0);
      truth.onCommitAcked(0, 1, truth.mark().since);
      truth.onFetched(truth.mark(), new Map([[0, 0]]));
    },
  },
  {
    why: "a refused record in the log",
    check: "D1",
    act: (truth: GroupTruth) => {
      truth.refused.add("v");
      truth.checkLog([{ partition: 0, offset: 0, value: "v" }]);
    },
  },
  {
    why: "an acknowledged record that is not there",
    check: "D1",
    act: (truth: GroupTruth) => {
      truth.acked.set("v", { partition: 0, offset: 0 });
      truth.checkLog([]);
    },
  },
])("$why is a violation of $check", ({ check, act }) => {
  expect(() => act(new GroupTruth())).toThrow(expect.objectContaining({ invariant: check }));
});

test("a seek in between makes a lower offset right", () => {
  const truth = new GroupTruth();
  truth.onFinished(0, 0);
  truth.onCommitAcked(0, 1, truth.mark().since);
  const mark = truth.mark();
  truth.seekBegins();
  truth.onFetched(mark, new Map([[0, 0]]));
  truth.seekEnded(true);
  truth.onFetched(truth.mark(), new Map([[0, 0]]));
});

test("a commit that was asked while a seek was under way may have come before it", () => {
  const truth = new GroupTruth();
  truth.onFinished(0, 0);
  truth.seekBegins();
  const { since } = truth.mark();
  truth.seekEnded(true);
  truth.onCommitAcked(0, 1, since);
  truth.onFetched(truth.mark(), new Map([[0, 0]]));
});
