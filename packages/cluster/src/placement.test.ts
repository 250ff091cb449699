import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { type PlacementBroker, type PlacementRequest, placePartitions } from "./placement.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

function brokersIn(racks: readonly (readonly [rack: string | null, count: number])[]): PlacementBroker[] {
  let brokerId = 0;
  return racks.flatMap(([rack, count]) =>
    Array.from({ length: count }, () => ({ brokerId: ++brokerId, rack, host: `host-${brokerId}` })),
  );
}

function request(brokers: readonly PlacementBroker[], partitions: number, replicas: number): PlacementRequest {
  return {
    brokers,
    replicas,
    groupIds: Array.from({ length: partitions }, (_, at) => at + 1),
    avoidBrokers: new Set(),
    ownPartitions: [],
    otherPartitions: [],
  };
}

/** Highest minus lowest count per broker. */
function spreadOf(brokers: readonly PlacementBroker[], counted: readonly number[]): number {
  const counts = brokers.map(({ brokerId }) => counted.filter((other) => other === brokerId).length);
  return Math.max(...counts) - Math.min(...counts);
}

/** The slow way: how the fullest rack and the number of racks come out best, over every set of `replicas` brokers. */
function bestSpread(brokers: readonly PlacementBroker[], replicas: number): { racks: number; fullest: number } {
  let best = { racks: 0, fullest: Number.POSITIVE_INFINITY };
  for (const chosen of subsets(brokers, replicas)) {
    const { racks, fullest } = rackLoad(chosen);
    best = { racks: Math.max(best.racks, racks), fullest: Math.min(best.fullest, fullest) };
  }
  return best;
}

function* subsets<T>(items: readonly T[], size: number): Generator<T[]> {
  if (size === 0) yield [];
  else {
    for (const [at, first] of items.entries()) {
      for (const rest of subsets(items.slice(at + 1), size - 1)) yield [first, ...rest];
    }
  }
}

function rackLoad(chosen: readonly PlacementBroker[]): { racks: number; fullest: number } {
  const counts = new Map<string | null, number>();
  for (const { rack } of chosen) counts.set(rack, (counts.get(rack) ?? 0) + 1);
  return { racks: counts.size, fullest: Math.max(...counts.values()) };
}

describe("placePartitions", () => {
  test.each([
    { brokers: 3, partitions: 6, replicas: 3, leaders: 0, all: 0 },
    { brokers: 3, partitions: 6, replicas: 2, leaders: 0, all: 0 },
    { brokers: 6, partitions: 6, replicas: 3, leaders: 0, all: 0 },
    { brokers: 4, partitions: 6, replicas: 3, leaders: 1, all: 1 },
    { brokers: 7, partitions: 50, replicas: 3, leaders: 1, all: 1 },
    { brokers: 5, partitions: 1, replicas: 1, leaders: 1, all: 1 },
  ])(
    "$partitions partitions x $replicas on $brokers brokers: counts differ by at most $all, leaderships by $leaders",
    ({ brokers: count, partitions, replicas, leaders, all }) => {
      const brokers = brokersIn([[null, count]]);
      const placed = placePartitions(request(brokers, partitions, replicas));
      expect(spreadOf(brokers, placed.flat())).toBeLessThanOrEqual(all);
      expect(
        spreadOf(
          brokers,
          placed.map(([leader = 0]) => leader),
        ),
      ).toBeLessThanOrEqual(leaders);
    },
  );

  test("many topics of one partition fill the brokers evenly", () => {
    const brokers = brokersIn([[null, 5]]);
    const placed: number[][] = [];
    for (let topic = 1; topic <= 100; topic++) {
      placed.push(...placePartitions({ ...request(brokers, 1, 3), groupIds: [topic], otherPartitions: placed }));
    }
    expect(spreadOf(brokers, placed.flat())).toBeLessThanOrEqual(2);
    expect(
      spreadOf(
        brokers,
        placed.map(([leader = 0]) => leader),
      ),
    ).toBeLessThanOrEqual(1);
  });

  test("a new topic uses a new, empty broker no more than the others", () => {
    const old = brokersIn([[null, 3]]);
    const placed = placePartitions(request(old, 60, 3));
    const brokers = brokersIn([[null, 4]]);
    const next = placePartitions({ ...request(brokers, 8, 3), otherPartitions: placed });
    expect(spreadOf(brokers, next.flat())).toBeLessThanOrEqual(1);
  });

  test("two brokers of one machine share a partition only when there is no third machine", () => {
    const brokers = [1, 2, 3, 4, 5, 6].map((brokerId) => ({ brokerId, rack: null, host: `host-${brokerId % 3}` }));
    for (const replicas of placePartitions(request(brokers, 30, 3))) {
      expect(new Set(replicas.map((brokerId) => brokerId % 3)).size).toBe(3);
    }
  });

  test("equal host names in different racks are different machines", () => {
    const brokers = ["a", "a", "b", "b"].map((rack, at) => ({ brokerId: at + 1, rack, host: `h${at % 2}` }));
    for (const replicas of placePartitions(request(brokers, 20, 4))) expect(new Set(replicas).size).toBe(4);
  });

  test("a broker to be avoided gets replicas only when needed, and leads nothing", () => {
    const brokers = brokersIn([[null, 4]]);
    const avoided = placePartitions({ ...request(brokers, 12, 3), avoidBrokers: new Set([2]) });
    expect(avoided.flat()).not.toContain(2);
    const needed = placePartitions({ ...request(brokers, 12, 4), avoidBrokers: new Set([2]) });
    expect(needed.every((replicas) => replicas.includes(2))).toBe(true);
    expect(needed.map(([leader]) => leader)).not.toContain(2);
  });

  test("replica sets differ, so that the load of a dead broker goes to all others", () => {
    const brokers = brokersIn([[null, 6]]);
    const placed = placePartitions(request(brokers, 60, 3));
    const partners = new Set(placed.filter((replicas) => replicas.includes(1)).flat());
    expect(partners.size).toBe(6);
  });

  test(`no other choice covers more racks or loads the fullest rack less (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    for (let round = 0; round < 300; round++) {
      const racks = Array.from({ length: prng.between(1, 4) }, (_, at) => [`r${at}`, prng.between(1, 3)] as const);
      const brokers = brokersIn(racks);
      const replicas = prng.between(1, Math.min(7, brokers.length));
      const want = bestSpread(brokers, replicas);
      for (const placed of placePartitions(request(brokers, prng.between(1, 12), replicas))) {
        expect(new Set(placed).size, `round ${round}`).toBe(replicas);
        const chosen = brokers.filter(({ brokerId }) => placed.includes(brokerId));
        expect(rackLoad(chosen), `round ${round}: ${JSON.stringify({ racks, replicas, placed })}`).toEqual(want);
      }
    }
  });
});
