/** gap-meter.test.ts: M1 and M2: what counts as a gap, and from when on. */
import { expect, test } from "vitest";
import { GapMeter } from "./gap-meter.js";

const msOf = (meter: GapMeter, nowMs: number): number[] => meter.gaps(nowMs).map(({ ms }) => ms);

test("a gap is the longest time between two acknowledgements of a partition, other partitions do not end it", () => {
  const meter = new GapMeter(2, 1_000);
  for (const atMs of [1_010, 1_500, 1_510]) meter.acknowledged(0, atMs);
  meter.acknowledged(1, 1_505);
  expect(msOf(meter, 1_511)).toEqual([490, 505]);
});

test("a partition that still waits has a gap up to now, one that never answered since the beginning", () => {
  const meter = new GapMeter(2, 0);
  meter.acknowledged(0, 100);
  expect(msOf(meter, 2_100)).toEqual([2_000, 2_100]);
});

test("what was before a restart counts for nothing", () => {
  const meter = new GapMeter(1, 0);
  meter.acknowledged(0, 9_000);
  meter.restart(10_000);
  expect(msOf(meter, 10_050)).toEqual([50]);
  meter.acknowledged(0, 10_300);
  expect(msOf(meter, 10_300)).toEqual([300]);
});

test("an acknowledgement of a partition that is not measured is left out", () => {
  const meter = new GapMeter(1, 0);
  meter.acknowledged(7, 5);
  expect(msOf(meter, 10)).toEqual([10]);
});
