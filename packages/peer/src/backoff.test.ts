/** backoff.test.ts: when the next attempt may start. */
import { Prng, SimClock } from "@varve/base/testing";
import { expect, test } from "vitest";
import { Backoff } from "./backoff.js";
import { PEER_LIMITS } from "./limits.js";
import { testSeed } from "./testing/rig.js";

const seed = testSeed();

test(`the first attempt is immediate, later ones wait ever longer up to the limit (SEED=${seed})`, () => {
  const backoff = new Backoff(new SimClock(), new Prng(seed));
  expect(backoff.nextDelayMs()).toBe(0);
  for (const baseMs of [10, 50, 75, 112.5, 168, 253, 379, 569, 854, 1_000, 1_000]) {
    const delayMs = backoff.nextDelayMs();
    expect(delayMs).toBeGreaterThanOrEqual(Math.floor(baseMs / 2));
    expect(delayMs).toBeLessThanOrEqual(Math.ceil(baseMs));
  }
});

test("a link that breaks right after each handshake is dialed at once only once a second", async () => {
  const clock = new SimClock();
  const backoff = new Backoff(clock, new Prng(seed));
  const delaysMs = Array.from({ length: 5 }, () => {
    backoff.reset();
    return backoff.nextDelayMs();
  });
  expect(delaysMs.filter((delayMs) => delayMs === 0).length).toBe(1);
  await clock.runUntil(PEER_LIMITS.immediateRedialMs);
  backoff.reset();
  expect(backoff.nextDelayMs()).toBe(0);
});
