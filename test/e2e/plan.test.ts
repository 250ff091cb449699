import { expect, test } from "vitest";
import { BRIEF, CHOICES, planOf } from "./plan.js";

test("everything is three clusters: one of this version that grows to five brokers, one with TLS, one that begins with the previous version", () => {
  const { demo, lives, skipped } = planOf(CHOICES, null);
  expect(demo).toBe(true);
  expect(skipped).toEqual([]);
  expect(lives.map(({ name, beginsWith, isSecured, brokersMax }) => [name, beginsWith, isSecured, brokersMax])).toEqual(
    [
      ["current", "current", false, 5],
      ["secured", "current", true, 3],
      ["upgrade", "previous", false, 3],
    ],
  );
  const names = lives.flatMap(({ scenarios }) => scenarios.map(({ name }) => name));
  expect(new Set(names).size).toBe(names.length);
});

test("scenarios run in their own order, whatever the order in which they are asked for", () => {
  const [life] = planOf(["kill", "scale", "roll"], null).lives;
  expect(life?.scenarios.map(({ name }) => name)).toEqual([
    "rolling restart",
    "kill",
    "scale 3 to 5, rebalance",
    "decommission 5 to 3",
  ]);
});

test("without the previous version's commit its cluster is skipped, and the rest is not", () => {
  const plan = planOf(["kill", "upgrade"], "the commit is not here");
  expect(plan.lives.map(({ name }) => name)).toEqual(["current"]);
  expect(plan.skipped).toEqual(["upgrade: the commit is not here"]);
});

test("CI's choice needs neither five brokers nor the previous version", () => {
  const plan = planOf(BRIEF, "the commit is not here");
  expect(plan.skipped).toEqual([]);
  expect(plan.lives.map(({ brokersMax }) => brokersMax)).toEqual([3]);
});

test("a name that is none is refused with those that are", () => {
  expect(() => planOf(["kill", "explode"], null)).toThrow(/unknown: explode; there are demo, roll/);
});
