/**
 * confchange.test.ts: what follows from a change, against a model that keeps one word for each node.
 */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { ConfChangeError } from "../errors.js";
import { testChange, testChanges, testConf } from "../testing/samples.js";
import type { ConfChangeSingle, ConfState } from "../types.js";
import { changeConfiguration, enterJoint, leaveJoint, leavesJoint, simpleChange } from "./confchange.js";
import { EMPTY_CONFIGURATION, normalizeConfiguration } from "./configuration.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const NODES = [1, 2, 3, 4, 5];

describe("a simple change", () => {
  test.each([
    { why: "adds a voter", change: "v3", want: testConf([1, 2, 3]) },
    { why: "removes a voter", change: "r2", want: testConf([1]) },
    { why: "adds learners, as many as one likes", change: "l3 l4", want: testConf([1, 2], [3, 4]) },
    { why: "demotes a voter", change: "l2", want: testConf([1], [2]) },
    { why: "does nothing for a voter that is one", change: "v2", want: testConf([1, 2]) },
    { why: "does nothing for a node that is absent", change: "r9", want: testConf([1, 2]) },
    { why: "updates nothing", change: "u1 u9", want: testConf([1, 2]) },
    { why: "ignores node 0", change: "v0 l0 r0", want: testConf([1, 2]) },
  ])("$why: $change", ({ change, want }) => {
    expect(simpleChange(testConf([1, 2]), testChanges(change)).config).toEqual(want);
  });

  test("promotes a learner", () => {
    expect(simpleChange(testConf([1], [2]), testChanges("v2")).config).toEqual(testConf([1, 2]));
  });

  test("starts from nothing", () => {
    expect(simpleChange(EMPTY_CONFIGURATION, testChanges("v1")).config).toEqual(testConf([1]));
  });

  test.each([
    { why: "two new voters", change: "v3 v4", text: "more than one voter changed without entering joint config" },
    { why: "one out, one in", change: "r1 v3", text: "more than one voter changed without entering joint config" },
    {
      why: "a demotion and a new voter",
      change: "l1 v3",
      text: "more than one voter changed without entering joint config",
    },
    { why: "nobody left", change: "r1 r2", text: "removed all voters" },
    { why: "only learners left", change: "l1 l2", text: "removed all voters" },
  ])("is refused: $why", ({ change, text }) => {
    expect(() => simpleChange(testConf([1, 2]), testChanges(change))).toThrow(new ConfChangeError(text));
  });

  test("is refused in a joint configuration", () => {
    const joint = enterJoint(testConf([1]), false, testChanges("v2")).config;
    expect(() => simpleChange(joint, testChanges("l9"))).toThrow("can't apply simple config change in joint config");
  });
});

describe("entering a joint configuration", () => {
  test("keeps the present voters as outgoing ones", () => {
    expect(enterJoint(testConf([1, 2]), true, testChanges("v3 v4 r1")).config).toEqual({
      voters: [2, 3, 4],
      votersOutgoing: [1, 2],
      learners: [],
      learnersNext: [],
      autoLeave: true,
    });
  });

  test("a demoted voter becomes a learner only when the outgoing side is left", () => {
    const { config } = enterJoint(testConf([1, 2]), false, testChanges("l1 l3"));
    expect(config).toMatchObject({ voters: [2], learners: [3], learnersNext: [1] });
    expect(leaveJoint(config).config).toEqual(testConf([2], [1, 3]));
  });

  test("a demotion can be taken back", () => {
    expect(enterJoint(testConf([1, 2]), false, testChanges("l1 v1")).config).toMatchObject({
      voters: [1, 2],
      learnersNext: [],
    });
    expect(enterJoint(testConf([1, 2]), false, testChanges("l1 r1")).config).toMatchObject({
      voters: [2],
      learnersNext: [],
    });
  });

  test("may change nothing", () => {
    expect(enterJoint(testConf([1]), false, []).config).toMatchObject({ voters: [1], votersOutgoing: [1] });
  });

  test.each([
    { why: "twice", config: enterJoint(testConf([1]), false, []).config, text: "config is already joint" },
    { why: "without voters", config: EMPTY_CONFIGURATION, text: "can't make a zero-voter config joint" },
  ])("is refused $why", ({ config, text }) => {
    expect(() => enterJoint(config, false, testChanges("v2"))).toThrow(new ConfChangeError(text));
  });

  test("must leave an incoming voter", () => {
    expect(() => enterJoint(testConf([1, 2]), false, testChanges("r1 r2"))).toThrow("removed all voters");
  });
});

test("leaving is refused where nothing is joint", () => {
  expect(() => leaveJoint(testConf([1]))).toThrow(new ConfChangeError("can't leave a non-joint config"));
});

describe("which way a change goes", () => {
  test.each([
    { why: "one change is simple", change: testChange("v2"), outgoing: [], autoLeave: false },
    { why: "two are joint and left automatically", change: testChange("v2 v3"), outgoing: [1], autoLeave: true },
    { why: "implicit is joint", change: testChange("v2", "jointImplicit"), outgoing: [1], autoLeave: true },
    { why: "explicit is joint and stays", change: testChange("v2", "jointExplicit"), outgoing: [1], autoLeave: false },
  ])("$why", ({ change, outgoing, autoLeave }) => {
    const { config } = changeConfiguration(testConf([1]), change);
    expect(config).toMatchObject({ votersOutgoing: outgoing, autoLeave });
  });

  test("an empty automatic change leaves", () => {
    expect(leavesJoint(testChange(""))).toBe(true);
    expect(leavesJoint(testChange("", "jointExplicit"))).toBe(false);
    const { config } = changeConfiguration(testConf([1]), testChange("v2 v3"));
    expect(changeConfiguration(config, testChange("")).config).toEqual(testConf([1, 2, 3]));
  });
});

test("a member that was removed and added at once starts anew", () => {
  expect([...simpleChange(testConf([1, 2]), testChanges("r2 v2")).dropped]).toEqual([2]);
  expect([...simpleChange(testConf([1, 2]), testChanges("l2 v2")).dropped]).toEqual([]);
  expect([...enterJoint(testConf([1, 2]), false, testChanges("r2 v2")).dropped]).toEqual([]);
});

/** What a node is, as one word: what it does on the incoming side, and whether it votes on the outgoing one. */
type Word = "none" | "voter" | "learner" | "next";

class ModelOfNodes {
  readonly words = new Map<number, Word>();
  readonly outgoing = new Set<number>();

  constructor(config: ConfState, joins: boolean) {
    for (const id of config.voters) this.words.set(id, "voter");
    for (const id of config.learners) this.words.set(id, "learner");
    if (joins) for (const id of config.voters) this.outgoing.add(id);
  }

  apply({ type, nodeId }: ConfChangeSingle): void {
    const word = this.words.get(nodeId) ?? "none";
    if (type === "addVoter") this.words.set(nodeId, "voter");
    if (type === "removeNode") this.words.set(nodeId, "none");
    if (type === "addLearner" && word !== "learner")
      this.words.set(nodeId, this.outgoing.has(nodeId) ? "next" : "learner");
  }

  with(word: Word): number[] {
    return NODES.filter((id) => this.words.get(id) === word);
  }
}

function randomChanges(prng: Prng): ConfChangeSingle[] {
  const types = ["addVoter", "addLearner", "removeNode", "updateNode"] as const;
  return Array.from({ length: prng.between(1, 4) }, () => ({ type: prng.pick(types), nodeId: prng.between(1, 5) }));
}

test(`agrees with a model that keeps one word for each node (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  let refused = 0;
  for (let round = 0; round < 5_000; round++) {
    let config = testConf([1, 2, 3].slice(0, prng.between(1, 3)), prng.chance(0.5) ? [4] : []);
    for (let step = 0; step < 4; step++) {
      if (config.votersOutgoing.length > 0) {
        const { voters, learners, learnersNext } = config;
        config = leaveJoint(config).config;
        expect(config).toEqual(normalizeConfiguration(testConf(voters, [...learners, ...learnersNext])));
        continue;
      }
      const changes = randomChanges(prng);
      const joins = prng.chance(0.5);
      const model = new ModelOfNodes(config, joins);
      for (const change of changes) model.apply(change);
      const differing = NODES.filter((id) => config.voters.includes(id) !== model.with("voter").includes(id));
      const isAllowed = model.with("voter").length > 0 && (joins || differing.length <= 1);
      const before = config;
      const act = (): ConfState => (joins ? enterJoint(before, true, changes) : simpleChange(before, changes)).config;
      if (!isAllowed) {
        refused++;
        expect(act, `round ${round}`).toThrow(ConfChangeError);
        continue;
      }
      config = act();
      expect(config, `round ${round}`).toEqual({
        voters: model.with("voter"),
        learners: model.with("learner"),
        votersOutgoing: joins ? before.voters : [],
        learnersNext: model.with("next"),
        autoLeave: joins,
      });
    }
  }
  expect(refused).toBeGreaterThan(100);
});

/** All sets of nodes that are a majority of every side of the configuration. */
function quorums(config: ConfState): number[][] {
  const found: number[][] = [];
  for (let bits = 0; bits < 2 ** NODES.length; bits++) {
    const set = NODES.filter((id) => (bits & (1 << (id - 1))) !== 0);
    const isMajority = (voters: readonly number[]): boolean =>
      voters.length === 0 || 2 * voters.filter((id) => set.includes(id)).length > voters.length;
    if (isMajority(config.voters) && isMajority(config.votersOutgoing)) found.push(set);
  }
  return found;
}

test(`any quorum before a change and any quorum after it have a node in common (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  let checked = 0;
  for (let round = 0; round < 300; round++) {
    let config = testConf([1, 2, 3]);
    for (let step = 0; step < 4; step++) {
      const before = config;
      try {
        const isJoint = before.votersOutgoing.length > 0;
        const change = isJoint ? testChange("") : { ...testChange("v1"), changes: randomChanges(prng) };
        config = changeConfiguration(before, change).config;
      } catch (error) {
        expect(error).toBeInstanceOf(ConfChangeError);
        continue;
      }
      const after = quorums(config);
      for (const old of quorums(before)) {
        const isApart = after.some((set) => !set.some((id) => old.includes(id)));
        expect(isApart, `${JSON.stringify(before)} -> ${JSON.stringify(config)}`).toBe(false);
      }
      checked++;
    }
  }
  expect(checked).toBeGreaterThan(300);
});
