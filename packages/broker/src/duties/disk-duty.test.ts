import { silentLogger } from "@varve/base";
import { expect, test } from "vitest";
import { DiskDuty, type DiskHung } from "./disk-duty.js";

function setUp() {
  let nowMs = 1_000;
  let pending: { id: number; path: string; sinceMs: number } | null = null;
  const seen = { hung: [] as DiskHung[], left: 0, told: 0 };
  const clock = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    setTimer: () => ({ cancel: () => undefined }),
    defer: (callback: () => void) => callback(),
  };
  const duty = new DiskDuty({
    clock,
    logger: silentLogger,
    pendingWrite: () => pending,
    slowMs: 1_000,
    hungMs: 20_000,
    onHung: (error) => seen.hung.push(error),
    leave: () => {
      seen.left++;
    },
    tell: () => {
      seen.told++;
    },
  });
  const pass = (ms: number): void => {
    for (let at = 0; at < ms; at += 100) {
      nowMs += 100;
      duty.look();
      if (at % 1_000 === 900) duty.step();
    }
  };
  const jump = (ms: number): void => {
    nowMs += ms;
    duty.look();
  };
  const write = (id: number | null): void => {
    pending = id === null ? null : { id, path: "/data/wal/7.wal", sinceMs: nowMs };
  };
  return { duty, seen, pass, jump, write };
}

test("a write without an answer moves leaderships away after twice the slow time, and ends the process once after the hung time", () => {
  const { duty, seen, pass, write } = setUp();
  write(1);
  pass(1_900);
  expect(duty.isSlowHere()).toBe(false);
  pass(1_100);
  expect([duty.isSlowHere(), seen.left, seen.told], "at once, and every second").toEqual([true, 2, 2]);
  pass(16_000);
  expect(seen.hung).toEqual([]);
  pass(5_000);
  expect(seen.hung).toHaveLength(1);
  expect(seen.hung[0]?.message).toMatch(/20 s|\/data\/wal\/7\.wal/);
});

test("writes that are answered late, one after another, are slow and not hung", () => {
  const { duty, seen, pass, write } = setUp();
  for (let id = 1; id < 40; id++) {
    write(id);
    pass(1_500);
    duty.flushed(1_500);
  }
  expect(duty.isSlowHere()).toBe(true);
  expect(seen.hung).toEqual([]);
});

test("a single late flush among quick ones is no slow disk, and neither are two", () => {
  const { duty, pass } = setUp();
  for (const durationMs of [2, 3, 1_900, 2, 1_800]) duty.flushed(durationMs);
  pass(11_000);
  duty.flushed(1_900);
  pass(200);
  expect(duty.isSlowHere(), "the third came too late").toBe(false);
});

test("a process that was stopped in the middle of a flush finds no hung disk when it wakes", () => {
  const { duty, seen, pass, jump, write } = setUp();
  write(1);
  pass(300);
  jump(60_000);
  expect([duty.isSlowHere(), seen.hung.length]).toEqual([false, 0]);
  write(null);
  pass(1_000);
  expect(duty.isSlowHere()).toBe(false);
});

test("slowness is over half a minute after the last reason, and what others say of theirs after five seconds", () => {
  const { duty, pass } = setUp();
  for (const durationMs of [1_100, 1_200, 1_300]) duty.flushed(durationMs);
  duty.heard(2);
  pass(1_000);
  expect([duty.isSlowHere(), duty.isSlow(2), duty.isSlow(3)]).toEqual([true, true, false]);
  pass(5_000);
  expect(duty.isSlow(2)).toBe(false);
  pass(30_000);
  expect(duty.isSlowHere(), "the flushes are 10 s old before the half minute begins").toBe(true);
  pass(6_000);
  expect(duty.isSlowHere()).toBe(false);
});
