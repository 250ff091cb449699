import { SimClock } from "@varve/base/testing";
import { expect, test } from "vitest";
import { ClusterClock } from "./cluster-clock.js";

const NOW_MS = 1_700_000_000_000;
const HOUR_MS = 3_600_000;

test.each<{ what: string; peers: readonly number[]; now: number; append: number }>([
  { what: "alone, the own clock is the cluster's", peers: [], now: 0, append: 0 },
  { what: "one peer an hour ahead does not move the cluster", peers: [HOUR_MS], now: 0, append: 0 },
  {
    what: "one peer an hour behind: the earlier of two counts",
    peers: [-HOUR_MS],
    now: -HOUR_MS,
    append: -HOUR_MS + 10_000,
  },
  { what: "one wrong clock of three counts for nothing", peers: [200, HOUR_MS], now: 200, append: 0 },
  {
    what: "an own clock that is far ahead is held 10 s ahead of the others",
    peers: [-HOUR_MS, -HOUR_MS - 40],
    now: -HOUR_MS,
    append: -HOUR_MS + 10_000,
  },
  {
    what: "an own clock that is behind is told from the others, and appends by itself",
    peers: [HOUR_MS, HOUR_MS],
    now: HOUR_MS,
    append: 0,
  },
  { what: "what is no time is passed over", peers: [Number.NaN, Number.POSITIVE_INFINITY, -NOW_MS], now: 0, append: 0 },
])("$what", ({ peers, now, append }) => {
  const clock = new ClusterClock(new SimClock(NOW_MS));
  peers.forEach((offsetMs, at) => {
    clock.heard(at + 2, NOW_MS + offsetMs);
  });
  expect([clock.nowMs() - NOW_MS, clock.appendMs() - NOW_MS]).toEqual([now, append]);
});

test.each([-HOUR_MS, HOUR_MS])("an own clock that jumps by %d ms moves the cluster's not at all", async (jumpMs) => {
  const time = new SimClock(NOW_MS);
  const own = { jumpedMs: 0 };
  const clock = new ClusterClock({
    monotonicMs: () => time.monotonicMs(),
    wallMs: () => Math.floor(time.wallMs()) + own.jumpedMs,
    setTimer: (delayMs, callback) => time.setTimer(delayMs, callback),
    defer: (callback) => time.defer(callback),
  });
  for (const broker of [2, 3]) clock.heard(broker, NOW_MS);
  await time.runUntil(500.25);
  own.jumpedMs = jumpMs;
  expect(clock.nowMs()).toBe(NOW_MS + 500);
  expect(clock.appendMs()).toBe(NOW_MS + 500 + (jumpMs < 0 ? jumpMs : 10_000));
});

test("a later word of a broker replaces its earlier one, and a silent broker is forgotten after 30 s", async () => {
  const time = new SimClock(NOW_MS);
  const clock = new ClusterClock(time);
  clock.heard(2, NOW_MS - HOUR_MS);
  clock.heard(2, NOW_MS - 500);
  expect(clock.nowMs()).toBe(NOW_MS - 500);
  await time.runUntil(30_000);
  expect(clock.nowMs()).toBe(NOW_MS + 30_000 - 500);
  await time.runUntil(30_001);
  expect(clock.nowMs()).toBe(NOW_MS + 30_001);
});
