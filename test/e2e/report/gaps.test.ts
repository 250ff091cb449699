import { expect, test } from "vitest";
import { AckLog, longestGapMs } from "./gaps.js";

test("a gap that begins before the window or ends after it counts whole", () => {
  expect(longestGapMs([0, 90, 400, 410], { fromMs: 100, toMs: 405 })).toBe(310);
  expect(longestGapMs([0, 110, 150, 900], { fromMs: 100, toMs: 200 })).toBe(750);
  expect(longestGapMs([0, 1_000], { fromMs: 100, toMs: 200 })).toBe(1_000);
});

test("gaps that do not touch the window do not count", () => {
  expect(longestGapMs([0, 5_000, 5_010, 5_025, 5_030, 9_000], { fromMs: 5_005, toMs: 5_028 })).toBe(15);
});

test("an acknowledgement on an edge closes the gap there", () => {
  expect(longestGapMs([0, 100, 150, 200, 900], { fromMs: 100, toMs: 200 })).toBe(50);
});

test("a partition that acknowledges nothing has a gap as long as the window", () => {
  expect(longestGapMs([], { fromMs: 100, toMs: 4_100 })).toBe(4_000);
  expect(longestGapMs([50], { fromMs: 100, toMs: 4_100 })).toBe(4_050);
  expect(longestGapMs([5_000], { fromMs: 100, toMs: 4_100 })).toBe(4_900);
});

test("each partition has its own gaps, and what is acknowledged for none is left out", () => {
  const log = new AckLog(2);
  for (const ms of [0, 100, 200]) log.ack(0, ms);
  for (const ms of [0, 200]) log.ack(1, ms);
  log.ack(7, 50);
  expect(log.longestGapsMs({ fromMs: 10, toMs: 190 })).toEqual([100, 200]);
  expect(log.counts()).toEqual([3, 2]);
  expect(log.count).toBe(5);
});
