/** session-clock.test.ts: whose session is over, and when that is nobody's fault but the broker's. */
import { expect, test } from "vitest";
import { SessionClock } from "./session-clock.js";

function names(clock: SessionClock, nowMs: number): string[] {
  return clock.silent(nowMs).map(({ group, memberId }) => `${group}/${memberId}`);
}

/** Sweeps every 100 ms, as the broker does; answers who was silent at the end. */
function sweepUntil(clock: SessionClock, fromMs: number, untilMs: number): string[] {
  let silent: string[] = [];
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += 100) silent = names(clock, nowMs);
  return silent;
}

test("a member is silent when its own timeout has passed since it was heard last", () => {
  const clock = new SessionClock();
  clock.heard("g", "slow", 5_000, 0);
  clock.heard("g", "fast", 1_000, 0);
  expect(sweepUntil(clock, 0, 1_000)).toEqual([]);
  expect(sweepUntil(clock, 1_100, 1_100)).toEqual(["g/fast"]);
  clock.heard("g", "fast", 1_000, 1_100);
  expect(sweepUntil(clock, 1_200, 2_100)).toEqual([]);
  expect(sweepUntil(clock, 2_200, 5_100)).toEqual(["g/slow", "g/fast"]);
});

test("members of two groups with one id are two; a forgotten one is never silent", () => {
  const clock = new SessionClock();
  clock.heard("a", "m", 1_000, 0);
  clock.heard("b", "m", 1_000, 0);
  clock.forget("a", "m");
  expect(sweepUntil(clock, 0, 1_100)).toEqual(["b/m"]);
  clock.clear();
  expect(clock.size).toBe(0);
});

test("time in which the broker stood still is not counted against members", () => {
  const clock = new SessionClock();
  clock.heard("g", "m", 2_000, 0);
  expect(sweepUntil(clock, 0, 1_000)).toEqual([]);
  expect(names(clock, 41_000)).toEqual([]);
  expect(sweepUntil(clock, 41_100, 42_000)).toEqual([]);
  expect(sweepUntil(clock, 42_100, 42_200)).toEqual(["g/m"]);
});
