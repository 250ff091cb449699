import { MIB } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import type { PlacementBroker } from "./placement.js";
import { placePartitions } from "./placement.js";
import { bytesTolerance, planRebalance, type RebalancePlan, type RebalanceRequest } from "./rebalance.js";
import type { RebalancePartition } from "./rebalance-layout.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const GIB = 1_024 * MIB;

function brokersIn(racks: readonly (readonly [rack: string | null, count: number])[]): PlacementBroker[] {
  let brokerId = 0;
  return racks.flatMap(([rack, count]) =>
    Array.from({ length: count }, () => ({ brokerId: ++brokerId, rack, host: `host-${brokerId}` })),
  );
}

function request(
  brokers: readonly PlacementBroker[],
  partitions: readonly (Partial<RebalancePartition> & Pick<RebalancePartition, "brokers">)[],
): RebalanceRequest {
  return {
    brokers,
    avoidBrokers: new Set(),
    partitions: partitions.map((partition, at) => ({
      groupId: at + 1,
      topicId: "t",
      bytes: 0,
      isFixed: false,
      ...partition,
    })),
    movesMax: 10_000,
  };
}

/** Partitions as they are placed when their topic is made on the first `count` brokers. */
function placedOn(brokers: readonly PlacementBroker[], count: number, partitions: number, replicas: number) {
  const placed = placePartitions({
    brokers: brokers.slice(0, count),
    replicas,
    groupIds: Array.from({ length: partitions }, (_, at) => at + 1),
    avoidBrokers: new Set(),
    ownPartitions: [],
    otherPartitions: [],
  });
  return placed.map((held) => ({ brokers: held }));
}

function carriedOut(asked: RebalanceRequest, { moves }: RebalancePlan): RebalanceRequest {
  const to = new Map(moves.map((move) => [move.groupId, move.to]));
  return {
    ...asked,
    partitions: asked.partitions.map((partition) => ({
      ...partition,
      brokers: to.get(partition.groupId) ?? partition.brokers,
    })),
  };
}

function counts(asked: RebalanceRequest, of: (partition: RebalancePartition, brokerId: number) => number): number[] {
  return asked.brokers
    .filter(({ brokerId }) => !asked.avoidBrokers.has(brokerId))
    .map(({ brokerId }) => asked.partitions.reduce((sum, partition) => sum + of(partition, brokerId), 0));
}

const replicas = ({ brokers }: RebalancePartition, id: number): number => Number(brokers.includes(id));
const leads = ({ brokers }: RebalancePartition, id: number): number => Number(brokers[0] === id);
const bytesOn = ({ brokers, bytes }: RebalancePartition, id: number): number => (brokers.includes(id) ? bytes : 0);

function spread(numbers: readonly number[]): number {
  return Math.max(...numbers) - Math.min(...numbers);
}

/** Replicas of a partition in its fullest rack, and racks that it covers, counted the slow way. */
function racksOf({ brokers: all }: RebalanceRequest, held: readonly number[]): { fullest: number; covered: number } {
  const racks = held.map((id) => JSON.stringify(all.find(({ brokerId }) => brokerId === id)?.rack));
  const each = racks.map((rack) => racks.filter((other) => other === rack).length);
  return { fullest: Math.max(...each), covered: new Set(racks).size };
}

describe("a new broker", () => {
  test.each([
    { old: 3, now: 4, partitions: 12, replicated: 3 },
    { old: 3, now: 5, partitions: 30, replicated: 3 },
    { old: 1, now: 3, partitions: 7, replicated: 1 },
    { old: 5, now: 6, partitions: 100, replicated: 2 },
  ])(
    "gets its share and no more is moved: $old to $now brokers, $partitions partitions x $replicated",
    ({ old, now, partitions, replicated }) => {
      const brokers = brokersIn([[null, now]]);
      const asked = request(brokers, placedOn(brokers, old, partitions, replicated));
      const plan = planRebalance(asked);
      const after = carriedOut(asked, plan);
      expect(spread(counts(after, replicas))).toBeLessThanOrEqual(1);
      expect(spread(counts(after, leads))).toBeLessThanOrEqual(1);
      const moved = plan.moves.reduce((sum, { from, to }) => sum + to.filter((id) => !from.includes(id)).length, 0);
      expect(moved).toBe((now - old) * Math.floor((partitions * replicated) / now));
      expect(planRebalance(after)).toEqual({ moves: [], isComplete: true });
    },
  );

  test("gets replicas of every topic, not all of one", () => {
    const brokers = brokersIn([[null, 4]]);
    const topics = ["a", "b", "c", "d"].flatMap((topicId) =>
      placedOn(brokers, 3, 12, 3).map((held) => ({ ...held, topicId })),
    );
    const after = carriedOut(request(brokers, topics), planRebalance(request(brokers, topics)));
    for (const topicId of ["a", "b", "c", "d"]) {
      const own = after.partitions.filter((partition) => partition.topicId === topicId);
      expect(spread(counts({ ...after, partitions: own }, replicas))).toBeLessThanOrEqual(1);
    }
  });

  test("gets the small partitions first, and the bytes are even in the end", () => {
    const brokers = brokersIn([[null, 4]]);
    const sizes = placedOn(brokers, 3, 40, 3).map((held, at) => ({ ...held, bytes: at < 20 ? MIB : GIB }));
    const asked = request(brokers, sizes);
    const plan = planRebalance(asked);
    const after = carriedOut(asked, plan);
    const bytes = counts(after, bytesOn);
    expect(spread(bytes)).toBeLessThanOrEqual(GIB);
    expect(spread(counts(after, replicas))).toBeLessThanOrEqual(1);
    // A quarter of 60 GiB has to move; the plan moves hardly more.
    const moved = plan.moves.reduce((sum, move) => sum + move.bytes, 0);
    expect(moved).toBeLessThan(17 * GIB);
    expect(planRebalance(after).moves).toEqual([]);
  });
});

describe("what is left alone", () => {
  test("a cluster whose topics were placed at once, also when partitions differ by a few bytes", () => {
    const brokers = brokersIn([[null, 5]]);
    const placed = placedOn(brokers, 5, 25, 3).map((held, at) => ({ ...held, bytes: 10 * MIB + at }));
    expect(planRebalance(request(brokers, placed)).moves).toEqual([]);
  });

  test("brokers that are down, and partitions that are fixed", () => {
    const brokers = brokersIn([[null, 5]]);
    const placed = placedOn(brokers, 3, 20, 3).map((held, at) => ({ ...held, isFixed: at % 2 === 0 }));
    const asked = { ...request(brokers, placed), avoidBrokers: new Set([1, 5]) };
    const { moves } = planRebalance(asked);
    expect(moves.length).toBeGreaterThan(0);
    for (const { groupId, from, to } of moves) {
      expect(groupId % 2).toBe(0);
      expect(to).not.toContain(5);
      expect(to.includes(1)).toBe(from.includes(1));
    }
  });
});

test("racks: replicas that share one although another has none go there first", () => {
  const brokers = brokersIn([
    ["a", 2],
    ["b", 2],
    ["c", 1],
  ]);
  const asked = request(brokers, [{ brokers: [1, 2, 3] }, { brokers: [3, 4, 1] }]);
  const after = carriedOut(asked, planRebalance(asked));
  for (const { brokers: held } of after.partitions) expect(racksOf(asked, held)).toEqual({ fullest: 1, covered: 3 });
});

test("leaders: a leadership goes over a broker between where it cannot go straight, and no byte moves", () => {
  const brokers = brokersIn([[null, 4]]);
  // Broker 1 leads three and 3 leads one, and they share no partition.
  const held = [
    [1, 2],
    [1, 2],
    [1, 4],
    [4, 1],
    [2, 3],
    [2, 3],
    [4, 3],
    [3, 4],
  ];
  const asked = request(
    brokers,
    held.map((on) => ({ brokers: on, bytes: 5 })),
  );
  const plan = planRebalance(asked);
  expect(counts(asked, leads)).toEqual([3, 2, 1, 2]);
  expect(counts(carriedOut(asked, plan), leads)).toEqual([2, 2, 2, 2]);
  expect(plan.moves.map(({ bytes }) => bytes)).toEqual([0, 0]);
});

test("a plan is no longer than asked for, and the next goes on where it ended", () => {
  const brokers = brokersIn([[null, 4]]);
  let asked: RebalanceRequest = { ...request(brokers, placedOn(brokers, 3, 40, 3)), movesMax: 5 };
  let plans = 0;
  for (let plan = planRebalance(asked); plan.moves.length > 0 || !plan.isComplete; plan = planRebalance(asked)) {
    expect(plan.moves.length).toBeLessThanOrEqual(7);
    asked = carriedOut(asked, plan);
    expect(++plans).toBeLessThan(50);
  }
  expect(plans).toBeGreaterThan(3);
  expect(spread(counts(asked, replicas))).toBeLessThanOrEqual(1);
});

/** A cluster of any shape: racks, sizes, brokers that are down, partitions that are fixed, replicas anywhere. */
function anyCluster(prng: Prng): RebalanceRequest {
  const racks = Array.from({ length: prng.between(1, 4) }, (_, at) => [`r${at}`, prng.between(1, 3)] as const);
  const brokers = brokersIn(racks).map((broker) => ({ ...broker, host: `h${prng.between(1, 8)}` }));
  const sizeMax = prng.pick([0, MIB, GIB]);
  const partitions = Array.from({ length: prng.between(1, 40) }, () => {
    const order = brokers.map(({ brokerId }) => ({ brokerId, key: prng.uint32() }));
    order.sort((left, right) => left.key - right.key);
    return {
      brokers: order.slice(0, prng.between(1, Math.min(5, brokers.length))).map(({ brokerId }) => brokerId),
      topicId: `t${prng.between(1, 3)}`,
      bytes: prng.between(0, sizeMax),
      isFixed: prng.chance(0.1),
    };
  });
  const avoidBrokers = new Set(brokers.filter(() => prng.chance(0.1)).map(({ brokerId }) => brokerId));
  return { ...request(brokers, partitions), avoidBrokers };
}

test(`any cluster: what a plan promises (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  let moved = 0;
  for (let round = 0; round < 400; round++) {
    const asked = anyCluster(prng.fork());
    const where = `SEED=${seed} round ${round}`;
    const plan = planRebalance(asked);
    expect(planRebalance(asked), `${where}: the same again`).toEqual(plan);
    expect(plan.isComplete, where).toBe(true);
    const known = new Map(asked.partitions.map((partition) => [partition.groupId, partition]));
    for (const { groupId, from, to } of plan.moves) {
      moved++;
      expect(from, where).toEqual(known.get(groupId)?.brokers);
      expect(known.get(groupId)?.isFixed, where).toBe(false);
      expect(new Set(to).size, `${where}: never two replicas on one broker`).toBe(from.length);
      for (const id of to) if (!from.includes(id)) expect(asked.avoidBrokers.has(id), where).toBe(false);
      for (const id of from) if (asked.avoidBrokers.has(id)) expect(to, where).toContain(id);
      const [before, after] = [racksOf(asked, from), racksOf(asked, to)];
      expect(after.fullest, `${where}: the fullest rack`).toBeLessThanOrEqual(before.fullest);
      expect(after.covered, `${where}: racks covered`).toBeGreaterThanOrEqual(before.covered);
    }
    const after = carriedOut(asked, plan);
    expect(planRebalance(after).moves, `${where}: balanced is balanced`).toEqual([]);
  }
  expect(moved, "there was something to do").toBeGreaterThan(400);
});

test(`brokers of one rack, nothing fixed: counts are even, bytes nearly (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  for (let round = 0; round < 100; round++) {
    const drawn = anyCluster(prng.fork());
    const brokers = drawn.brokers.map(({ brokerId }) => ({ brokerId, rack: null, host: `h${brokerId}` }));
    const asked = {
      ...drawn,
      brokers,
      avoidBrokers: new Set<number>(),
      partitions: drawn.partitions.map((one) => ({ ...one, isFixed: false })),
    };
    const after = carriedOut(asked, planRebalance(asked));
    const where = `SEED=${seed} round ${round}`;
    expect(spread(counts(after, replicas)), where).toBeLessThanOrEqual(1);
    const bytes = counts(after, bytesOn).map((sum) => ({ bytes: sum }));
    const largest = Math.max(...asked.partitions.map((one) => one.bytes));
    expect(spread(bytes.map((one) => one.bytes)), where).toBeLessThanOrEqual(bytesTolerance(bytes) + 2 * largest);
  }
});
