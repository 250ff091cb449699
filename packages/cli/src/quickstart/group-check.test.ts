import { expect, test } from "vitest";
import { GroupCheck, type GroupFigures, isGroupProof } from "./group-check.js";
import type { WorkerReport } from "./worker-report.js";

/** A step of a story: who said what, or the kill of a worker. */
type Step = readonly [worker: string, report: WorkerReport] | readonly [killed: string, atMs: number];

const begun = (partition: number, epoch: number, startOffset = 0): WorkerReport => ({
  type: "assigned",
  partitions: [{ partition, epoch, startOffset }],
});
const handed = (handing: number, atMs: number, partition: number, offset: number, key = "k"): WorkerReport => ({
  type: "handed",
  handing,
  atMs,
  partition,
  offset,
  key,
});
const finished = (handing: number): WorkerReport => ({ type: "finished", handing });

/**
 * Two workers with a partition each, three records in both. `a` dies at 100 ms with record 0/1 in hand and 0/0 not committed; `b` goes on with
 * its own partition, and takes over at 3,000 ms.
 */
const STORY: readonly Step[] = [
  ["a", begun(0, 5)],
  ["b", begun(1, 7)],
  ["a", handed(1, 10, 0, 0)],
  ["a", finished(1)],
  ["b", handed(1, 20, 1, 0)],
  ["a", handed(2, 30, 0, 1)],
  ["b", finished(1)],
  ["a", 100],
  ["b", handed(2, 110, 1, 1)],
  ["b", finished(2)],
  ["b", begun(0, 8)],
  ["b", handed(3, 3_000.4, 0, 0)],
  ["b", finished(3)],
  ["b", handed(4, 3_001, 0, 1)],
  ["b", finished(4)],
  ["b", handed(5, 3_002, 0, 2)],
  ["b", finished(5)],
  ["b", handed(6, 3_003, 1, 2)],
  ["b", finished(6)],
];

function judge(story: readonly Step[], ends: readonly number[] = [3, 3]): GroupFigures {
  const check = new GroupCheck();
  for (const [worker, what] of story) {
    if (typeof what === "number") check.killed(worker, what);
    else check.add(worker, what);
  }
  return check.figures(ends);
}

test("GroupCheck: what the survivor of a kill takes over is redelivered and no fault", () => {
  const figures = judge(STORY);
  expect(figures).toEqual({
    readMeanwhile: 6,
    unread: 0,
    redelivered: 2,
    strayed: 0,
    disorderedInGroup: 0,
    outsideAssignment: 0,
    sharedAssignments: 0,
    killedWorkerPartitions: 1,
    takenOver: 3,
    processingGapMs: 2_900,
    readDuringGap: 1,
    losses: 0,
  });
  expect(isGroupProof(figures)).toBe(true);
});

test("GroupCheck: it makes no difference whether two workers are heard in turn or one after the other", () => {
  const own = (name: string): Step[] => STORY.filter(([worker]) => worker === name);
  expect(judge([...own("a"), ...own("b")])).toEqual(judge(STORY));
});

test("GroupCheck: records without key have no order to keep", () => {
  const noKeys = STORY.map(([worker, what]): Step => {
    if (typeof what === "number") return [worker, what];
    return [worker, what.type === "handed" ? { ...what, key: null } : what];
  });
  expect(judge([...noKeys.slice(0, -2), ["b", handedWithoutKey(7, 1)], ...noKeys.slice(-2)])).toMatchObject({
    disorderedInGroup: 0,
    redelivered: 3,
  });
});

function handedWithoutKey(handing: number, offset: number): WorkerReport {
  return { type: "handed", handing, atMs: 3_002, partition: 1, offset, key: null };
}

test.each<{ what: string; story: readonly Step[]; want: Partial<GroupFigures>; ends?: readonly number[] }>([
  { what: "a record that nobody finished", story: STORY.slice(0, -1), want: { unread: 1, readMeanwhile: 5 } },
  { what: "a record that nobody was handed", story: STORY.slice(0, -2), want: { unread: 1, readMeanwhile: 5 } },
  { what: "a partition that nobody read", story: STORY, ends: [3, 3, 4], want: { unread: 4 } },
  { what: "a record that is not in the log", story: STORY, ends: [3, 2], want: { strayed: 1, readMeanwhile: 5 } },
  {
    what: "a record handed out before the one before it of its key is finished",
    story: moved(STORY, 12, 13),
    want: { disorderedInGroup: 1 },
  },
  {
    what: "records of a key in the wrong order",
    story: STORY.map((step, at) =>
      at === 13 ? ["b", handed(4, 3_001, 0, 2)] : at === 15 ? ["b", handed(5, 3_002, 0, 1)] : step,
    ),
    want: { disorderedInGroup: 1 },
  },
  {
    what: "a record that one assignment gives twice",
    story: [...STORY, ["b", handed(7, 3_004, 0, 2)]],
    want: { disorderedInGroup: 1, redelivered: 3 },
  },
  {
    what: "records of a partition that the worker does not hold",
    story: STORY.toSpliced(10, 1),
    want: { outsideAssignment: 3 },
  },
  {
    what: "records of a partition that was let go of",
    story: STORY.toSpliced(10, 0, ["b", { type: "revoked", partitions: [1] }]),
    want: { outsideAssignment: 1 },
  },
  {
    what: "records of a partition that was lost",
    story: STORY.toSpliced(10, 0, ["b", { type: "lost", partitions: [1] }]),
    want: { outsideAssignment: 1, losses: 1 },
  },
  {
    what: "a record below the start of its assignment",
    story: STORY.with(10, ["b", begun(0, 8, 1)]),
    want: { outsideAssignment: 1 },
  },
  { what: "two owners of one assignment", story: STORY.with(10, ["b", begun(0, 5)]), want: { sharedAssignments: 1 } },
  {
    what: "a kill after which nobody went on with the partitions",
    story: STORY.slice(0, 10),
    ends: [1, 2],
    want: { takenOver: 0, processingGapMs: null, killedWorkerPartitions: 1 },
  },
])("GroupCheck: finds $what", ({ story, ends, want }) => {
  const figures = judge(story, ends);
  expect(figures).toMatchObject(want);
  expect(isGroupProof(figures)).toBe(false);
});

test("GroupCheck: the busiest worker is the one that was handed most", () => {
  const check = new GroupCheck();
  for (const [worker, what] of STORY) if (typeof what !== "number") check.add(worker, what);
  expect(check.busiest()).toBe("b");
  expect(check.heldBy("b")).toEqual([0, 1]);
  expect(check.finished).toBe(6);
});

/** With the step at `from` after that at `to`. */
function moved(story: readonly Step[], from: number, to: number): Step[] {
  const step = story.slice(from, from + 1);
  return story.toSpliced(from, 1).toSpliced(to, 0, ...step);
}
