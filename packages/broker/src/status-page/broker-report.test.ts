import { SimClock } from "@varve/base/testing";
import type { Topic } from "@varve/cluster";
import { describe, expect, test } from "vitest";
import { type LeadingReplica, ledPartitions } from "./broker-report.js";
import { STATUS_LIMITS } from "./status.js";

function topic(name: string, firstGroup: number, partitions: number): Topic {
  return {
    topic: name,
    topicId: `t-${name}`,
    createdIndex: 1,
    createdMs: 0,
    replicas: 3,
    config: {},
    partitions: Array.from({ length: partitions }, (_, partition) => ({
      partition,
      groupId: firstGroup + partition,
      hashStart: 0,
      hashEnd: 1,
      nextReplicaId: 14,
      initialVoters: [11, 12, 13],
      leaving: [],
      replicas: [1, 2, 3].map((brokerId) => ({ brokerId, directoryId: `d-${brokerId}`, replicaId: 10 + brokerId })),
    })),
  };
}

type Known = ReturnType<LeadingReplica["follower"]>;
const WELL = { match: 50, answers: true };

/** Replica 12 of broker 2 leads with 50 entries committed; `follower` is asked at each look but the first. */
function leading(groupId: number, inSync: readonly number[], follower: (replicaId: number) => Known): LeadingReplica {
  const shape = {
    leader: 2,
    epoch: 4,
    voters: [11, 12, 13],
    learners: [],
    behind: [],
    logStart: 5,
    highWatermark: 25,
    following: null,
    commit: null,
  };
  return { status: { ...shape, groupId, inSync, bytes: 1_000 }, replicaId: 12, commit: 50, sizeBytes: 1_000, follower };
}

/** What is reported, and how long that took. */
async function report(
  topics: readonly Topic[],
  replicaOf: (groupId: number, clock: SimClock) => LeadingReplica | null,
) {
  const clock = new SimClock();
  const startedMs = clock.monotonicMs();
  let endedMs = 0;
  const result = ledPartitions({ brokerId: 2, clock, topics, leading: (groupId) => replicaOf(groupId, clock) });
  void result.then(() => {
    endedMs = clock.monotonicMs();
  });
  await clock.runUntil(startedMs + 10_000);
  return { ...(await result), tookMs: endedMs - startedMs };
}

describe("what a broker leads", () => {
  test("is told at once when all is well, with the leader's own replica first", async () => {
    const { led, tookMs } = await report([topic("orders", 1, 2)], (groupId) =>
      groupId === 1 ? leading(groupId, [11, 12, 13], () => WELL) : null,
    );
    expect(tookMs).toBe(0);
    expect(led).toEqual([
      {
        groupId: 1,
        topic: "orders",
        partition: 0,
        epoch: 4,
        logStart: 5,
        highWatermark: 25,
        sizeBytes: 1_000,
        replicas: [
          { broker: 2, inSync: true, lagEntries: 0 },
          { broker: 1, inSync: true, lagEntries: 0 },
          { broker: 3, inSync: true, lagEntries: 0 },
        ],
      },
    ]);
  });

  test("B1: a follower that catches up between two looks, or was silent for one of them, is in sync", async () => {
    const { led, tookMs } = await report([topic("orders", 1, 1)], (groupId, clock) => {
      const startedMs = clock.monotonicMs();
      return leading(groupId, [12], (replicaId) => {
        const afterMs = clock.monotonicMs() - startedMs;
        return replicaId === 11 ? { match: 30 + afterMs / 10, answers: true } : { match: 50, answers: afterMs < 150 };
      });
    });
    expect(led[0]?.replicas.map(({ inSync, lagEntries }) => [inSync, lagEntries])).toEqual([
      [true, 0],
      [true, 0],
      [true, 0],
    ]);
    expect(tookMs).toBe(200);
  });

  test("a follower that stays behind or silent is not, with what it lacks; the wait for it is bounded", async () => {
    const { led, tookMs } = await report([topic("orders", 1, 1)], (groupId) =>
      leading(groupId, [12], (replicaId) =>
        replicaId === 11 ? { match: 38, answers: true } : { match: 50, answers: false },
      ),
    );
    expect(led[0]?.replicas.slice(1)).toEqual([
      { broker: 1, inSync: false, lagEntries: 12 },
      { broker: 3, inSync: false, lagEntries: 0 },
    ]);
    expect(tookMs).toBe(500);
  });

  test("a follower that the leader knows nothing of has an unknown lag", async () => {
    const { led } = await report([topic("orders", 1, 1)], (groupId) => leading(groupId, [12, 13], () => null));
    expect(led[0]?.replicas[1]).toEqual({ broker: 1, inSync: false, lagEntries: null });
  });

  test("partitions beyond the limit are counted, internal ones first among them", async () => {
    const topics = [topic("__groups", 1, 16), topic("orders", 100, STATUS_LIMITS.partitionsMax - 6)];
    const { led, omitted } = await report(topics, (groupId) => leading(groupId, [11, 12, 13], () => WELL));
    expect(led).toHaveLength(STATUS_LIMITS.partitionsMax);
    expect(led.filter((row) => row.topic === "__groups").map(({ partition }) => partition)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(omitted).toBe(10);
  });
});
