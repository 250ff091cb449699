/** coordinator.test.ts: what the broker's coordinators promise beyond one call: restarts, power cuts, lagging replicas, lag. */
import { MIB } from "@varve/base";
import { GROUP_METHODS, METHODS, OffsetPosition, type RpcChannel } from "@varve/rpc";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { batchOf, connect, DEADLINE, RawMember } from "./raw.js";

let cluster: TestCluster;
let channel: RpcChannel;
let topicId: string;
let wideTopicId: string;

const WIDE_PARTITIONS = 64;
const NOTE_BYTES = 4_000;
/** Three segments of the groups' topic: a replica that has none of them is sent a checkpoint. */
const LOG_BYTES = 12 * MIB;

beforeAll(async () => {
  cluster = await startCluster({ brokers: 3 });
  channel = connect(cluster.bootstrap[0]);
  await channel.unary(METHODS.createTopic, { topic: "t", partitions: 3, replicas: 3 }, DEADLINE);
  topicId = (await channel.unary(METHODS.describeTopic, { topic: "t" }, DEADLINE)).topicId;
  const wide = { topic: "wide", partitions: WIDE_PARTITIONS, replicas: 1 };
  wideTopicId = (await channel.unary(METHODS.createTopic, wide, DEADLINE)).topicId;
  for (const partition of [0, 1, 2])
    await channel.unary(METHODS.produce, { topic: "t", partition, batch: batchOf(["a", "b", "c"]) }, DEADLINE);
});

afterAll(async () => {
  channel?.close();
  await cluster?.close();
});

async function commitAs(group: string, offset: number): Promise<void> {
  const offsets = [{ topicId, partition: 0, offset }];
  await channel.unary(GROUP_METHODS.commitOffsets, { group, offsets }, { deadlineMs: 30_000 });
}

/** As many bytes as one commit may have, so that few of them fill a log. */
async function commitMuch(group: string): Promise<void> {
  const metadata = "x".repeat(NOTE_BYTES);
  const offsets = Array.from({ length: WIDE_PARTITIONS }, (_, partition) => ({
    topicId: wideTopicId,
    partition,
    offset: 0,
    metadata,
  }));
  await channel.unary(GROUP_METHODS.commitOffsets, { group, offsets }, { deadlineMs: 30_000 });
}

async function committed(group: string, through = channel): Promise<(number | string)[][]> {
  const { offsets } = await through.unary(GROUP_METHODS.fetchOffsets, { group }, { deadlineMs: 30_000 });
  return offsets.filter(({ topic }) => topic === "t").map(({ topic, partition, offset }) => [topic, partition, offset]);
}

/** Until the call succeeds: a cluster that has lost its majority answers nothing. */
async function eventually<T>(call: () => Promise<T>): Promise<T> {
  const untilMs = performance.now() + 30_000;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (performance.now() > untilMs) throw error;
    }
  }
}

describe("offsets of groups", () => {
  test("are there after a power cut of every broker at once", async () => {
    const groups = Array.from({ length: 20 }, (_, at) => `cut-${at}`);
    for (const [at, group] of groups.entries()) await commitAs(group, at % 4);
    await Promise.all(cluster.brokerIds.map((id) => cluster.kill(id)));
    await Promise.all(cluster.brokerIds.map((id) => cluster.restart(id)));
    for (const [at, group] of groups.entries())
      expect(await eventually(() => committed(group)), group).toEqual([["t", 0, at % 4]]);
  });

  test("reach a replica that was away for longer than the log goes back, and are answered by it", async () => {
    await commitAs("away", 1);
    await cluster.stop(3);
    for (let writtenBytes = 0; writtenBytes < LOG_BYTES; writtenBytes += WIDE_PARTITIONS * NOTE_BYTES)
      await commitMuch("away");
    await commitAs("away", 2);
    await cluster.restart(3);
    await cluster.stop(1);
    await cluster.stop(2);
    await Promise.all([cluster.restart(2), eventually(() => cluster.restart(3))]);
    const third = connect(cluster.bootstrap[2]);
    expect(await eventually(() => committed("away", third))).toEqual([["t", 0, 2]]);
    third.close();
    await cluster.restart(1);
  });
});

test("lag is told in records and in time, from the first record that waits", async () => {
  const { offset: end } = (
    await channel.unary(METHODS.listOffsets, { topic: "t", at: OffsetPosition.LATEST, partitions: [1] }, DEADLINE)
  ).offsets[0] ?? { offset: 0 };
  await channel.unary(
    GROUP_METHODS.commitOffsets,
    { group: "lag", offsets: [{ topicId, partition: 1, offset: end }] },
    DEADLINE,
  );
  // Leaderships still go back to broker 1; one that is on its way answers with -1.
  await eventually(async () => {
    const before = await channel.unary(GROUP_METHODS.describeGroup, { group: "lag" }, DEADLINE);
    const caughtUp = { partition: 1, committed: end, highWatermark: end, lagRecords: 0, lagMs: 0 };
    expect(before.offsets).toMatchObject([caughtUp]);
  });
  const sentMs = performance.now();
  await channel.unary(METHODS.produce, { topic: "t", partition: 1, batch: batchOf(["d"]) }, DEADLINE);
  const appendedMs = performance.now();
  const waits = async (): Promise<boolean> => performance.now() - appendedMs > 300;
  while (!(await waits()))
    await channel.unary(METHODS.produce, { topic: "t", partition: 1, batch: batchOf(["e"]) }, DEADLINE);
  const after = await channel.unary(GROUP_METHODS.describeGroup, { group: "lag" }, DEADLINE);
  const [lag] = after.offsets;
  const next = await channel.unary(
    METHODS.listOffsets,
    { topic: "t", at: OffsetPosition.LATEST, partitions: [1] },
    DEADLINE,
  );
  expect(lag?.lagRecords).toBe((next.offsets[0]?.offset ?? 0) - end);
  expect(lag?.lagMs).toBeGreaterThanOrEqual(300);
  // It was appended after it was sent; the two clocks tell whole milliseconds.
  expect(lag?.lagMs).toBeLessThan(performance.now() - sentMs + 2);
});

test("a group is listed by every broker; described with its members; deleted when they have left", async () => {
  const member = await RawMember.join(channel, { group: "seen", topics: ["t"], clientId: "worker" });
  for (const address of cluster.bootstrap) {
    const other = connect(address);
    const { groups } = await other.unary(GROUP_METHODS.listGroups, {}, DEADLINE);
    expect(groups.find(({ group }) => group === "seen")).toMatchObject({ members: 1 });
    const described = await other.unary(GROUP_METHODS.describeGroup, { group: "seen" }, DEADLINE);
    expect(described.members).toMatchObject([{ memberId: member.memberId, clientId: "worker", topics: ["t"] }]);
    expect(described.members[0]?.assigned.map(({ topic, partition }) => [topic, partition])).toEqual([
      ["t", 0],
      ["t", 1],
      ["t", 2],
    ]);
    other.close();
  }
  await member.leave();
  const { groups } = await channel.unary(GROUP_METHODS.listGroups, {}, DEADLINE);
  expect(groups.map(({ group }) => group)).not.toContain("seen");
});
