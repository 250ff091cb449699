import { describe, expect, test } from "vitest";
import type { ReaderPlace } from "../groups/reader-places.js";
import { type GroupFacts, type GroupSource, groupReports } from "./group-report.js";
import { STATUS_LIMITS } from "./status.js";

type Member = GroupFacts["members"][number];

function member(memberId: string, assigned: Member["assigned"], changes: Partial<Member> = {}): Member {
  return {
    memberId,
    staticId: null,
    clientId: "",
    host: "h:1",
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 30_000,
    startFrom: "earliest",
    topics: ["orders"],
    memberEpoch: 1,
    joinedMs: 0,
    away: false,
    revokingSinceMs: null,
    assigned,
    revoking: [],
    target: assigned,
    ...changes,
  };
}

function group(name: string, changes: Partial<GroupFacts> = {}): GroupFacts {
  return {
    group: name,
    state: "stable",
    epoch: 3,
    memberCount: changes.members?.length ?? 0,
    offsetCount: changes.offsets?.length ?? 0,
    emptySinceMs: null,
    members: [],
    topics: [],
    offsets: [],
    coordinatorEpoch: 2,
    ...changes,
  };
}

const committed = (topicId: string, partition: number, offset: number): GroupFacts["offsets"][number] => ({
  topicId,
  partition,
  offset,
  leaderEpoch: null,
  metadata: "",
  committedMs: 0,
});

/** Every partition ends at 100; its next record was appended at 4,000, and it is 10,000. Partition 9 has no leader. */
function source(groups: readonly GroupFacts[], asked: ReaderPlace[] = []): GroupSource {
  return {
    coordinated: (max) => ({ groups: groups.slice(0, max), total: groups.length }),
    backlogs: async (places) => {
      asked.push(...places);
      return places.map(({ from, partition }) => {
        const records = 100 - (from ?? 0);
        return partition === 9 ? null : { records, appendTimeMs: records === 0 ? null : 4_000 };
      });
    },
    topicName: (topicId) => (topicId === "gone" ? null : topicId.replace("id-", "")),
    nowMs: () => 10_000,
  };
}

describe("the report of groups", () => {
  test("has every partition subscribed to or committed, with its owner, in order of topic and partition", async () => {
    const billing = group("billing", {
      members: [member("m-1", [{ topicId: "id-orders", partitions: [1] }], { staticId: "pod-1", clientId: "c" })],
      topics: [
        { topic: "orders", topicId: "id-orders", partitions: 2 },
        { topic: "not-there", topicId: null, partitions: 0 },
      ],
      offsets: [committed("id-orders", 1, 100), committed("id-audit", 0, 40), committed("gone", 2, 0)],
    });
    const { groups } = await groupReports(3, source([billing]));
    expect(groups).toEqual([
      {
        group: "billing",
        state: "stable",
        coordinator: 3,
        coordinatorEpoch: 2,
        memberCount: 1,
        members: [
          {
            memberId: "m-1",
            staticId: "pod-1",
            clientId: "c",
            host: "h:1",
            away: false,
            assigned: [{ topic: "orders", partitions: [1] }],
          },
        ],
        partitionCount: 4,
        partitions: [
          { topic: "audit", partition: 0, committed: 40, lagRecords: 60, lagMs: 6_000, memberId: null },
          { topic: "gone", partition: 2, committed: 0, lagRecords: 100, lagMs: 6_000, memberId: null },
          { topic: "orders", partition: 0, committed: null, lagRecords: 100, lagMs: 6_000, memberId: null },
          { topic: "orders", partition: 1, committed: 100, lagRecords: 0, lagMs: 0, memberId: "m-1" },
        ],
        lagRecords: 260,
        lagMs: 6_000,
        lagUnknown: 0,
      },
    ]);
  });

  test("a partition whose leader does not answer has an unknown lag, and the sum says that it lacks one", async () => {
    const offsets = [committed("id-orders", 8, 90), committed("id-orders", 9, 90)];
    const { groups } = await groupReports(1, source([group("billing", { offsets })]));
    expect(groups[0]?.partitions[1]).toMatchObject({ partition: 9, lagRecords: null, lagMs: null });
    expect(groups[0]).toMatchObject({ lagRecords: 10, lagMs: 6_000, lagUnknown: 1 });
  });

  test("a lag of which nothing is known is unknown; that of a group without partitions is 0", async () => {
    const offsets = [committed("id-orders", 9, 90)];
    const { groups } = await groupReports(1, source([group("a", { offsets }), group("b")]));
    expect(groups[0]).toMatchObject({ lagRecords: null, lagMs: null, lagUnknown: 1 });
    expect(groups[1]).toMatchObject({ lagRecords: 0, lagMs: 0, lagUnknown: 0 });
  });

  test("a clock behind the append times makes no lag negative", async () => {
    const early = { ...source([group("a", { offsets: [committed("id-orders", 0, 1)] })]), nowMs: () => 3_000 };
    expect((await groupReports(1, early)).groups[0]?.lagMs).toBe(0);
  });

  test("beyond the limits groups keep their row, and no leader is asked for more places than the limit", async () => {
    const many = (topicId: string) =>
      Array.from({ length: STATUS_LIMITS.offsetsMax - 5 }, (_, partition) => committed(topicId, partition + 10, 0));
    const members = Array.from({ length: STATUS_LIMITS.membersMax }, (_, at) => member(`m-${at}`, []));
    const asked: ReaderPlace[] = [];
    const groups = [
      group("a", { offsets: many("id-a"), members }),
      group("b", { offsets: many("id-b"), members: [member("m", [])] }),
      group("c", { offsets: [committed("id-c", 0, 0)] }),
    ];
    const { groups: rows } = await groupReports(1, source(groups, asked));
    expect(asked).toHaveLength(STATUS_LIMITS.offsetsMax);
    expect(rows.map((row) => [row.partitions.length, row.partitionCount, row.lagUnknown])).toEqual([
      [STATUS_LIMITS.offsetsMax - 5, STATUS_LIMITS.offsetsMax - 5, 0],
      [5, STATUS_LIMITS.offsetsMax - 5, STATUS_LIMITS.offsetsMax - 10],
      [0, 1, 1],
    ]);
    expect(rows.map((row) => [row.members.length, row.memberCount])).toEqual([
      [STATUS_LIMITS.membersMax, STATUS_LIMITS.membersMax],
      [0, 1],
      [0, 0],
    ]);
  });

  test("groups beyond the limit are counted", async () => {
    const groups = Array.from({ length: STATUS_LIMITS.groupsMax + 3 }, (_, at) => group(`g-${at}`));
    expect((await groupReports(1, source(groups))).omitted).toBe(3);
  });
});
