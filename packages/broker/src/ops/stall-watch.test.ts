import { expect, test } from "vitest";
import { StallWatch } from "./stall-watch.js";

/** Looks every 500 ms at a loop that beats `true`, or does not. */
function watched(beats: readonly boolean[]): number {
  const watch = new StallWatch(0, 1_000);
  let turns = 0;
  beats.forEach((beat, at) => {
    if (beat) turns++;
    watch.look(turns, 500 * (at + 1));
  });
  return watch.stalledMs;
}

test("a loop that turns is never stalled", () => {
  expect(watched([true, true, true])).toBe(0);
});

test("a loop that stands is stalled for as long as it was seen to stand", () => {
  expect(watched([true, false, false, false])).toBe(1_500);
});

test("one turn ends a stall", () => {
  expect(watched([false, false, false, true])).toBe(0);
  expect(watched([false, false, true, false])).toBe(500);
});

test("a loop that never began is stalled, too", () => {
  expect(watched([false, false])).toBe(1_000);
});

test("time in which nobody looked is no stall: the whole process was stopped, or the machine slept (W1)", () => {
  const watch = new StallWatch(0, 1_000);
  watch.look(0, 500);
  watch.look(0, 3_600_000);
  expect(watch.stalledMs).toBe(1_500);
});

test("a clock that goes back takes nothing away", () => {
  const watch = new StallWatch(5_000, 1_000);
  watch.look(0, 4_000);
  expect(watch.stalledMs).toBe(0);
});
