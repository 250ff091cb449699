import { SimClock } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { atMostEvery } from "./at-most-every.js";

describe("a read that is shared", () => {
  test("runs once in a period, however many ask, and again after it", async () => {
    const clock = new SimClock();
    let reads = 0;
    const ask = atMostEvery(clock, 2_000, () => Promise.resolve(++reads));
    expect(await Promise.all(Array.from({ length: 1_000 }, ask))).toEqual(Array(1_000).fill(1));
    await clock.runUntil(clock.monotonicMs() + 1_999);
    expect(await ask()).toBe(1);
    await clock.runUntil(clock.monotonicMs() + 1);
    expect(await ask()).toBe(2);
    expect(reads).toBe(2);
  });

  test("never overlaps itself: who asks during a long one gets that one", async () => {
    const clock = new SimClock();
    const ends: ((value: number) => void)[] = [];
    const ask = atMostEvery(clock, 2_000, () => new Promise<number>((resolve) => ends.push(resolve)));
    const first = ask();
    await clock.runUntil(clock.monotonicMs() + 60_000);
    const second = ask();
    expect(ends).toHaveLength(1);
    ends[0]?.(7);
    expect(await Promise.all([first, second])).toEqual([7, 7]);
    void ask();
    expect(ends).toHaveLength(2);
  });

  test("a failure is shared for the period like a result, and is no end", async () => {
    const clock = new SimClock();
    let reads = 0;
    const ask = atMostEvery(clock, 2_000, () =>
      ++reads === 1 ? Promise.reject(new Error("no")) : Promise.resolve(reads),
    );
    await expect(ask()).rejects.toThrow("no");
    await expect(ask()).rejects.toThrow("no");
    expect(reads).toBe(1);
    await clock.runUntil(clock.monotonicMs() + 2_000);
    expect(await ask()).toBe(2);
  });
});
