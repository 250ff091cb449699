/**
 * limits.test.ts: limits of a broker's configuration act where clients meet them, at the limit and one above it, and bounds of memory
 * show what is in use.
 */
import { readFileSync } from "node:fs";
import { KIB, VarveError } from "@varve/base";
import { nodeClock } from "@varve/base/node";
import { ownTimeMs } from "@varve/base/testing";
import { BatchBuilder, batchByteLength } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { METHODS, type RpcChannel } from "@varve/rpc";
import { SimDisk } from "@varve/storage/testing";
import { afterEach, expect, test, vi } from "vitest";
import { LoneBrokers } from "../testing/lone-brokers.js";
import type { RunningBroker } from "./run-broker.js";

const DEADLINE = { deadlineMs: 10_000 } as const;
const STATE = { timeout: 10_000, interval: 10 };
const TOPIC = "orders";

const brokers = new LoneBrokers();
afterEach(() => brokers.end());

/** A disk whose syncs can be made slow: what is produced meanwhile stays in flight. */
class SlowDisk {
  syncMs = 0;
  readonly disk = new SimDisk({ clock: nodeClock, latencyMs: (kind) => (kind === "sync" ? this.syncMs : 0) });
}

interface Started {
  readonly broker: RunningBroker;
  readonly slow: SlowDisk;
  readonly channel: RpcChannel;
}

/** One broker with one topic of one partition. */
async function start(limits: object, topicConfig: Record<string, string> = {}): Promise<Started> {
  const slow = new SlowDisk();
  const broker = await brokers.start(slow.disk, { limits });
  await broker.ready;
  const channel = brokers.connect(broker);
  await channel.unary(METHODS.createTopic, { topic: TOPIC, partitions: 1, replicas: 1, config: topicConfig }, DEADLINE);
  return { broker, slow, channel };
}

/** A batch of one record with exactly that many bytes on the wire. */
function batchOfBytes(bytes: number): Uint8Array {
  let valueBytes = bytes - 80;
  for (;;) {
    const builder = new BatchBuilder();
    builder.append(0, null, Buffer.alloc(valueBytes, 1));
    const batch = builder.build(nodeCodec);
    const length = batchByteLength(batch);
    if (length === bytes) return batch;
    valueBytes += bytes - length;
  }
}

const produce = (channel: RpcChannel, batch: Uint8Array) =>
  channel.unary(METHODS.produce, { topic: TOPIC, partition: 0, batch }, DEADLINE);

/** "ok", or the code of the VarveError that the call ends with. */
const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "ok",
    (error: unknown) => (error instanceof VarveError ? error.code : String(error)),
  );

/** A series of the broker's metrics; null when it is not shown. */
async function metric(broker: RunningBroker, series: string): Promise<number | null> {
  const text = await (await fetch(`http://127.0.0.1:${broker.opsPort}/metrics`)).text();
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? null : Number(line.slice(series.length + 1));
}

const used = (broker: RunningBroker, bound: string): Promise<number | null> =>
  metric(broker, `varve_memory_bound_used_bytes{bound="${bound}"}`);

test("a batch may have limits.batchBytesMax bytes and no more, whatever larger limit its topic has", async () => {
  const { channel } = await start({ recordBytesMax: 8 * KIB, batchBytesMax: 8 * KIB }, { batchBytesMax: "65536" });
  expect(await outcome(produce(channel, batchOfBytes(8 * KIB)))).toBe("ok");
  expect(await outcome(produce(channel, batchOfBytes(8 * KIB + 1)))).toBe("BATCH_TOO_LARGE");
  const { topics } = await channel.unary(METHODS.metadata, { topics: [TOPIC] }, DEADLINE);
  expect(topics[0]?.batchBytesMax).toBe(8 * KIB);
});

test("a topic's own, smaller limit of a batch counts", async () => {
  const { channel } = await start({ recordBytesMax: 8 * KIB, batchBytesMax: 8 * KIB }, { batchBytesMax: "4096" });
  expect(await outcome(produce(channel, batchOfBytes(4 * KIB)))).toBe("ok");
  expect(await outcome(produce(channel, batchOfBytes(4 * KIB + 1)))).toBe("BATCH_TOO_LARGE");
});

test("a message above limits.produceRequestBytesMax is refused, though fetches may be larger", async () => {
  const { channel } = await start({
    recordBytesMax: 8 * KIB,
    batchBytesMax: 64 * KIB,
    produceRequestBytesMax: 64 * KIB,
  });
  // The broker reads this one, and says what is wrong with the batch in it.
  expect(await outcome(produce(channel, batchOfBytes(64 * KIB)))).toBe("RECORD_TOO_LARGE");
  const refused = await produce(channel, batchOfBytes(128 * KIB + 1)).catch((error: unknown) => String(error));
  expect(refused).toMatch(/larger than max|too large/i);
});

test("what a connection has in flight is bounded for all its calls together, and for each connection by itself", async () => {
  const { broker, slow, channel } = await start({
    batchBytesMax: 48 * KIB,
    recordBytesMax: 48 * KIB,
    produceRequestBytesMax: 64 * KIB,
    inFlightBytesPerConnectionMax: 64 * KIB,
  });
  const batch = batchOfBytes(48 * KIB);
  slow.syncMs = 400;
  const first = outcome(produce(channel, batch));
  await vi.waitFor(async () => expect(await used(broker, "in_flight_connection_largest")).toBe(48 * KIB), STATE);
  const second = outcome(produce(channel, batch));
  const other = outcome(produce(brokers.connect(broker), batch));
  expect(await Promise.all([first, second, other])).toEqual(["ok", "BROKER_OVERLOADED", "ok"]);
  slow.syncMs = 0;
  expect(await outcome(produce(channel, batch))).toBe("ok");
  expect(await used(broker, "in_flight_connection_largest")).toBe(0);
});

test("a stream whose connection has its bytes in flight waits and loses nothing", async () => {
  const { broker, slow, channel } = await start({
    batchBytesMax: 48 * KIB,
    recordBytesMax: 48 * KIB,
    produceRequestBytesMax: 64 * KIB,
    inFlightBytesPerConnectionMax: 64 * KIB,
  });
  slow.syncMs = 100;
  const stream = channel.bidi(METHODS.produceStream, {});
  const batch = batchOfBytes(32 * KIB);
  const count = 8;
  for (let id = 1; id <= count; id++) void stream.write({ correlationId: id, produce: { topic: TOPIC, batch } });
  const answers: number[] = [];
  let most = 0;
  const watch = (async () => {
    while (answers.length < count) most = Math.max(most, (await used(broker, "in_flight_connection_largest")) ?? 0);
  })();
  for await (const { correlationId, error } of stream.responses) {
    expect(error).toBeNull();
    if (answers.push(correlationId) === count) break;
  }
  await watch;
  expect(answers.sort((left, right) => left - right)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(96 * KIB);
});

test("a stream is read on only as far as its connection's requests in flight go, and loses nothing", async () => {
  const requestsMax = 50;
  const { broker, slow, channel } = await start({ inFlightRequestsPerConnectionMax: requestsMax });
  const stream = channel.bidi(METHODS.produceStream, {});
  const batch = batchOfBytes(KIB);
  const count = 8 * requestsMax;
  slow.syncMs = 1_500; // All that may be in flight is, for longer than it takes to look.
  for (let id = 1; id <= count; id++) void stream.write({ correlationId: id, produce: { topic: TOPIC, batch } });
  let most = 0;
  const inFlight = async (): Promise<number> =>
    (await metric(broker, "varve_in_flight_requests_connection_largest")) ?? Number.NaN;
  await vi.waitFor(async () => {
    most = Math.max(most, await inFlight());
    expect(most).toBeGreaterThanOrEqual(requestsMax - 1);
  }, STATE);
  const refused = await outcome(produce(channel, batch));
  slow.syncMs = 0;
  const answers = new Set<number>();
  for await (const { correlationId, error } of stream.responses) {
    expect(error).toBeNull();
    if (correlationId % requestsMax === 0) most = Math.max(most, await inFlight());
    if (answers.add(correlationId).size === count) break;
  }
  expect(most).toBeLessThanOrEqual(requestsMax);
  expect(["ok", "BROKER_OVERLOADED"]).toContain(refused);
  await vi.waitFor(async () => expect(await inFlight()).toBe(0), STATE);
});

test("unary calls beyond a connection's requests in flight are refused as not applied", async () => {
  const requestsMax = 10;
  const { broker, slow, channel } = await start({ inFlightRequestsPerConnectionMax: requestsMax });
  const batch = batchOfBytes(KIB);
  slow.syncMs = 400;
  const first = Array.from({ length: requestsMax }, () => outcome(produce(channel, batch)));
  await vi.waitFor(
    async () => expect(await metric(broker, "varve_in_flight_requests_connection_largest")).toBe(requestsMax),
    STATE,
  );
  const refused = await produce(channel, batch).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "BROKER_OVERLOADED", effect: "NOT_APPLIED" });
  expect(await outcome(produce(brokers.connect(broker), batch))).toBe("ok");
  expect(new Set(await Promise.all(first))).toEqual(new Set(["ok"]));
});

test("no call takes longer than limits.requestDeadlineMs, whatever its client would wait", async () => {
  const { slow, channel } = await start({ requestDeadlineMs: 300 });
  slow.syncMs = 2_000;
  const startedMs = ownTimeMs();
  expect(await outcome(produce(channel, batchOfBytes(KIB)))).toBe("TIMEOUT");
  expect(ownTimeMs() - startedMs).toBeLessThan(1_500);
});

test("every bound of memory that OPERATIONS.md lists is measured", async () => {
  const { broker } = await start({});
  const text = readFileSync(new URL("../../OPERATIONS.md", import.meta.url), "utf8");
  const listed = [...text.slice(text.indexOf("Bounds of memory")).matchAll(/^- `([a-z_]+)`/gm)].map(([, name]) => name);
  expect(listed.length).toBeGreaterThan(5);
  for (const bound of listed) {
    expect(await used(broker, bound ?? ""), bound).toBeTypeOf("number");
    expect(await metric(broker, `varve_memory_bound_limit_bytes{bound="${bound}"}`), bound).toBeGreaterThan(0);
  }
});
