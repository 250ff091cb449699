/**
 * assignor.test.ts: the assignor against a slow, obvious model: all assignments of a small group are tried, and the balanced ones
 * that move least are the judges.
 */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { type AssignorMember, type AssignorTopic, assignPartitions } from "./assignor.js";
import { addPartition, hasPartition, type PartitionSet } from "./partition-map.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

type Assignment = ReadonlyMap<string, PartitionSet>;

function member(memberId: string, topicIds: readonly string[], current: PartitionSet = new Map()): AssignorMember {
  return { memberId, topicIds: new Set(topicIds), current };
}

function loads(assignment: Assignment): number[] {
  return [...assignment.values()].map((owned) => [...owned.values()].reduce((sum, { size }) => sum + size, 0));
}

function places(topics: readonly AssignorTopic[]): { topicId: string; partition: number }[] {
  return topics.flatMap(({ topicId, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topicId, partition })),
  );
}

function ownerOf(assignment: Assignment, topicId: string, partition: number): string | null {
  const owners = [...assignment].filter(([, owned]) => hasPartition(owned, topicId, partition)).map(([id]) => id);
  expect(owners.length, `A1: owners of ${topicId}/${partition}`).toBeLessThanOrEqual(1);
  return owners[0] ?? null;
}

/** A2, word by word. */
function isBalanced(
  members: readonly AssignorMember[],
  assignment: Assignment,
  topics: readonly AssignorTopic[],
): boolean {
  const load = new Map([...assignment.keys()].map((id, at) => [id, loads(assignment)[at] ?? 0]));
  return places(topics).every(({ topicId, partition }) => {
    const owner = ownerOf(assignment, topicId, partition);
    return members.every(
      ({ memberId, topicIds }) =>
        owner === null || !topicIds.has(topicId) || (load.get(owner) ?? 0) - (load.get(memberId) ?? 0) <= 1,
    );
  });
}

/** How many partitions that had an owner who may keep them have another now. */
function moves(members: readonly AssignorMember[], assignment: Assignment, topics: readonly AssignorTopic[]): number {
  return places(topics).filter(({ topicId, partition }) => {
    const before = members.find(
      ({ topicIds, current }) => topicIds.has(topicId) && hasPartition(current, topicId, partition),
    );
    return before !== undefined && ownerOf(assignment, topicId, partition) !== before.memberId;
  }).length;
}

/** The fewest moves of all assignments that are balanced and whole, by trying every one of them. */
function fewestMoves(members: readonly AssignorMember[], topics: readonly AssignorTopic[]): number {
  const all = places(topics);
  const counts = new Map(members.map(({ memberId }) => [memberId, 0]));
  let fewest = Number.POSITIVE_INFINITY;
  const search = (at: number, moved: number): void => {
    const place = all[at];
    if (place === undefined) {
      if (Math.max(...counts.values()) - Math.min(...counts.values()) <= 1) fewest = Math.min(fewest, moved);
      return;
    }
    const before = members.find(({ current }) => hasPartition(current, place.topicId, place.partition));
    for (const { memberId } of members) {
      counts.set(memberId, (counts.get(memberId) ?? 0) + 1);
      search(at + 1, moved + (before === undefined || before.memberId === memberId ? 0 : 1));
      counts.set(memberId, (counts.get(memberId) ?? 0) - 1);
    }
  };
  search(0, 0);
  return fewest;
}

/** Checks A1, A2 and A4, and hands the assignment back. */
function assignChecked(members: readonly AssignorMember[], topics: readonly AssignorTopic[], prng: Prng): Assignment {
  const assignment = assignPartitions(members, topics);
  for (const { topicId, partition } of places(topics)) {
    const owner = members.find(({ memberId }) => memberId === ownerOf(assignment, topicId, partition));
    const subscribed = members.some(({ topicIds }) => topicIds.has(topicId));
    expect(owner?.topicIds.has(topicId) ?? false, `A1: ${topicId}/${partition}`).toBe(subscribed);
  }
  expect(isBalanced(members, assignment, topics), "A2").toBe(true);
  const shuffled = [...members].sort(() => prng.ratio() - 0.5);
  expect(assignPartitions(shuffled, topics), "A4").toEqual(assignment);
  return assignment;
}

function withCurrent(members: readonly AssignorMember[], assignment: Assignment): AssignorMember[] {
  return members.map((one) => ({ ...one, current: assignment.get(one.memberId) ?? new Map() }));
}

describe("the assignor", () => {
  test("spreads each topic over all members", () => {
    const members = ["a", "b", "c"].map((id) => member(id, ["t"]));
    const assignment = assignPartitions(members, [{ topicId: "t", partitions: 7 }]);
    expect(loads(assignment)).toEqual([3, 2, 2]);
  });

  test("a topic without subscribers and a member without topics get nothing", () => {
    const assignment = assignPartitions(
      [member("a", []), member("b", ["t"])],
      [
        { topicId: "t", partitions: 2 },
        { topicId: "lonely", partitions: 5 },
      ],
    );
    expect(loads(assignment)).toEqual([0, 2]);
  });

  test("gives scarce topics first, so that nobody is given what it would have to hand on", () => {
    const members = [
      member("a", ["x", "y"], new Map([["x", new Set([3])]])),
      member("b", ["x"], new Map([["x", new Set([2])]])),
    ];
    const topics = [
      { topicId: "x", partitions: 4 },
      { topicId: "y", partitions: 2 },
    ];
    const assignment = assignPartitions(members, topics);
    expect([loads(assignment), moves(members, assignment, topics)]).toEqual([[3, 3], 0]);
  });

  test("takes from the most loaded first, whatever topic that costs: a joiner moves no partition twice", () => {
    const owned = (topicId: string, count: number): PartitionSet =>
      new Map([[topicId, new Set(Array.from({ length: count }, (_, at) => at))]]);
    const members = [
      member("a", ["x", "y"], owned("y", 6)),
      member("b", ["x", "y"], owned("x", 4)),
      member("c", ["x", "y"], new Map([["x", new Set([4, 5])]])),
    ];
    const topics = [
      { topicId: "x", partitions: 6 },
      { topicId: "y", partitions: 6 },
    ];
    for (const ordered of [topics, [...topics].reverse()]) {
      const assignment = assignPartitions(members, ordered);
      expect([loads(assignment), moves(members, assignment, topics)]).toEqual([[4, 4, 4], 2]);
    }
  });

  test(`no balanced assignment of equal subscriptions moves less, by trying them all (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    for (let round = 0; round < 300; round++) {
      const topics = Array.from({ length: prng.between(1, 2) }, (_, at) => ({
        topicId: `t${at}`,
        partitions: prng.between(1, 3),
      }));
      const topicIds = topics.map(({ topicId }) => topicId);
      const ids = ["a", "b", "c", "d"].slice(0, prng.between(1, 4));
      const held = new Map<string, PartitionSet>(ids.map((id) => [id, new Map()]));
      for (const { topicId, partition } of places(topics)) {
        const owner = held.get(prng.pick([...ids, "nobody", "gone"]));
        if (owner !== undefined) addPartition(owner, topicId, partition);
      }
      const members = ids.map((id) => member(id, topicIds, held.get(id)));
      const assignment = assignChecked(members, topics, prng);
      expect(moves(members, assignment, topics), `A3: round ${round}`).toBe(fewestMoves(members, topics));
    }
  });

  test(`random joins, leaves, subscriptions and topics stay balanced and sticky (SEED=${seed})`, () => {
    const prng = new Prng(seed + 1);
    for (let round = 0; round < 40; round++) {
      let members: AssignorMember[] = [];
      let topics: AssignorTopic[] = [{ topicId: "t0", partitions: 4 }];
      for (let step = 0; step < 30; step++) {
        const draw = prng.between(0, 5);
        const some = (): string[] => topics.map(({ topicId }) => topicId).filter(() => prng.chance(0.7));
        if (draw <= 1) members = [...members, member(`m${round}-${prng.uint32()}`, some())];
        const gone = draw === 2 && members.length > 0 ? prng.pick(members) : null;
        members = members.filter((one) => one !== gone);
        if (draw === 3) topics = [...topics, { topicId: `t${step + 1}`, partitions: prng.between(1, 9) }];
        if (draw === 4)
          topics = topics.map((topic) => ({ ...topic, partitions: topic.partitions + prng.between(0, 3) }));
        if (draw === 5 && topics.length > 1) topics = topics.slice(1);
        const assignment = assignChecked(members, topics, prng);
        members = withCurrent(members, assignment);
        expect(assignPartitions(members, topics), `A3: a balanced assignment stays, step ${step}`).toEqual(assignment);
      }
    }
  });

  test("a joiner of a large group takes its share and nothing else moves; 1,000 members and 10,000 partitions", () => {
    const topics = [{ topicId: "t", partitions: 10_000 }];
    const members = Array.from({ length: 999 }, (_, at) => member(`m${String(at).padStart(4, "0")}`, ["t"]));
    const joined = [...withCurrent(members, assignPartitions(members, topics)), member("zz", ["t"])];
    const assignment = assignPartitions(joined, topics);
    expect([Math.min(...loads(assignment)), Math.max(...loads(assignment))]).toEqual([10, 10]);
    const given = [...(assignment.get("zz")?.get("t") ?? [])];
    expect(given).toHaveLength(10);
    const kept = joined.reduce((sum, { memberId, current }) => {
      const now = assignment.get(memberId)?.get("t");
      return sum + [...(current.get("t") ?? [])].filter((partition) => now?.has(partition)).length;
    }, 0);
    expect(kept).toBe(9_990);
  });
});
