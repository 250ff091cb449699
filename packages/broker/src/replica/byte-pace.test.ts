import { SimClock } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { BytePace } from "./byte-pace.js";

describe("a pace", () => {
  test("lets through what it allows on average, however it is cut", async () => {
    for (const chunk of [1, 100, 5_000]) {
      const clock = new SimClock();
      const pace = new BytePace(clock, 1_000);
      let bytes = 0;
      while (clock.monotonicMs() < 60_000) {
        bytes += chunk;
        await clock.runUntil(clock.monotonicMs() + Math.max(0.001, pace.take(chunk)));
      }
      expect(bytes).toBeGreaterThanOrEqual(60_000);
      expect(bytes).toBeLessThanOrEqual(60_000 + 1_000 + 2 * chunk);
    }
  });

  test("does not save up what was not used", async () => {
    const clock = new SimClock();
    const pace = new BytePace(clock, 1_000);
    await clock.runUntil(clock.monotonicMs() + 3_600_000);
    expect(pace.take(2_000)).toBe(1_000);
  });

  test("without a limit never waits", () => {
    expect(new BytePace(new SimClock(), -1).take(1e12)).toBe(0);
  });
});
