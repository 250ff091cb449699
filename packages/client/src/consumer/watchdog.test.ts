/** watchdog.test.ts: which reason is given when several could be. */
import { expect, test } from "vitest";
import { type PartitionFacts, stallOf } from "./watchdog.js";

const facts: PartitionFacts = {
  sinceMs: 10_000,
  lagRecords: 5,
  isPaused: false,
  inWork: null,
  retrying: null,
  isFetched: false,
  fetchTrouble: null,
  fetchSilentMs: 12_000,
  coordinatorSilentMs: null,
  coordinatorTrouble: null,
};

test.each([
  { why: "nothing waits", more: { lagRecords: 0 } },
  { why: "it is paused", more: { isPaused: true } },
  { why: "it has not lasted long", more: { sinceMs: 9_999 } },
])("no stall while $why", ({ more }) => {
  expect(stallOf({ ...facts, ...more }, 10_000)).toBe(null);
});

test.each([
  { more: {}, reason: /no broker has sent its records for 12\.0 s/, cure: "refetch" },
  { more: { isFetched: true }, reason: /wait for a free place/, cure: "none" },
  { more: { fetchTrouble: new Error("no leader") }, reason: /cannot be fetched: no leader/, cure: "none" },
  {
    more: { retrying: { name: "t/0@3", attempt: 4, error: "boom" }, isFetched: true },
    reason: /failed on t\/0@3 3 times, last with: boom/,
    cure: "none",
  },
  { more: { inWork: { name: "t/0@3", ms: 11_000 } }, reason: /working on t\/0@3 for 11\.0 s/, cure: "none" },
  {
    more: { coordinatorSilentMs: 31_000, coordinatorTrouble: new Error("refused"), inWork: { name: "t/0@3", ms: 1 } },
    reason: /coordinator has not answered for 31\.0 s: refused/,
    cure: "none",
  },
])("$reason", ({ more, reason, cure }) => {
  const stall = stallOf({ ...facts, ...more }, 10_000);
  expect(stall?.reason).toMatch(reason);
  expect(stall?.cure).toBe(cure);
});
