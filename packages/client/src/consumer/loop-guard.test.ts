/** loop-guard.test.ts: who is named when the event loop stood still. */
import { expect, test } from "vitest";
import { LoopGuard } from "./loop-guard.js";

test("a timer that fires in time, or a little late, blames nobody", () => {
  const guard = new LoopGuard(1_000);
  guard.expect(500, ["t/0@1"]);
  expect(guard.fired(500)).toBe(null);
  guard.expect(1_000, ["t/0@1"]);
  expect(guard.fired(2_000)).toBe(null);
});

test("a timer that fires far too late names what was in work and what was begun meanwhile, each once, and not what was before", () => {
  const guard = new LoopGuard(1_000);
  guard.expect(500, ["t/0@1"]);
  guard.fired(500);
  guard.expect(1_000, ["t/0@2"]);
  guard.started("t/1@7");
  guard.started("t/1@7");
  expect(guard.fired(2_001)).toEqual({ blockedMs: 1_001, suspects: ["t/0@2", "t/1@7"] });
  expect(guard.fired(9_000)).toBe(null);
});

test("how late the timer is can be asked before it fires", () => {
  const guard = new LoopGuard(1_000);
  expect(guard.lateMs(9_000)).toBe(0);
  guard.expect(500, []);
  expect([guard.lateMs(400), guard.lateMs(1_500), guard.isBlocked(1_500), guard.isBlocked(1_501)]).toEqual([
    0,
    1_000,
    false,
    true,
  ]);
});

test("of many suspects the last few are named", () => {
  const guard = new LoopGuard(0);
  guard.expect(
    1,
    Array.from({ length: 1_000 }, (_, at) => `t/0@${at}`),
  );
  expect(guard.fired(10)?.suspects).toEqual(Array.from({ length: 8 }, (_, at) => `t/0@${992 + at}`));
});
