/**
 * configuration.test.ts: memberships as values.
 */
import { describe, expect, test } from "vitest";
import { ConfChangeError } from "../errors.js";
import { testConf } from "../testing/samples.js";
import type { ConfState } from "../types.js";
import {
  allVoters,
  EMPTY_CONFIGURATION,
  isJoint,
  members,
  normalizeConfiguration,
  sortedIds,
} from "./configuration.js";

const JOINT: ConfState = {
  voters: [3, 1],
  votersOutgoing: [2, 1],
  learners: [5, 4],
  learnersNext: [2],
  autoLeave: true,
};

test("a configuration is joint while it has outgoing voters", () => {
  expect(isJoint(JOINT)).toBe(true);
  expect(isJoint(testConf([1, 2]))).toBe(false);
});

test("lists are sorted and hold each node once", () => {
  expect(sortedIds([10, 9, 10, 1])).toEqual([1, 9, 10]);
  expect(normalizeConfiguration(JOINT)).toEqual({
    voters: [1, 3],
    votersOutgoing: [1, 2],
    learners: [4, 5],
    learnersNext: [2],
    autoLeave: true,
  });
});

test("all voters are those of both sides; members are they and the learners", () => {
  expect(allVoters(JOINT)).toEqual([1, 2, 3]);
  expect(members(JOINT)).toEqual([1, 2, 3, 4, 5]);
  expect(members(EMPTY_CONFIGURATION)).toEqual([]);
});

describe("a configuration is refused", () => {
  test.each<{ why: string; change: Partial<ConfState> }>([
    { why: "a learner that votes", change: { learners: [1] } },
    { why: "a learner that still votes", change: { learners: [2], learnersNext: [] } },
    { why: "a coming learner that never voted", change: { learnersNext: [9] } },
    { why: "a coming learner that votes on", change: { learnersNext: [1] } },
    { why: "an automatic leave of nothing", change: { votersOutgoing: [], learnersNext: [] } },
    { why: "coming learners without a joint configuration", change: { votersOutgoing: [], autoLeave: false } },
  ])("$why", ({ change }) => {
    expect(() => normalizeConfiguration({ ...JOINT, ...change })).toThrow(ConfChangeError);
  });
});

test("an empty configuration is one: its node waits for a snapshot", () => {
  expect(normalizeConfiguration(EMPTY_CONFIGURATION)).toEqual(EMPTY_CONFIGURATION);
});
