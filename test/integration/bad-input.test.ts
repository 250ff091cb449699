/**
 * bad-input.test.ts: each bad request gets its typed error, says whether the write took effect, and harms nobody else.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Effect, ErrorCode } from "@varve/base";
import { parseConfig } from "@varve/broker";
import { runBroker } from "@varve/broker/node";
import { GROUP_METHODS, METHODS, OffsetPosition, type RpcChannel } from "@varve/rpc";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { batchOf, connect, DEADLINE, failureOf, RawMember, readAll } from "./raw.js";

let cluster: TestCluster;
let channel: RpcChannel;
const folder = mkdtempSync(join(tmpdir(), "varve-bad-input-"));

beforeAll(async () => {
  cluster = await startCluster({ brokers: 3 });
  channel = connect(cluster.bootstrap[0]);
  await channel.unary(METHODS.createTopic, { topic: "good", partitions: 1, replicas: 3 }, DEADLINE);
  await channel.unary(METHODS.produce, { topic: "good", partition: 0, batch: batchOf(["first"]) }, DEADLINE);
});

afterAll(async () => {
  channel?.close();
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Row {
  readonly why: string;
  readonly call: () => Promise<unknown>;
  readonly code: ErrorCode;
  readonly effect?: Effect;
  /** Names of details that a program can rely on. */
  readonly details?: readonly string[];
}

const produce = (request: object): Promise<unknown> =>
  channel.unary(METHODS.produce, { topic: "good", partition: 0, batch: batchOf(["x"]), ...request }, DEADLINE);
const read = (request: object): Promise<unknown> =>
  channel.unary(METHODS.read, { topic: "good", partition: 0, offset: 0, ...request }, DEADLINE);
const create = (request: object): Promise<unknown> =>
  channel.unary(METHODS.createTopic, { topic: "new", partitions: 1, ...request }, DEADLINE);

/** A request whose bytes no codec of ours would write. */
function rawProduce(bytes: (good: Uint8Array) => Uint8Array): Promise<unknown> {
  const method = {
    ...METHODS.produce,
    encodeRequest: (request: Parameters<typeof METHODS.produce.encodeRequest>[0]) =>
      bytes(METHODS.produce.encodeRequest(request)),
  };
  return channel.unary(method, { topic: "good", partition: 0, batch: batchOf(["x"]) }, DEADLINE);
}

function altered(change: (batch: Buffer) => void, values = ["a", "b"]): Buffer {
  const batch = batchOf(values);
  change(batch);
  return batch;
}

/** The same with the checksum made right again, so that only the altered field is wrong. */
function consistent(change: (batch: Buffer) => void): Buffer {
  const batch = altered(change);
  batch.writeUInt32BE(crc32cOf(batch.subarray(21)), 17);
  return batch;
}

function crc32cOf(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

const rows: readonly Row[] = [
  { why: "unknown topic", call: () => produce({ topic: "nowhere" }), code: "UNKNOWN_TOPIC", details: ["topic"] },
  {
    why: "unknown topic id",
    call: () => produce({ topicId: "00000000-0000-4000-8000-000000000000" }),
    code: "UNKNOWN_TOPIC_ID",
  },
  {
    why: "unknown partition",
    call: () => produce({ partition: 1 }),
    code: "UNKNOWN_PARTITION",
    details: ["partition", "partitions"],
  },
  { why: "negative partition", call: () => produce({ partition: -1 }), code: "INVALID_ARGUMENT" },
  { why: "read of an unknown topic", call: () => read({ topic: "nowhere" }), code: "UNKNOWN_TOPIC" },
  {
    why: "delete of an unknown topic",
    call: () => channel.unary(METHODS.deleteTopic, { topic: "nowhere" }, DEADLINE),
    code: "UNKNOWN_TOPIC",
    details: ["topic", "metadataVersion"],
  },
  { why: "topic ../x", call: () => create({ topic: "../x" }), code: "INVALID_TOPIC_NAME" },
  { why: "empty topic name", call: () => create({ topic: "" }), code: "INVALID_TOPIC_NAME" },
  { why: "topic name of 300 characters", call: () => create({ topic: "x".repeat(300) }), code: "INVALID_TOPIC_NAME" },
  { why: "topic __proto__", call: () => create({ topic: "__proto__" }), code: "INVALID_TOPIC_NAME" },
  { why: "topic that exists", call: () => create({ topic: "good" }), code: "TOPIC_EXISTS" },
  { why: "0 partitions", call: () => create({ partitions: 0 }), code: "INVALID_PARTITIONS" },
  { why: "10,001 partitions", call: () => create({ partitions: 10_001 }), code: "INVALID_PARTITIONS" },
  {
    why: "fewer partitions than now",
    call: () => channel.unary(METHODS.addPartitions, { topic: "good", partitions: 0 }, DEADLINE),
    code: "INVALID_PARTITIONS",
  },
  {
    why: "more replicas than brokers",
    call: () => create({ replicas: 4 }),
    code: "INVALID_REPLICATION",
    details: ["brokers", "replicas"],
  },
  { why: "0 replicas", call: () => create({ replicas: 0 }), code: "INVALID_REPLICATION" },
  {
    why: "unknown topic settings, all at once",
    call: () => create({ config: { retention: "1", segmentBytes: "1" } }),
    code: "INVALID_CONFIG",
    details: ["problems"],
  },
  {
    why: "a topic setting that is no number",
    call: () => create({ config: { retentionMs: "soon" } }),
    code: "INVALID_CONFIG",
    details: ["problems"],
  },
  {
    why: "offset past the end",
    call: () => read({ offset: 1_000 }),
    code: "OFFSET_OUT_OF_RANGE",
    effect: "NONE",
    details: ["logStart", "highWatermark", "safeOffset"],
  },
  { why: "negative offset", call: () => read({ offset: -1 }), code: "INVALID_ARGUMENT", effect: "NONE" },
  { why: "fractional offset", call: () => read({ offset: 0.5 }), code: "INVALID_ARGUMENT" },
  { why: "offset above 2^53 - 1", call: () => read({ offset: 2 ** 53 }), code: "INVALID_ARGUMENT" },
  {
    why: "position that is not chosen",
    call: () => channel.unary(METHODS.listOffsets, { topic: "good" }, DEADLINE),
    code: "INVALID_ARGUMENT",
  },
  {
    why: "wrong checksum",
    call: () => produce({ batch: altered((batch) => batch.writeUInt32BE(1, 17)) }),
    code: "CORRUPT_BATCH",
  },
  { why: "a batch that is cut", call: () => produce({ batch: batchOf(["a"]).subarray(0, 40) }), code: "CORRUPT_BATCH" },
  { why: "no batch at all", call: () => produce({ batch: new Uint8Array(0) }), code: "CORRUPT_BATCH" },
  {
    why: "wrong record count",
    call: () => produce({ batch: consistent((batch) => batch.writeInt32BE(7, 57)) }),
    code: "INVALID_BATCH",
  },
  {
    why: "0 records",
    call: () =>
      produce({
        batch: consistent((batch) => {
          batch.writeInt32BE(0, 57);
          batch.writeInt32BE(-1, 23);
        }),
      }),
    code: "INVALID_BATCH",
  },
  {
    why: "50,001 records",
    call: () =>
      produce({
        batch: consistent((batch) => {
          batch.writeInt32BE(50_001, 57);
          batch.writeInt32BE(50_000, 23);
        }),
      }),
    code: "INVALID_BATCH",
  },
  {
    why: "unknown compression",
    call: () => produce({ batch: consistent((batch) => batch.writeInt16BE(7, 21)) }),
    code: "UNSUPPORTED_CODEC",
  },
  {
    why: "a batch over the limit",
    call: () => produce({ batch: Buffer.concat([batchOf(["a"]), Buffer.alloc(4 * 1024 * 1024)]) }),
    code: "BATCH_TOO_LARGE",
    details: ["batchBytesMax"],
  },
  { why: "truncated protobuf", call: () => rawProduce(() => Buffer.from([0x0a, 0xff])), code: "INVALID_ARGUMENT" },
  {
    why: "unknown enum value",
    call: () => rawProduce((good) => Buffer.concat([good, Buffer.from([0x28, 99])])),
    code: "INVALID_ARGUMENT",
  },
  { why: "an old epoch", call: () => produce({ leaderEpoch: -1 }), code: "INVALID_ARGUMENT" },
  {
    why: "a newer epoch",
    call: () => produce({ leaderEpoch: 1_000 }),
    code: "UNKNOWN_EPOCH",
    details: ["currentEpoch"],
  },
  { why: "read in a newer epoch", call: () => read({ leaderEpoch: 1_000 }), code: "UNKNOWN_EPOCH" },
  {
    why: "transfer to a broker without a replica",
    call: () => channel.unary(METHODS.transferLeadership, { topic: "good", partition: 0, to: 9 }, DEADLINE),
    code: "INVALID_ARGUMENT",
  },
];

describe("a bad request", () => {
  test.each(rows)("$why gives $code", async ({ call, code, effect, details }) => {
    const error = await failureOf(call());
    expect(error.code).toBe(code);
    if (effect !== undefined) expect(error.effect).toBe(effect);
    else expect(["NOT_APPLIED", "NONE"]).toContain(error.effect);
    expect(error.message.length).toBeGreaterThan(20);
    for (const name of details ?? []) expect(error.details).toHaveProperty(name);
    expect(await readAll(channel, "good", 0)).toEqual(["first"]);
  });

  test("several problems of a topic's configuration are all named", async () => {
    const error = await failureOf(create({ config: { retention: "1", segmentBytes: "1" } }));
    expect(JSON.stringify(error.details["problems"])).toMatch(/retention.*segmentBytes/);
  });
});

describe("a bad request about groups", () => {
  let topicId: string;
  let member: RawMember;
  const NOBODY = "00000000-0000-4000-8000-000000000000";
  const commit = (request: object, offset: object = {}): Promise<unknown> =>
    channel.unary(
      GROUP_METHODS.commitOffsets,
      {
        group: "busy",
        memberId: member.memberId,
        memberEpoch: member.memberEpoch,
        offsets: [
          { topicId, partition: 0, assignmentEpoch: member.assigned[0]?.assignmentEpoch ?? 0, offset: 1, ...offset },
        ],
        ...request,
      },
      DEADLINE,
    );
  const seek = (request: object): Promise<unknown> =>
    channel.unary(
      GROUP_METHODS.seekGroup,
      { group: "busy", topic: "good", at: OffsetPosition.EARLIEST, ...request },
      DEADLINE,
    );
  const join = (request: object): Promise<unknown> =>
    RawMember.join(channel, { group: "busy", topics: ["good"], ...request });
  const byName = (name: string) => ({
    describe: () => channel.unary(GROUP_METHODS.describeGroup, { group: name }, DEADLINE),
    delete: () => channel.unary(GROUP_METHODS.deleteGroup, { group: name }, DEADLINE),
  });

  beforeAll(async () => {
    const described = await channel.unary(METHODS.describeTopic, { topic: "good" }, DEADLINE);
    topicId = described.topicId;
    member = await RawMember.join(channel, { group: "busy", topics: ["good"], staticId: "pod-0" });
    await commit({}, { offset: 0 });
  });

  afterAll(() => member?.leave());

  test.each<Row>([
    { why: "description of an unknown group", call: () => byName("nobody").describe(), code: "UNKNOWN_GROUP" },
    { why: "deletion of an unknown group", call: () => byName("nobody").delete(), code: "UNKNOWN_GROUP" },
    { why: "seek of an unknown group", call: () => seek({ group: "nobody" }), code: "UNKNOWN_GROUP" },
    { why: "empty group name", call: () => byName("").describe(), code: "INVALID_GROUP_NAME" },
    { why: "group name ../x", call: () => byName("../x").delete(), code: "INVALID_GROUP_NAME" },
    { why: "group __x", call: () => join({ group: "__x" }), code: "INVALID_GROUP_NAME" },
    { why: "group name of 300 characters", call: () => join({ group: "x".repeat(300) }), code: "INVALID_GROUP_NAME" },
    { why: "subscription to an illegal topic", call: () => join({ topics: ["a b"] }), code: "INVALID_TOPIC_NAME" },
    {
      why: "deletion with live members",
      call: () => byName("busy").delete(),
      code: "GROUP_NOT_EMPTY",
      details: ["members"],
    },
    {
      why: "commit past the end",
      call: () => commit({}, { offset: 2 }),
      code: "OFFSET_OUT_OF_RANGE",
      effect: "NOT_APPLIED",
      details: ["highWatermark", "safeOffset"],
    },
    { why: "negative commit", call: () => commit({}, { offset: -1 }), code: "INVALID_ARGUMENT" },
    {
      why: "commit by a stranger",
      call: () => commit({ memberId: NOBODY }),
      code: "UNKNOWN_MEMBER",
      effect: "NOT_APPLIED",
    },
    { why: "commit of an epoch to come", call: () => commit({ memberEpoch: 1_000 }), code: "FENCED_MEMBER" },
    {
      why: "commit of another assignment",
      call: () => commit({}, { assignmentEpoch: 1_000 }),
      code: "STALE_ASSIGNMENT",
    },
    {
      why: "commit for a partition that is not assigned",
      call: () => commit({}, { partition: 7 }),
      code: "STALE_ASSIGNMENT",
    },
    { why: "commit beside live members", call: () => commit({ memberId: "" }), code: "GROUP_NOT_EMPTY" },
    {
      why: "commit to a topic that is not there",
      call: () => commit({ group: "new", memberId: "" }, { topicId: NOBODY }),
      code: "UNKNOWN_TOPIC_ID",
    },
    { why: "note over the limit", call: () => commit({}, { metadata: "x".repeat(4_097) }), code: "INVALID_ARGUMENT" },
    {
      why: "seek to an offset that is not in the log",
      call: () => seek({ at: OffsetPosition.UNSPECIFIED, partition: 0, offset: 9 }),
      code: "OFFSET_OUT_OF_RANGE",
      effect: "NOT_APPLIED",
      details: ["logStart", "highWatermark", "safeOffset"],
    },
    { why: "seek in an unknown topic", call: () => seek({ topic: "nowhere" }), code: "UNKNOWN_TOPIC" },
    { why: "seek in an unknown partition", call: () => seek({ partition: 5 }), code: "UNKNOWN_PARTITION" },
    { why: "heartbeat of a stranger", call: () => join({ memberId: NOBODY, memberEpoch: 3 }), code: "UNKNOWN_MEMBER" },
    {
      why: "heartbeat of an old epoch",
      call: () => join({ memberId: member.memberId, staticId: "pod-0", memberEpoch: 99 }),
      code: "FENCED_MEMBER",
    },
    { why: "client id over the limit", call: () => join({ clientId: "x".repeat(257) }), code: "INVALID_ARGUMENT" },
    { why: "static id over the limit", call: () => join({ staticId: "x".repeat(5_000) }), code: "INVALID_ARGUMENT" },
    { why: "session timeout of 1 ms", call: () => join({ sessionTimeoutMs: 1 }), code: "INVALID_ARGUMENT" },
    { why: "member id with a slash", call: () => join({ memberId: "a/b" }), code: "INVALID_ARGUMENT" },
  ])("$why gives $code, and nothing is committed", async ({ call, code, effect, details }) => {
    const error = await failureOf(call());
    expect(error.code).toBe(code);
    if (effect !== undefined) expect(error.effect).toBe(effect);
    else expect(["NOT_APPLIED", "NONE"]).toContain(error.effect);
    expect(error.message.length).toBeGreaterThan(20);
    for (const name of details ?? []) expect(error.details).toHaveProperty(name);
    const { offsets } = await channel.unary(GROUP_METHODS.fetchOffsets, { group: "busy" }, DEADLINE);
    expect(offsets.map(({ partition, offset }) => [partition, offset])).toEqual([[0, 0]]);
  });

  test("a static id twice: the one before hears FENCED_INSTANCE, whatever it says; the later one works", async () => {
    const first = await RawMember.join(channel, { group: "static", topics: ["good"], staticId: "pod-1" });
    const second = await RawMember.join(channel, { group: "static", topics: ["good"], staticId: "pod-1" });
    expect((await failureOf(first.ended)).code).toBe("FENCED_INSTANCE");
    const again = { memberId: first.memberId, memberEpoch: first.memberEpoch, staticId: "pod-1" };
    expect((await failureOf(join({ group: "static", ...again }))).code).toBe("FENCED_INSTANCE");
    expect(second.assigned).toHaveLength(1);
    await second.leave();
  });

  test("a session without heartbeats is over after its timeout; its partitions go to another", async () => {
    const silent = await RawMember.join(channel, { group: "silent", topics: ["good"], sessionTimeoutMs: 1_000 });
    const other = await RawMember.join(channel, { group: "silent", topics: ["good"] });
    expect([silent.assigned.length, other.assigned.length]).toEqual([1, 0]);
    await other.until(() => other.assigned.length === 1);
    expect((await failureOf(silent.ended)).code).toBe("UNKNOWN_MEMBER");
    await other.leave();
  });

  test("a topic that is not there is waited for, and named; when it comes its partitions are assigned from their start", async () => {
    const early = await RawMember.join(channel, { group: "early", topics: ["later"], startFrom: 2 });
    expect([early.assigned, early.missingTopics]).toEqual([[], ["later"]]);
    await channel.unary(METHODS.createTopic, { topic: "later", partitions: 2, replicas: 3 }, DEADLINE);
    await early.until(() => early.assigned.length === 2);
    expect(early.missingTopics).toEqual([]);
    expect(early.assigned.map(({ startOffset, startFrom }) => [startOffset, startFrom])).toEqual([
      [-1, 1],
      [-1, 1],
    ]);
    await early.leave();
  });

  test("a topic deleted and made again under a live group: offsets of the old one go, commits of it are refused", async () => {
    await channel.unary(METHODS.createTopic, { topic: "reborn", partitions: 1, replicas: 3 }, DEADLINE);
    const worker = await RawMember.join(channel, { group: "reborn", topics: ["reborn"] });
    const [old] = worker.assigned;
    expect(old).toBeDefined();
    const mine = { group: "reborn", memberId: worker.memberId };
    const place = { topicId: old?.topicId, assignmentEpoch: old?.assignmentEpoch, offset: 0 };
    await commit({ ...mine, memberEpoch: worker.memberEpoch }, place);
    await channel.unary(METHODS.deleteTopic, { topic: "reborn" }, DEADLINE);
    await worker.until(() => worker.assigned.length === 0);
    expect(worker.missingTopics).toEqual(["reborn"]);
    await channel.unary(METHODS.createTopic, { topic: "reborn", partitions: 1, replicas: 3 }, DEADLINE);
    await worker.until(() => worker.assigned.length === 1);
    expect(worker.assigned[0]).toMatchObject({ startOffset: -1 });
    expect(worker.assigned[0]?.topicId).not.toBe(old?.topicId);
    const late = await failureOf(commit({ ...mine, memberEpoch: worker.memberEpoch }, place));
    expect([late.code, late.effect]).toEqual(["STALE_ASSIGNMENT", "NOT_APPLIED"]);
    const { offsets } = await channel.unary(GROUP_METHODS.fetchOffsets, { group: "reborn" }, DEADLINE);
    expect(offsets).toEqual([]);
    await worker.leave();
  });

  test("the topic of groups itself cannot be made, read, changed or deleted by name", async () => {
    const topic = "__groups";
    const calls = [
      create({ topic }),
      channel.unary(METHODS.deleteTopic, { topic }, DEADLINE),
      channel.unary(METHODS.addPartitions, { topic, partitions: 20 }, DEADLINE),
      channel.unary(METHODS.alterTopic, { topic, config: { retentionMs: "1000" } }, DEADLINE),
    ];
    for (const call of calls) expect((await failureOf(call)).code).toBe("INVALID_TOPIC_NAME");
    expect((await failureOf(produce({ topic }))).code).toBe("UNKNOWN_TOPIC");
    expect((await failureOf(read({ topic }))).code).toBe("UNKNOWN_TOPIC");
    const { topics } = await channel.unary(METHODS.listTopics, {}, DEADLINE);
    expect(topics.map(({ topic: name }) => name)).not.toContain(topic);
  });
});

describe("an idempotent producer", () => {
  beforeAll(async () => {
    await channel.unary(METHODS.createTopic, { topic: "idempotent", partitions: 1, replicas: 3 }, DEADLINE);
  });
  const send = (values: string[], producerId: number, producerEpoch: number, baseSequence: number) =>
    channel.unary(
      METHODS.produce,
      { topic: "idempotent", partition: 0, batch: batchOf(values, { producerId, producerEpoch, baseSequence }) },
      DEADLINE,
    );

  test("a repeat gets the first offset, also while the first is in flight", async () => {
    const { producerId } = await channel.unary(METHODS.initProducer, {}, DEADLINE);
    const [first, second] = await Promise.all([send(["a", "b"], producerId, 0, 0), send(["a", "b"], producerId, 0, 0)]);
    const third = await send(["a", "b"], producerId, 0, 0);
    expect(new Set([first.baseOffset, second.baseOffset, third.baseOffset]).size).toBe(1);
    expect(third.duplicate).toBe(true);
    expect((await readAll(channel, "idempotent", 0)).filter((value) => value === "a")).toHaveLength(1);
  });

  test("a gap is fatal and changes nothing; an old epoch is fenced", async () => {
    const { producerId } = await channel.unary(METHODS.initProducer, {}, DEADLINE);
    await send(["one"], producerId, 0, 0);
    const gap = await failureOf(send(["three"], producerId, 0, 2));
    expect([gap.code, gap.effect, gap.retryable]).toEqual(["OUT_OF_ORDER_SEQUENCE", "NOT_APPLIED", false]);
    await send(["two"], producerId, 1, 0);
    const old = await failureOf(send(["late"], producerId, 0, 1));
    expect([old.code, old.effect]).toEqual(["FENCED_PRODUCER", "NOT_APPLIED"]);
    const values = await readAll(channel, "idempotent", 0);
    expect(values).not.toContain("three");
    expect(values).not.toContain("late");
  });
});

describe("a bad start", () => {
  const config = (patch: Record<string, unknown>) =>
    parseConfig({
      brokerId: 1,
      dataDir: join(folder, "data"),
      cluster: { seeds: ["127.0.0.1:1"] },
      listen: { grpcPort: 0, peerPort: 0, opsPort: 0 },
      logLevel: "error",
      ...patch,
    });

  test("unknown keys, wrong types and broken relations are reported together", async () => {
    const error = await failureOf(
      Promise.resolve().then(() =>
        parseConfig({
          brokerId: "one",
          rack: 5,
          unknownKey: 1,
          cluster: { seeds: ["127.0.0.1:1"] },
          raft: { heartbeatMs: 1_000, electionTimeoutMs: 1_000 },
        }),
      ),
    );
    expect(error.code).toBe("INVALID_CONFIG");
    const problems = JSON.stringify(error.details["problems"]);
    for (const part of ["brokerId", "rack", "unknownKey"]) expect(problems).toContain(part);
  });

  test("a port in use", async () => {
    const taken = Number(cluster.bootstrap[0]?.split(":")[1]);
    const error = await failureOf(runBroker(config({ listen: { grpcPort: taken, peerPort: 0, opsPort: 0 } })));
    expect(error.code).toBe("ADDRESS_UNUSABLE");
    expect(error.message).toContain(String(taken));
  });

  test("a data folder that cannot be made", async () => {
    writeFileSync(join(folder, "file"), "");
    const error = await failureOf(runBroker(config({ dataDir: join(folder, "file", "data") })));
    expect(error.code).toBe("DATA_DIR_UNUSABLE");
  });

  test("a data folder that another broker holds, and one of a newer format", async () => {
    const dataDir = join(folder, "held");
    const holder = await runBroker(config({ dataDir }));
    const error = await failureOf(runBroker(config({ dataDir })));
    expect(error.code).toBe("DATA_DIR_UNUSABLE");
    holder.ready.catch(() => {});
    await holder.stop();
    const node = JSON.parse(readFileSync(join(dataDir, "node.json"), "utf8")) as Record<string, unknown>;
    writeFileSync(join(dataDir, "node.json"), JSON.stringify({ ...node, formatVersion: 99 }));
    const newer = await failureOf(runBroker(config({ dataDir })));
    expect(newer.code).toBe("DATA_DIR_UNUSABLE");
    expect(newer.message).toContain("99");
  });
});
