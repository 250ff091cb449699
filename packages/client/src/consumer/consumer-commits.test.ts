/** consumer-commits.test.ts: where members begin, what they commit, and what the watchdog says, on simulated time. */
import { VarveError } from "@varve/base";
import { encodeBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { describe, expect, test } from "vitest";
import { fill, offsets, range, running, sim, sleep, until } from "../testing/group-kit.js";
import type { SimClient } from "../testing/index.js";

describe("where a partition begins, and what is committed", () => {
  test("latest begins with the next record, and that is settled at once: a successor begins there, too", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 10);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], startFrom: "latest" });
    const state = running(consumer);
    await until(client, () => client.groups.committed("g", "t", 0) === 10);
    fill(client, 0, 5);
    await until(client, () => state.records.length === 5);
    expect(offsets(state.records)).toEqual(range(10, 15));
  });

  test("a committed offset that retention deleted rejects with OFFSET_OUT_OF_RANGE, and says the log's start", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 40);
    client.groups.adminCommit("g", "t", 0, 5);
    client.model.partition("t", 0).trim(20);
    const state = running(client.varve.consumer({ group: "g", topics: ["t"] }));
    await until(client, () => state.end !== null);
    expect(state.end).toMatchObject({ code: "OFFSET_OUT_OF_RANGE", effect: "NONE", details: { logStart: 20 } });
    expect(client.groups.committed("g", "t", 0)).toBe(5);
  });

  test.each([
    { onOutOfRange: "earliest" as const, want: range(20, 45) },
    { onOutOfRange: "latest" as const, want: range(40, 45) },
  ])("onOutOfRange $onOutOfRange goes on there", async ({ onOutOfRange, want }) => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 40);
    client.groups.adminCommit("g", "t", 0, 5);
    client.model.partition("t", 0).trim(20);
    const state = running(client.varve.consumer({ group: "g", topics: ["t"], onOutOfRange }));
    await until(client, () => client.groups.committed("g", "t", 0) === 40);
    fill(client, 0, 5);
    await until(client, () => client.groups.committed("g", "t", 0) === 45);
    expect(offsets(state.records)).toEqual(want);
  });

  test("after a live seek an offset from before it is refused until its records were given again: the seek stays", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 40);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], autoCommit: false });
    const state = running(consumer);
    await until(client, () => state.records.length === 40);
    const late = [{ topic: "t", partition: 0, offset: 40 }];
    await client.run(consumer.commit([{ topic: "t", partition: 0, offset: 30 }]));
    await client.run(consumer.pause([{ topic: "t" }]));
    await client.run(consumer.seek({ topic: "t", partition: 0, offset: 5 }));
    expect(await client.failure(consumer.commit(late))).toMatchObject({
      code: "STALE_ASSIGNMENT",
      effect: "NOT_APPLIED",
      message: "g was moved to 5 in t/0, and no record up to 40 was given since; it was not committed",
    });
    expect(client.groups.committed("g", "t", 0)).toBe(5);
    await client.run(consumer.resume([{ topic: "t" }]));
    await until(client, () => state.records.length === 75);
    await client.run(consumer.commit(late));
    expect(client.groups.committed("g", "t", 0)).toBe(40);
  });

  test("offsets in the user's own database: onAssign says where, nothing is committed by itself, and onRevoke is told", async () => {
    const client = sim();
    client.model.createTopic("t", 2);
    for (const partition of [0, 1]) fill(client, partition, 20);
    const calls: unknown[] = [];
    const consumer = client.varve.consumer({
      group: "g",
      topics: ["t"],
      autoCommit: false,
      onAssign: async (partitions, { epoch }) => {
        calls.push([partitions.map(({ partition, committed }) => [partition, committed]), epoch]);
        return [{ topic: "t", partition: 1, offset: 15 }];
      },
      onRevoke: (partitions, { lost }) => {
        calls.push([partitions.map(({ partition }) => partition), lost]);
      },
    });
    const state = running(consumer);
    await until(client, () => state.records.length === 25);
    expect(offsets(state.records, 1)).toEqual(range(15, 20));
    await client.clock.runUntil(client.clock.monotonicMs() + 5_000);
    expect(client.groups.commits).toEqual([]);
    await client.run(consumer.commit([{ topic: "t", partition: 1, offset: 17 }]));
    expect(client.groups.committed("g", "t", 1)).toBe(17);
    await client.run(consumer.commit());
    expect([0, 1].map((partition) => client.groups.committed("g", "t", partition))).toEqual([20, 20]);
    await client.run(consumer.close());
    expect(calls).toEqual([
      [
        [
          [0, null],
          [1, null],
        ],
        1,
      ],
      [[0, 1], false],
    ]);
  });

  test("what onAssign throws is what run() rejects with", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const onAssign = (): never => {
      throw new Error("no database");
    };
    const state = running(client.varve.consumer({ group: "g", topics: ["t"], onAssign }));
    await until(client, () => state.end !== null);
    expect(state.end).toMatchObject({ message: "no database" });
  });

  test("a commit that fails is said as `error` and made up for later; commit() rejects", async () => {
    const client = sim({ requestDeadlineMs: 3_000 });
    client.model.createTopic("t", 1);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    const codes: unknown[] = [];
    consumer.on("error", (error) => codes.push((error as { readonly code?: unknown }).code));
    const state = running(consumer);
    await until(client, () => consumer.assigned.length === 1);
    client.groups.commitError = new VarveError("NOT_ENOUGH_REPLICAS", { message: "alone" });
    fill(client, 0, 10);
    await until(client, () => codes.length > 0);
    expect(codes[0]).toBe("NOT_ENOUGH_REPLICAS");
    expect(await client.failure(consumer.commit())).toMatchObject({
      code: "NOT_ENOUGH_REPLICAS",
      effect: "NOT_APPLIED",
    });
    client.groups.commitError = null;
    await until(client, () => client.groups.committed("g", "t", 0) === 10);
    expect(state.end).toBe(null);
  });

  test("a commit that is refused after one whose answer was lost may have been stored, and commit() says so", async () => {
    let lost = false;
    const client: SimClient = sim({
      fate: (method) => {
        if (!method.includes("CommitOffsets") || lost) return "pass";
        lost = true;
        client.groups.commitError = new VarveError("UNKNOWN_PARTITION", { message: "made anew with fewer" });
        return "loseRequest"; // To the client it is the same.
      },
    });
    client.model.createTopic("t", 1);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], autoCommit: false });
    const state = running(consumer);
    await until(client, () => client.model.counts.subscribed > 0);
    expect(await client.failure(consumer.commit([{ topic: "t", partition: 0, offset: 0 }]))).toMatchObject({
      code: "COMMIT_UNKNOWN",
      effect: "UNKNOWN",
      cause: { code: "UNKNOWN_PARTITION" },
    });
    expect(state.end).toBe(null);
  });

  test("a partition that the coordinator does not know does not keep the others from being committed", async () => {
    const client = sim();
    const { topicId } = client.model.createTopic("t", 2);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], autoCommit: false });
    const state = running(consumer);
    for (const partition of [0, 1]) fill(client, partition, 10);
    await until(client, () => state.records.length === 20);
    client.groups.groups.get("g")?.partitions.delete(`${topicId}/0`);
    expect(await client.failure(consumer.commit())).toMatchObject({ code: "UNKNOWN_PARTITION" });
    expect(client.groups.committed("g", "t", 1)).toBe(10);
  });

  test("what onRevoke throws at close is what run() rejects with; close() resolves, and the member left", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const onRevoke = (): never => {
      throw new Error("no database");
    };
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], onRevoke });
    const state = running(consumer);
    await until(client, () => consumer.assigned.length === 1);
    await client.run(consumer.close());
    expect(state.end).toMatchObject({ message: "no database" });
    expect(client.groups.members("g")).toEqual([]);
  });

  test("onRevoke is not called for a partition while onAssign is at it", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const calls: string[] = [];
    const slow = client.varve.consumer({
      group: "g",
      topics: ["t"],
      onAssign: async () => {
        calls.push("assigning");
        await sleep(client, 5_000);
        calls.push("assigned");
        return undefined;
      },
      onRevoke: () => {
        calls.push("revoked");
      },
    });
    running(slow);
    await until(client, () => calls.length === 1);
    const group = client.groups.groups.get("g");
    for (const each of group?.partitions.values() ?? []) each.target = null;
    await until(client, () => calls.length === 3);
    expect(calls).toEqual(["assigning", "assigned", "revoked"]);
  });

  test("commits are under way one at a time, however slow and however often asked for", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    client.groups.commitMs = 700;
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], commitIntervalMs: 100 });
    const state = running(consumer);
    for (let round = 0; round < 20; round++) {
      fill(client, 0, 3);
      consumer.commit().catch(() => {});
      await client.clock.runUntil(client.clock.monotonicMs() + 90);
    }
    await until(client, () => client.groups.committed("g", "t", 0) === 60);
    expect(client.groups.mostCommitsAtOnce).toBe(1);
    const stored = client.groups.commits.map(({ offset }) => offset);
    expect(stored).toEqual([...stored].sort((left, right) => left - right));
    expect(state.records).toHaveLength(60);
  });

  test("a commit of an epoch that the coordinator has left behind is sent again with the new one", async () => {
    const client = sim();
    client.model.createTopic("t", 2);
    const one = client.varve.consumer({ group: "g", topics: ["t"], autoCommit: false });
    const state = running(one);
    fill(client, 0, 10);
    await until(client, () => state.records.length === 10);
    const group = client.groups.groups.get("g");
    for (const member of group?.members.values() ?? []) member.epoch = ++(group as { epoch: number }).epoch;
    await client.run(one.commit());
    expect(client.groups.committed("g", "t", 0)).toBe(10);
    expect(client.groups.refused).toMatchObject([{ code: "FENCED_MEMBER" }]);
  });

  test("a commit of a member that is fenced while it is under way rejects: nothing was stored", async () => {
    const client = sim();
    client.model.createTopic("t", 2);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], autoCommit: false });
    const state = running(consumer);
    for (const partition of [0, 1]) fill(client, partition, 10);
    await until(client, () => state.records.length === 20);
    client.groups.commitMs = 500;
    const failure = client.failure(consumer.commit([0, 1].map((partition) => ({ topic: "t", partition, offset: 10 }))));
    await client.clock.runUntil(client.clock.monotonicMs() + 100);
    client.groups.fence("g", client.groups.members("g")[0] ?? "");
    expect(await failure).toMatchObject({ code: "STALE_ASSIGNMENT", effect: "NOT_APPLIED" });
    expect(client.groups.commits).toEqual([]);
  });
});

describe("the watchdog", () => {
  test("a handler that does not come back is named, again and again, and processing heals when it does", async () => {
    const client = sim();
    client.model.createTopic("t", 2);
    fill(client, 0, 10);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], stallTimeoutMs: 10_000 });
    const stalled: { readonly reason: string; readonly partition: number | null; readonly lagRecords: number }[] = [];
    consumer.on("stalled", (event) => stalled.push(event));
    let release = (): void => {};
    running(consumer, {
      handler: ({ offset }) =>
        offset === 4
          ? new Promise<void>((resolve) => {
              release = resolve;
            })
          : undefined,
    });
    await client.clock.runUntil(35_000);
    expect(stalled.length).toBeGreaterThanOrEqual(2);
    expect(stalled[0]).toMatchObject({ partition: 0, lagRecords: 6 });
    expect(stalled[0]?.reason).toMatch(/^the handler has been working on t\/0@4 for 1\d\.\d s$/);
    release();
    await until(client, () => client.groups.committed("g", "t", 0) === 10);
    const count = stalled.length;
    await client.clock.runUntil(client.clock.monotonicMs() + 60_000);
    expect(stalled).toHaveLength(count);
  });

  test("a leader that does not answer is the reason, and is left when another leads", async () => {
    const client = sim({ bootstrap: ["broker-2:7650"] });
    client.model.createTopic("t", 1);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], stallTimeoutMs: 5_000 });
    const reasons: string[] = [];
    consumer.on("stalled", ({ reason }) => reasons.push(reason));
    const state = running(consumer);
    fill(client, 0, 10);
    await until(client, () => state.records.length === 10);
    client.network.silence("broker-1:7650");
    client.model.partition("t", 0).moveTo(2);
    fill(client, 0, 10);
    await until(client, () => state.records.length === 20, 15_000);
    expect(offsets(state.records)).toEqual(range(0, 20));
  });

  test("a broker that leads and yet sends nothing is found out, said, and asked anew", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], stallTimeoutMs: 5_000 });
    const reasons: string[] = [];
    consumer.on("stalled", ({ reason }) => reasons.push(reason));
    const state = running(consumer);
    await until(client, () => consumer.assigned.length === 1);
    await client.clock.runUntil(client.clock.monotonicMs() + 1_000);
    client.model.subscriptionsToHang = 1;
    fill(client, 0, 10);
    await until(client, () => state.records.length === 10, 20_000);
    expect(reasons).toEqual([expect.stringMatching(/^no broker has sent its records for .* asking anew$/)]);
    expect(offsets(state.records)).toEqual(range(0, 10));
  });

  test("a coordinator that is silent for longer than the session timeout holds everything up, and is the reason", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const consumer = client.varve.consumer({
      group: "g",
      topics: ["t"],
      sessionTimeoutMs: 6_000,
      stallTimeoutMs: 5_000,
    });
    const reasons: string[] = [];
    consumer.on("stalled", ({ reason }) => reasons.push(reason));
    const state = running(consumer);
    await until(client, () => consumer.assigned.length === 1);
    client.groups.isAway = true;
    client.groups.breakSessions(new VarveError("COORDINATOR_LOADING", { message: "loading" }));
    await client.clock.runUntil(client.clock.monotonicMs() + 10_000);
    fill(client, 0, 10);
    await client.clock.runUntil(client.clock.monotonicMs() + 10_000);
    expect(state.records).toEqual([]);
    expect(reasons[0]).toMatch(/^the group's coordinator has not answered for .* loading$/);
    client.groups.isAway = false;
    await until(client, () => client.groups.committed("g", "t", 0) === 10, 5_000);
  });

  test("a partition whose handler hangs does not keep the others of its broker from being fetched", async () => {
    const client = sim({ brokers: 1 });
    client.model.createTopic("t", 2);
    const big = "x".repeat(20_000);
    for (let batch = 0; batch < 100; batch++) {
      const records = Array.from({ length: 10 }, () => ({
        timestampMs: 1,
        key: Buffer.from("k"),
        value: Buffer.from(big),
      }));
      client.model.partition("t", 0).append(encodeBatch({ records }, nodeCodec));
    }
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], bufferBytesMax: 1024 * 1024 });
    const state = { seen: 0 };
    running(consumer, {
      concurrency: 4,
      handler: ({ partition }) => {
        if (partition === 0) return new Promise(() => {});
        state.seen++;
        return;
      },
    });
    await client.clock.runUntil(3_000);
    fill(client, 1, 100);
    await until(client, () => state.seen === 100, 5_000);
    expect(client.model.counts.sentBytes).toBeLessThan(4 * 1024 * 1024);
  });
});
