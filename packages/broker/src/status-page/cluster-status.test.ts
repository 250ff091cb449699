import type { Broker, Topic } from "@varve/cluster";
import { describe, expect, test } from "vitest";
import { type ClusterFacts, clusterStatus } from "./cluster-status.js";
import { type BrokerReport, type GroupReport, type PartitionReport, STATUS_LIMITS } from "./status.js";

const BROKERS = [1, 2, 3].map(
  (brokerId): Broker => ({
    brokerId,
    directoryId: `d-${brokerId}`,
    grpcAddress: `h:${brokerId}0`,
    peerAddress: `h:${brokerId}1`,
    opsAddress: `h:${brokerId}2`,
    rack: brokerId === 1 ? "a" : null,
    host: "h",
    version: "0.1.0",
    formatVersion: 1,
    formatVersionMin: 1,
    drained: false,
    leaving: false,
  }),
);

/** Partition `at` of the topic with number n is group n * 100,000 + at. */
function topic(name: string, number: number, partitions: number): Topic {
  return {
    topic: name,
    topicId: `t-${name}`,
    createdIndex: 1,
    createdMs: 0,
    replicas: 3,
    config: {},
    partitions: Array.from({ length: partitions }, (_, partition) => ({
      partition,
      groupId: number * 100_000 + partition,
      hashStart: 0,
      hashEnd: 1,
      nextReplicaId: 4,
      initialVoters: [1, 2, 3],
      leaving: [],
      replicas: [1, 2, 3].map((brokerId) => ({ brokerId, directoryId: `d-${brokerId}`, replicaId: brokerId })),
    })),
  };
}

function led(
  groupId: number,
  epoch: number,
  lags: readonly (readonly [number, boolean, number | null])[],
): PartitionReport {
  return {
    groupId,
    topic: "orders",
    partition: groupId % 100_000,
    epoch,
    logStart: 5,
    highWatermark: 25,
    sizeBytes: 1_000,
    replicas: lags.map(([broker, inSync, lagEntries]) => ({ broker, inSync, lagEntries })),
  };
}

const WELL = [
  [1, true, 0],
  [2, true, 0],
  [3, true, 0],
] as const;

function report(brokerId: number, changes: Partial<BrokerReport> = {}): BrokerReport {
  return {
    brokerId,
    rack: null,
    ready: true,
    reasons: [],
    partitionsLed: 0,
    replicas: 0,
    partitions: [],
    partitionsOmitted: 0,
    groups: [],
    groupsOmitted: 0,
    ...changes,
  };
}

function group(name: string, coordinator: number, coordinatorEpoch: number): GroupReport {
  return {
    group: name,
    state: "empty",
    coordinator,
    coordinatorEpoch,
    memberCount: 0,
    members: [],
    partitionCount: 0,
    partitions: [],
    lagRecords: 0,
    lagMs: 0,
    lagUnknown: 0,
  };
}

const FACTS: ClusterFacts = {
  brokerId: 1,
  clusterId: "c-1",
  controller: 2,
  atMs: 1_000,
  brokers: BROKERS,
  missingSeeds: [],
  topics: [topic("orders", 1, 1)],
  leaderOf: () => null,
  reports: [report(1, { partitions: [led(100_000, 4, WELL)], partitionsLed: 1, replicas: 1 }), report(2), report(3)],
};

describe("the status of a cluster", () => {
  test("joins what its brokers report with what the controller knows", () => {
    expect(clusterStatus(FACTS)).toEqual({
      brokerId: 1,
      clusterId: "c-1",
      controller: 2,
      atMs: 1_000,
      problems: [],
      problemCount: 0,
      brokers: [
        {
          broker: 1,
          address: "h:10",
          rack: "a",
          version: "0.1.0",
          ready: true,
          reasons: [],
          partitionsLed: 1,
          replicas: 1,
        },
        expect.objectContaining({ broker: 2, rack: null, ready: true, partitionsLed: 0 }),
        expect.objectContaining({ broker: 3, ready: true }),
      ],
      topics: [
        {
          topic: "orders",
          internal: false,
          replicas: 3,
          partitions: [
            expect.objectContaining({
              partition: 0,
              leader: 1,
              epoch: 4,
              logStart: 5,
              highWatermark: 25,
              sizeBytes: 1_000,
            }),
          ],
        },
      ],
      groups: [],
      omitted: { partitions: 0, groups: 0 },
    });
  });

  test("a broker that does not answer is named, and its figures are unknown, not 0", () => {
    const { brokers, problems, topics } = clusterStatus({
      ...FACTS,
      reports: [report(2), report(3)],
      leaderOf: () => 1,
    });
    expect(brokers[0]).toMatchObject({
      ready: false,
      reasons: ["does not answer"],
      partitionsLed: null,
      replicas: null,
    });
    expect(problems).toEqual([
      "broker 1 (h:10): does not answer",
      "orders: nothing heard from the leader of partition 0",
    ]);
    expect(topics[0]?.partitions[0]).toMatchObject({ leader: 1, highWatermark: null, sizeBytes: null });
    expect(topics[0]?.partitions[0]?.replicas[1]).toEqual({ broker: 2, inSync: null, lagEntries: null });
  });

  test.each([
    {
      why: "a partition without a leader",
      facts: { reports: [1, 2, 3].map((id) => report(id)) },
      says: "orders: no leader for partition 0; no records are taken there",
    },
    {
      why: "a replica that lags",
      facts: {
        reports: [
          report(1, {
            partitions: [
              led(100_000, 4, [
                [1, true, 0],
                [2, true, 0],
                [3, false, 12],
              ]),
            ],
          }),
          report(2),
          report(3),
        ],
      },
      says: "orders: not all replicas up to date of partition 0",
    },
    {
      why: "a broker that is not ready, with its reasons",
      facts: { topics: [], reports: [report(1), report(2), report(3, { ready: false, reasons: ["a", "b"] })] },
      says: "broker 3 (h:30): a; b",
    },
    { why: "a seed that is missing", facts: { missingSeeds: ["h:41"] }, says: "the seed h:41 has not registered" },
  ])("a problem: $why", ({ facts, says }) => {
    expect(clusterStatus({ ...FACTS, ...facts }).problems).toEqual([says]);
  });

  test("of two who say that they lead or coordinate, the one of the later epoch does, in whatever order they are heard", () => {
    const old = report(1, { partitions: [led(100_000, 4, WELL)], groups: [group("billing", 1, 4)] });
    const late = report(2, { partitions: [led(100_000, 5, WELL)], groups: [group("billing", 2, 5)] });
    for (const reports of [
      [old, late],
      [late, old],
    ]) {
      const { topics, groups } = clusterStatus({ ...FACTS, reports });
      expect(topics[0]?.partitions[0]).toMatchObject({ leader: 2, epoch: 5 });
      expect(groups.map(({ coordinator }) => coordinator)).toEqual([2]);
      expect(groups[0]).not.toHaveProperty("coordinatorEpoch");
    }
  });

  test("users' topics come first, and what is beyond the limit is counted", () => {
    const topics = [topic("__groups", 3, 16), topic("big", 1, STATUS_LIMITS.partitionsMax - 1), topic("small", 2, 3)];
    const status = clusterStatus({ ...FACTS, topics, reports: [] });
    expect(status.topics.map((row) => [row.topic, row.internal, row.partitions.length])).toEqual([
      ["big", false, STATUS_LIMITS.partitionsMax - 1],
      ["small", false, 1],
    ]);
    expect(status.omitted.partitions).toBe(18);
    expect(status.problems.slice(3)).toEqual([
      "big: no leader for partitions 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 9989 more; no records are taken there",
      "small: no leader for partition 0; no records are taken there",
    ]);
  });

  test("problems beyond the limit are counted", () => {
    const topics = Array.from({ length: 200 }, (_, at) => topic(`t-${at}`, at + 1, 1));
    const status = clusterStatus({ ...FACTS, topics, reports: [report(1), report(2), report(3)] });
    expect(status.problems).toHaveLength(STATUS_LIMITS.problemsMax);
    expect(status.problemCount).toBe(200);
  });

  test("groups are in order of their names, with those that brokers left out", () => {
    const reports = [
      report(1, { groups: [group("b", 1, 1), group("c", 1, 1)] }),
      report(2, { groups: [group("a", 2, 1)], groupsOmitted: 7 }),
    ];
    const { groups, omitted } = clusterStatus({ ...FACTS, reports });
    expect(groups.map((row) => row.group)).toEqual(["a", "b", "c"]);
    expect(omitted.groups).toBe(7);
  });

  test("a broker that is no member yet shows itself and why", () => {
    const own = report(4, { ready: false, reasons: ["recovering from the data folder"] });
    const status = clusterStatus({ ...FACTS, brokerId: 4, clusterId: null, brokers: [], topics: [], reports: [own] });
    expect(status.brokers).toEqual([expect.objectContaining({ broker: 4, ready: false, address: "" })]);
    expect(status.problems).toEqual(["broker 4: recovering from the data folder"]);
  });
});
