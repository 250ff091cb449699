import { silentLogger } from "@varve/base";
import { expect, test } from "vitest";
import { DiskReserve } from "./disk-reserve.js";
import { ManualClock } from "./testing/log-driver.js";

async function setUp(freeBytes: number) {
  const clock = new ManualClock();
  const undrained = { total: 0, drained: 0, max: Number.MAX_SAFE_INTEGER };
  const disk = { free: freeBytes, freeBytes: async () => disk.free };
  const parts = { disk, dataDir: "/", clock, logger: silentLogger, undrained, reserveBytes: 800 };
  const reserve = await DiskReserve.measure(parts);
  /** What the file system tells from now on, once the last answer is too old. */
  const told = async (free: number): Promise<void> => {
    disk.free = free;
    clock.advance(250);
    reserve.isShort();
    await Promise.resolve();
  };
  return { clock, undrained, disk, reserve, told };
}

test("what waits for its segment counts as used, and so does what reached it since the file system was asked", async () => {
  const { undrained, reserve } = await setUp(1_000);
  undrained.total = 200;
  expect(reserve.isShort()).toBe(false);
  undrained.total = 150;
  undrained.drained = 50;
  expect(reserve.isShort(), "drained, but as much as before").toBe(false);
  undrained.total = 151;
  expect(reserve.isShort()).toBe(true);
});

test("what was drained before the file system was asked is in its answer, and counts once", async () => {
  const { undrained, reserve, told } = await setUp(10_000);
  undrained.drained = 9_000;
  await told(1_000);
  expect(reserve.isShort()).toBe(false);
  undrained.drained = 9_201;
  expect(reserve.isShort()).toBe(true);
});

test("once refused, produce is taken again when an eighth of the reserve more is free", async () => {
  const { reserve, told } = await setUp(800);
  expect(reserve.isShort()).toBe(false);
  await told(799);
  expect(reserve.isShort()).toBe(true);
  await told(899);
  expect(reserve.isShort()).toBe(true);
  await told(900);
  expect(reserve.isShort()).toBe(false);
  await told(800);
  expect(reserve.isShort()).toBe(false);
});

test("the file system is asked five times a second at most", async () => {
  const { clock, disk, reserve } = await setUp(1_000);
  disk.free = 0;
  clock.advance(199);
  reserve.isShort();
  await Promise.resolve();
  expect(reserve.isShort(), "the first answer still holds").toBe(false);
});
