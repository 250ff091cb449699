/** group-lag.test.ts: L1 to L3: what a lag is, when it is unknown, and that it never asks for consumers without work. */
import { expect, test } from "vitest";
import { groupLag, isActive, metricSeconds } from "./group-lag.js";
import type { ScalerSettings } from "./settings.js";

const NOW_MS = 1_000_000;

function settings(given: Partial<ScalerSettings> = {}): ScalerSettings {
  return {
    group: "billing",
    topic: null,
    lagSeconds: 30,
    activationLagSeconds: 0,
    startFrom: "earliest",
    limitToPartitionsWithLag: true,
    ...given,
  };
}

/** A partition whose oldest unread record is that old; null: all is read; "silent": nobody answers. */
type Age = number | null | "silent";

function lagOf(ages: readonly Age[], given: Partial<ScalerSettings> = {}, from: number | null = 0) {
  const places = ages.map((_, partition) => ({ topicId: "t", topic: "orders", partition, from }));
  const backlogs = ages.map((age) => {
    if (age === "silent") return null;
    return age === null ? { records: 0, appendTimeMs: null } : { records: 7, appendTimeMs: NOW_MS - age };
  });
  return groupLag(places, backlogs, settings(given), NOW_MS);
}

test.each<{ why: string; ages: Age[]; lagMs: number; withLag: number }>([
  { why: "nothing waits", ages: [null, null], lagMs: 0, withLag: 0 },
  { why: "the oldest record of all counts", ages: [2_000, 61_500, null], lagMs: 61_500, withLag: 2 },
  { why: "a leader's clock is ahead", ages: [-400], lagMs: 0, withLag: 1 },
  { why: "there is no partition", ages: [], lagMs: 0, withLag: 0 },
])("$why: $ages -> $lagMs ms in $withLag partitions", ({ ages, lagMs, withLag }) => {
  expect(lagOf(ages)).toEqual({ lagMs, partitions: ages.length, partitionsWithLag: withLag });
});

test("a partition without an answer makes all of it unknown, and says which", () => {
  expect(() => lagOf([90_000, "silent"])).toThrow(
    expect.objectContaining({ code: "NOT_ENOUGH_REPLICAS", details: { topic: "orders", partition: 1 } }),
  );
});

test("a group that starts at the latest record has no lag where it has committed nothing", () => {
  expect(lagOf([90_000, "silent"], { startFrom: "latest" }, null)).toMatchObject({ lagMs: 0, partitionsWithLag: 0 });
  expect(lagOf([90_000], { startFrom: "latest" }, 3)).toMatchObject({ lagMs: 90_000, partitionsWithLag: 1 });
});

test.each([
  { ages: [null], activationLagSeconds: 0, active: false },
  { ages: [0], activationLagSeconds: 0, active: true },
  { ages: [59_999], activationLagSeconds: 60, active: false },
  { ages: [60_000], activationLagSeconds: 60, active: true },
])("$ages ms with activation at $activationLagSeconds s: active $active", ({ ages, activationLagSeconds, active }) => {
  expect(isActive(lagOf(ages), settings({ activationLagSeconds }))).toBe(active);
});

test.each<{ why: string; ages: Age[]; limit: boolean; seconds: number }>([
  { why: "below the bound the lag itself", ages: [45_500, 1, null, null], limit: true, seconds: 45.5 },
  { why: "one partition behind: one consumer at most", ages: [900_000, null, null], limit: true, seconds: 30 },
  { why: "two behind: two", ages: [900_000, 10, null], limit: true, seconds: 60 },
  { why: "without that bound: as many as partitions", ages: [900_000, null, null], limit: false, seconds: 90 },
  { why: "nothing waits", ages: [null], limit: true, seconds: 0 },
])("$why: $seconds s", ({ ages, limit, seconds }) => {
  expect(metricSeconds(lagOf(ages), settings({ limitToPartitionsWithLag: limit }))).toBe(seconds);
});
