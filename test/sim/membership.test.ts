/**
 * membership.test.ts: changes of membership on simulated time, each with a fault at each of its steps: a leader that is removed, two changes at
 * once, a broker that is removed and returns, a disk that is wiped. The same with real processes: test/ci/membership-fire.test.ts.
 *
 * SEED repeats a run; ALL=1 takes every fault at every step instead of one of them.
 */
import { describe, expect, test } from "vitest";
import { ChangeWorld, mustBe, STRIKES, type Strike } from "./change-world.js";

const seed = Number(process.env["SEED"] ?? 1);
const RUN_MS = 600_000;
/** Never reached. */
const NO_STEP = 0;

interface Scenario {
  readonly what: string;
  /** Least number of steps that it takes. */
  readonly steps: number;
  /** Asks for the change, and looks at what came of it. */
  readonly act: (world: ChangeWorld) => Promise<void>;
}

const SCENARIOS: readonly Scenario[] = [
  {
    what: "a leader that is removed",
    steps: 3,
    act: async (world) => {
      const [leader, ...followers] = await world.holders();
      const target = [...followers, outside([leader ?? 0, ...followers])[0] ?? 0];
      await world.asked("the move is taken", world.move(target));
      await world.until("the leader is gone", async () => sameSet(await votersOf(world), target));
    },
  },
  {
    what: "two changes of one partition at once, the second from scratch",
    steps: 3,
    act: async (world) => {
      const before = await world.holders();
      const [one = 0, other = 0] = outside(before);
      const [leader = 0] = before;
      const first = world.move([leader, one, other]);
      const target = [one, other, before[2] ?? 0];
      await world.asked("both moves are taken", Promise.all([first, world.move(target)]));
      await world.asked("the last word is said", world.move(target));
      await world.until("the last change counts", async () => sameSet(await votersOf(world), target));
    },
  },
  {
    what: "a broker that is removed, down when it is let go, and returns",
    steps: 3,
    act: async (world) => {
      const [, follower = 0] = await world.holders();
      const machine = world.machine(follower);
      machine.isLeaving = true;
      await world.asked("it is let go", world.admin.decommissionBroker({ broker: follower }));
      await world.until("it holds nothing", async () => !(await world.holders()).includes(follower));
      if (machine.isUp) machine.kill();
      await world.until("it is no member", async () => {
        const { brokers } = await world.admin.describeCluster();
        return brokers.every(({ id }) => id !== follower);
      });
      const before = new Map(world.checks.leaderChanges);
      machine.start();
      await world.time.until("it is told that it is no member", RUN_MS, () => machine.isRetired);
      for (const [groupId, changes] of world.checks.leaderChanges)
        mustBe(`group ${groupId} keeps its leader when a removed broker returns`, changes === before.get(groupId));
    },
  },
  {
    what: "a wiped disk",
    steps: 3,
    act: async (world) => {
      const [leader = 0] = await world.holders();
      const machine = world.machine(leader);
      const before = new Set(replicaIdsOf(world));
      machine.wipe(false);
      await world.until("the cluster knows of it", async () => {
        await world.admin.replaceBroker({ broker: leader });
        return true;
      });
      machine.isAway = false;
      machine.start();
      await world.until("it votes again under another id", async () => {
        const id = machine.replica(world.groupId)?.id;
        return id !== undefined && !before.has(id) && (await votersOf(world)).includes(leader);
      });
    },
  },
];

describe.each(SCENARIOS)("$what", ({ what, steps, act }) => {
  test(`ends well with a fault at any of its steps, and without one (SEED=${seed})`, { timeout: RUN_MS }, async () => {
    const taken = await run(NO_STEP, STRIKES[0], act);
    expect(taken, "steps").toBeGreaterThanOrEqual(steps);
    for (let step = 1; step <= taken; step++)
      for (const strike of strikesAt(step)) await run(step, strike, act).catch(named(`${what}: ${strike} at ${step}`));
  });
});

/** @returns how many steps it took. */
async function run(step: number, strike: Strike, act: Scenario["act"]): Promise<number> {
  const world = new ChangeWorld(seed);
  await world.begin();
  world.watch(step, strike);
  await act(world);
  const { steps } = world;
  await world.finish();
  // Chance decides how a change goes; a step that did not come this time cannot be struck.
  if (step !== NO_STEP && steps >= step) mustBe(`step ${step} is struck`, world.struck !== null);
  return steps;
}

/** In turn; with ALL=1 all of them. */
function strikesAt(step: number): readonly Strike[] {
  if (process.env["ALL"] === "1") return STRIKES;
  const strike = STRIKES[(seed + step) % STRIKES.length];
  return strike === undefined ? [] : [strike];
}

function named(what: string): (error: unknown) => never {
  return (error) => {
    throw new Error(`${what}, SEED=${seed}`, { cause: error });
  };
}

async function partitionOf(world: ChangeWorld) {
  const [partition] = (await world.admin.describeTopic("orders")).partitions;
  return partition;
}

/** Brokers of the partition's voters. */
async function votersOf(world: ChangeWorld): Promise<readonly number[]> {
  return (await partitionOf(world))?.voters ?? [];
}

/** Of all replicas that run. */
function replicaIdsOf(world: ChangeWorld): number[] {
  return world.machines.flatMap((machine) => machine.replica(world.groupId)?.id ?? []);
}

/** Brokers that are none of these. */
function outside(brokers: readonly number[]): number[] {
  return [1, 2, 3, 4, 5].filter((id) => !brokers.includes(id));
}

function sameSet(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((id) => right.includes(id));
}
