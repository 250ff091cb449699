import { Prng } from "@varve/base/testing";
import { type ConfState, changeConfiguration, EMPTY_CONFIGURATION } from "raft-ts";
import { describe, expect, test } from "vitest";
import { type GroupView, type NextStep, nextChange } from "./next-change.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

function config(voters: readonly number[], learners: readonly number[] = []): ConfState {
  return { ...EMPTY_CONFIGURATION, voters: [...voters], learners: [...learners] };
}

function view(fields: Partial<GroupView> & { readonly wanted?: readonly number[] }): GroupView {
  const { wanted = [1, 2, 3], ...rest } = fields;
  return {
    self: 1,
    config: config([1, 2, 3]),
    voters: wanted.map((replicaId) => ({ replicaId, after: null })),
    learners: [],
    leaving: [],
    isActive: () => true,
    isCaughtUp: () => true,
    ...rest,
  };
}

const CASES: readonly { readonly why: string; readonly view: GroupView; readonly step: Partial<NextStep> }[] = [
  { why: "all is as wanted", view: view({}), step: { kind: "rest" } },
  {
    why: "a change is under way",
    view: view({ config: { ...config([1, 2, 4]), votersOutgoing: [1, 2, 3] }, wanted: [1, 2, 5] }),
    step: { kind: "wait" },
  },
  {
    why: "a new replica learns first",
    view: view({ wanted: [1, 2, 4], leaving: [3] }),
    step: { kind: "change", changes: [{ type: "addLearner", nodeId: 4 }] },
  },
  {
    why: "it does not vote before it has caught up",
    view: view({ wanted: [1, 2, 4], leaving: [3], config: config([1, 2, 3], [4]), isCaughtUp: (id) => id !== 4 }),
    step: { kind: "wait" },
  },
  {
    why: "one change lets the new one in and the old one go",
    view: view({ wanted: [1, 2, 4], leaving: [3], config: config([1, 2, 3], [4]) }),
    step: {
      kind: "change",
      changes: [
        { type: "addVoter", nodeId: 4 },
        { type: "removeNode", nodeId: 3 },
      ],
    },
  },
  {
    why: "what has left is reported",
    view: view({ wanted: [1, 2, 4], leaving: [3], config: config([1, 2, 4]) }),
    step: { kind: "left", replicaIds: [3] },
  },
  {
    why: "an unwanted leader does not remove itself",
    view: view({ wanted: [2, 3, 4], leaving: [1], config: config([1, 2, 3], [4]) }),
    step: { kind: "change", changes: [{ type: "addVoter", nodeId: 4 }] },
  },
  {
    why: "it hands over instead",
    view: view({ wanted: [2, 3, 4], leaving: [1], config: config([1, 2, 3, 4]) }),
    step: { kind: "handOver", to: [2, 3, 4] },
  },
  {
    why: "a replica without data goes before its successor learns",
    view: view({
      voters: [1, 2, 4].map((replicaId) => ({ replicaId, after: replicaId === 4 ? 3 : null })),
      leaving: [3],
      isActive: (id) => id !== 3,
    }),
    step: { kind: "change", changes: [{ type: "removeNode", nodeId: 3 }] },
  },
  {
    why: "but not while the others are too few",
    view: view({
      voters: [1, 2, 4].map((replicaId) => ({ replicaId, after: replicaId === 4 ? 3 : null })),
      leaving: [3],
      isActive: () => false,
    }),
    step: { kind: "wait" },
  },
  {
    why: "voters that do not answer do not take over",
    view: view({ wanted: [1, 4, 5], config: config([1, 2, 3], [4, 5]), isActive: (id) => id <= 3, leaving: [2, 3] }),
    step: { kind: "wait" },
  },
  {
    why: "a voter that shall only learn is not removed",
    view: view({ wanted: [1, 2], learners: [3] }),
    step: { kind: "change", changes: [{ type: "addLearner", nodeId: 3 }] },
  },
  {
    why: "a learner that nobody wants goes",
    view: view({ config: config([1, 2, 3], [7]) }),
    step: { kind: "change", changes: [{ type: "removeNode", nodeId: 7 }] },
  },
];

describe("the next step", () => {
  test.each(CASES)("$why", ({ view: given, step }) => expect(nextChange(given)).toMatchObject(step));
});

/** A group that does what it is told at once, wherever its leader is. */
class Group {
  config: ConfState;
  leader: number;

  constructor(voters: readonly number[], leader: number) {
    this.config = config(voters);
    this.leader = leader;
  }

  take(step: Extract<NextStep, { kind: "change" }>): void {
    const before = this.config;
    const next = changeConfiguration(before, { transition: "auto", changes: step.changes, context: new Uint8Array(0) });
    this.config = next.config;
    if (this.config.votersOutgoing.length === 0) this.mustOverlap(before.voters, this.config.voters);
    else
      this.config = changeConfiguration(this.config, {
        transition: "auto",
        changes: [],
        context: new Uint8Array(0),
      }).config;
    expect(this.config.voters, "N3").toContain(this.leader);
  }

  /** One voter more or less: any two majorities have a common member. */
  private mustOverlap(before: readonly number[], after: readonly number[]): void {
    const changed = [...before.filter((id) => !after.includes(id)), ...after.filter((id) => !before.includes(id))];
    expect(changed.length).toBeLessThanOrEqual(1);
  }
}

test(`any wanted set is reached in bounded steps, with a quorum that answers at each, seed ${seed}`, () => {
  const prng = new Prng(seed);
  const some = (): number[] => {
    const ids = [1, 2, 3, 4, 5, 6, 7].filter(() => prng.chance(0.5));
    return ids.length === 0 ? [prng.between(1, 7)] : ids;
  };
  for (let round = 0; round < 3_000; round++) {
    const start = some();
    const group = new Group(start, prng.pick(start));
    const wanted = some();
    const learners = some().filter((id) => !wanted.includes(id) && prng.chance(0.3));
    let leaving = start.filter((id) => !wanted.includes(id) && !learners.includes(id));
    const story: string[] = [];
    for (let at = 0; ; at++) {
      const step = nextChange(view({ self: group.leader, config: group.config, wanted, learners, leaving }));
      story.push(JSON.stringify(step));
      expect(at, `${start} -> ${wanted} | ${learners}: ${story.join(" ")}`).toBeLessThan(30);
      if (step.kind === "rest") break;
      expect(step.kind).not.toBe("wait");
      if (step.kind === "left") leaving = leaving.filter((id) => !step.replicaIds.includes(id));
      if (step.kind === "handOver") group.leader = step.to.find((id) => group.config.voters.includes(id)) ?? 0;
      if (step.kind === "change") group.take(step);
    }
    expect([...group.config.voters].sort()).toEqual([...wanted].sort());
    expect([...group.config.learners].sort()).toEqual([...learners].sort());
    expect(leaving).toEqual([]);
  }
});
