/**
 * progress.test.ts: what a leader concludes from a member's answers, state by state.
 */
import { describe, expect, test } from "vitest";
import { RaftAssertionError } from "../assert.js";
import { Progress } from "./progress.js";

const LIMITS = { maxInflightMessages: 2, maxInflightBytes: 0 };

/** A member in a state, matched up to `match`, with `next` to be sent. */
function member(state: Progress["state"], match: number, next: number): Progress {
  const progress = new Progress(next, false, LIMITS);
  progress.reset(match, next);
  if (state === "replicate") {
    progress.becomeReplicate();
    progress.next = next;
  } else if (state === "snapshot") {
    progress.becomeSnapshot(next - 1);
  }
  return progress;
}

describe("a member that is probed", () => {
  test("gets no second append with entries before it answers", () => {
    const progress = member("probe", 0, 5);
    progress.sentEntries(3, 30);
    expect(progress.isPaused).toBe(true);
    expect(progress.next).toBe(5);
  });

  test("may get any number of empty appends", () => {
    const progress = member("probe", 0, 5);
    progress.sentEntries(0, 0);
    expect(progress.isPaused).toBe(false);
  });

  test.each([
    { why: "the follower's log is shorter", rejected: 9, hint: 4, want: 5 },
    { why: "the hint is not before the refused entry", rejected: 9, hint: 20, want: 9 },
    { why: "the hint is below what is known to match", rejected: 9, hint: 0, want: 3 },
  ])("is probed further back after a refusal: $why", ({ rejected, hint, want }) => {
    const progress = member("probe", 2, rejected + 1);
    progress.sentEntries(1, 1);
    expect(progress.maybeDecrease(rejected, hint)).toBe(true);
    expect(progress.next).toBe(want);
    expect(progress.isPaused).toBe(false);
  });

  test("is not moved by the refusal of an older probe", () => {
    const progress = member("probe", 0, 10);
    expect(progress.maybeDecrease(5, 2)).toBe(false);
    expect(progress.next).toBe(10);
  });

  test("is sent a pipeline once the logs match", () => {
    const progress = member("probe", 0, 10);
    expect(progress.maybeUpdate(9)).toBe(true);
    progress.becomeReplicate();
    expect(progress).toMatchObject({ state: "replicate", match: 9, next: 10, isPaused: false });
  });
});

describe("a member that is replicated to", () => {
  test("is sent ahead until the window is full", () => {
    const progress = member("replicate", 4, 5);
    progress.sentEntries(2, 20);
    expect(progress).toMatchObject({ next: 7, isPaused: false, inflightCount: 1 });
    progress.sentEntries(1, 10);
    expect(progress).toMatchObject({ next: 8, isPaused: true, inflightCount: 2, inflightFull: true });
  });

  test("is sent more after an answer", () => {
    const progress = member("replicate", 4, 5);
    progress.sentEntries(1, 1);
    progress.sentEntries(1, 1);
    progress.maybeUpdate(5);
    progress.freeInflights(5);
    expect(progress).toMatchObject({ match: 5, next: 7, isPaused: false, inflightCount: 1 });
  });

  test("an empty append does not count in the window", () => {
    const progress = member("replicate", 4, 5);
    progress.sentEntries(0, 0);
    expect(progress).toMatchObject({ next: 5, inflightCount: 0, isPaused: false });
  });

  test("a full window pauses again after an empty append", () => {
    const progress = member("replicate", 4, 5);
    progress.sentEntries(1, 1);
    progress.sentEntries(1, 1);
    progress.flowPaused = false;
    progress.sentEntries(0, 0);
    expect(progress.isPaused).toBe(true);
  });

  test("goes back to what matches after a refusal, but not after an old one", () => {
    const progress = member("replicate", 4, 9);
    expect(progress.maybeDecrease(3, 1)).toBe(false);
    expect(progress.maybeDecrease(4, 1)).toBe(false);
    expect(progress.maybeDecrease(8, 6)).toBe(true);
    expect(progress.next).toBe(5);
  });

  test("is probed from what matches when it is unreachable, with an empty window", () => {
    const progress = member("replicate", 4, 5);
    progress.sentEntries(1, 1);
    progress.becomeProbe();
    expect(progress).toMatchObject({ state: "probe", next: 5, inflightCount: 0, isPaused: false });
  });
});

describe("a member that gets a snapshot", () => {
  test("gets nothing else", () => {
    const progress = member("snapshot", 0, 8);
    expect(progress).toMatchObject({ pendingSnapshot: 7, next: 8, isPaused: true });
    progress.flowPaused = false;
    expect(progress.isPaused).toBe(true);
    expect(() => progress.sentEntries(1, 1)).toThrow(RaftAssertionError);
  });

  test("is probed after the snapshot, if that was delivered", () => {
    const progress = member("snapshot", 0, 8);
    progress.becomeProbe();
    expect(progress).toMatchObject({ state: "probe", next: 8, pendingSnapshot: 0 });
  });

  test("is probed from what matches, if the snapshot failed", () => {
    const progress = member("snapshot", 2, 8);
    progress.pendingSnapshot = 0;
    progress.becomeProbe();
    expect(progress.next).toBe(3);
  });

  test("may turn out to have more than the snapshot", () => {
    const progress = member("snapshot", 2, 8);
    progress.maybeUpdate(11);
    progress.becomeProbe();
    expect(progress).toMatchObject({ match: 11, next: 12 });
  });
});

describe("acknowledgements", () => {
  test("match never goes back", () => {
    const progress = member("replicate", 4, 9);
    expect(progress.maybeUpdate(6)).toBe(true);
    expect(progress.maybeUpdate(5)).toBe(false);
    expect(progress.maybeUpdate(6)).toBe(false);
    expect(progress.match).toBe(6);
  });

  test("beyond what was sent they move what is sent next", () => {
    const progress = member("probe", 0, 3);
    progress.maybeUpdate(10);
    expect(progress.next).toBe(11);
  });

  test("release a member that was paused", () => {
    const progress = member("probe", 0, 3);
    progress.sentEntries(1, 1);
    progress.maybeUpdate(3);
    expect(progress.isPaused).toBe(false);
  });
});

describe("commit indexes that were sent", () => {
  test("are worth sending if they are new and the member may have the entry", () => {
    const progress = member("replicate", 4, 9);
    progress.sentCommitIndex(5);
    expect(progress.canRaiseCommit(5)).toBe(false);
    expect(progress.canRaiseCommit(6)).toBe(true);
    progress.sentCommitIndex(8);
    expect(progress.canRaiseCommit(20)).toBe(false);
  });

  test("count as lost when the member is probed anew", () => {
    const progress = member("replicate", 4, 9);
    progress.sentCommitIndex(8);
    progress.becomeProbe();
    progress.maybeUpdate(7);
    expect(progress.canRaiseCommit(8)).toBe(true);
  });

  test("are part of a snapshot", () => {
    const progress = member("snapshot", 0, 8);
    expect(progress.canRaiseCommit(7)).toBe(false);
  });
});

test("a new leader forgets everything", () => {
  const progress = member("snapshot", 2, 8);
  progress.recentActive = true;
  progress.endInterval();
  expect(progress.isAnswering).toBe(true);
  progress.loading = true;
  progress.confirmedRead = 3;
  progress.reset(0, 12);
  expect(progress).toMatchObject({
    state: "probe",
    match: 0,
    next: 12,
    recentActive: false,
    isAnswering: false,
    loading: false,
    confirmedRead: 0,
    pendingSnapshot: 0,
    inflightCount: 0,
  });
});
