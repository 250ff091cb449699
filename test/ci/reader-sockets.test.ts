/**
 * reader-sockets.test.ts: readers against three real brokers over real sockets: what is read, how fast, how far it is said to be, and each
 * way to end.
 */
import { ownTimeMs } from "@varve/base/testing";
import type { Reader, Varve, VarveRecord } from "@varve/client";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitUntil } from "../integration/sdk-load.js";

const PARTITIONS = 6;
const BROKERS = [1, 2, 3];
const SOON_MS = 15_000;

let cluster: TestCluster;
let varve: Varve;

beforeAll(async () => {
  cluster = await startCluster({ brokers: BROKERS.length });
  varve = cluster.varve();
});
afterAll(() => cluster.close());

/** A topic of its own for each test. */
async function newTopic(name: string, partitions = PARTITIONS): Promise<string> {
  await varve.admin.createTopic({ topic: name, partitions, replicas: 3 });
  return name;
}

/** Sends `count` records spread over all partitions; their values are `PREFIX-NUMBER`. */
async function fill(topic: string, prefix: string, count: number, valueBytes = 0): Promise<string[]> {
  const producer = varve.producer();
  const values = Array.from({ length: count }, (_, at) => `${prefix}-${at}`);
  const records = values.map((value, at) => ({ key: `key-${at}`, value: value.padEnd(valueBytes) }));
  await producer.sendBatch({ topic, records });
  await producer.close();
  return values;
}

async function collect(reader: AsyncIterable<VarveRecord>): Promise<VarveRecord[]> {
  const records: VarveRecord[] = [];
  for await (const record of reader) records.push(record);
  return records;
}

const valuesOf = (records: readonly VarveRecord[]): string[] => records.map(({ value }) => String(value).trim()).sort();

/** The wall clock has passed every append so far; a time between those and the next. */
async function timeBetween(): Promise<number> {
  const sentMs = Date.now();
  await waitUntil("the clock moves on", SOON_MS, async () => Date.now() > sentMs + 20);
  const between = Date.now();
  await waitUntil("the clock moves on", SOON_MS, async () => Date.now() > between + 20);
  return between;
}

/** Records that all brokers together have sent to readers. */
async function fetched(): Promise<number> {
  const pages = await Promise.all(BROKERS.map((id) => cluster.metrics(id)));
  const figures = pages.flatMap((page) => [...page.matchAll(/^varve_fetch_records_total(?:\{.*\})? (\d+)/gm)]);
  expect(figures.length).toBeGreaterThan(0);
  return figures.reduce((sum, [, figure]) => sum + Number(figure), 0);
}

/** How a loop over a reader ended, beside the records that it got. */
function reading(reader: Reader) {
  const state: { readonly records: VarveRecord[]; end: unknown } = { records: [], end: null };
  (async () => {
    for await (const record of reader) state.records.push(record);
    state.end = "ended";
  })().catch((error: unknown) => {
    state.end = error;
  });
  return state;
}

test("several partitions, led by several brokers: each record of those asked for once, in the order of offsets", async () => {
  const topic = await newTopic("partitions");
  await fill(topic, "v", 3_000);
  const { partitions } = await varve.admin.describeTopic(topic);
  expect(new Set(partitions.map(({ leader }) => leader)).size).toBe(3);
  const wanted = [0, 2, 5];
  const reader = varve.reader({ topic, partitions: wanted, to: "end" });
  const records = await collect(reader);
  for (const { partition, highWatermark } of partitions) {
    const offsets = records.filter((record) => record.partition === partition).map(({ offset }) => offset);
    const expected = wanted.includes(partition) ? highWatermark : 0;
    expect(offsets).toEqual(Array.from({ length: expected }, (_, at) => at));
  }
  expect(reader.progress).toEqual({ read: records.length, total: records.length, ratio: 1, etaMs: 0 });
});

test("from and to as times: what was appended between them, in every partition", async () => {
  const topic = await newTopic("times");
  const before = await fill(topic, "before", 500);
  const startMs = await timeBetween();
  const between = await fill(topic, "between", 700);
  const endMs = await timeBetween();
  const after = await fill(topic, "after", 300);
  const read = async (options: object): Promise<string[]> =>
    valuesOf(await collect(varve.reader({ topic, ...options })));
  expect(await read({ from: { timeMs: startMs }, to: { timeMs: endMs } })).toEqual([...between].sort());
  expect(await read({ from: { timeMs: endMs }, to: "end" })).toEqual([...after].sort());
  expect(await read({ to: { timeMs: startMs } })).toEqual([...before].sort());
  expect(await read({ from: { timeMs: 0 }, to: { timeMs: startMs } })).toEqual([...before].sort());
  // Past the last record, a time means latest.
  expect(await read({ from: { timeMs: Date.now() + 60_000 }, to: "end" })).toEqual([]);
  expect(await read({ from: { timeMs: startMs }, to: { timeMs: Date.now() + 60_000 } })).toEqual(
    [...between, ...after].sort(),
  );
  expect(await read({ from: { timeMs: endMs }, to: { timeMs: startMs } })).toEqual([]);
});

test("a time past the last record follows from the end on", async () => {
  const topic = await newTopic("later");
  await fill(topic, "old", 100);
  const reader = varve.reader({ topic, from: { timeMs: Date.now() + 60_000 } });
  const state = reading(reader);
  // Each round's records are new to it only once it has begun: that is when the first of them comes.
  for (let round = 0; state.records.length === 0 && round < 100; round++) await fill(topic, `new-${round}`, 10);
  const sent = await fill(topic, "last", 50);
  await waitUntil("the reader has all", SOON_MS, async () => {
    const values = valuesOf(state.records);
    return sent.every((value) => values.includes(value));
  });
  expect(valuesOf(state.records).filter((value) => value.startsWith("old"))).toEqual([]);
  reader.close();
});

test("from an offset to an offset in one partition; beyond the end and without one partition it is refused", async () => {
  const topic = await newTopic("offsets");
  await fill(topic, "v", 1_200);
  const read = (options: object) => collect(varve.reader({ topic, ...options }));
  const some = await read({ partitions: [3], from: { offset: 20 }, to: { offset: 60 } });
  expect(some.map(({ offset }) => offset)).toEqual(Array.from({ length: 40 }, (_, at) => 20 + at));
  await expect(read({ partitions: [3], from: { offset: 1_000_000 } })).rejects.toMatchObject({
    code: "OFFSET_OUT_OF_RANGE",
    effect: "NONE",
    details: { logStart: 0 },
  });
  expect(() => varve.reader({ topic, from: { offset: 1 } })).toThrow(/partition/);
});

test("maxRecordsPerSecond holds over all partitions together, and progress says when it will be done", async () => {
  const topic = await newTopic("rate");
  await fill(topic, "v", 1_500);
  const reader = varve.reader({ topic, to: "end", maxRecordsPerSecond: 500 });
  expect(reader.progress).toEqual({ read: 0, total: 0, ratio: 0, etaMs: null });
  let startedMs = 0;
  let startedOwnMs = 0;
  let count = 0;
  for await (const _ of reader) {
    if (count++ === 0) [startedMs, startedOwnMs] = [performance.now(), ownTimeMs()];
    const { read, total, ratio, etaMs } = reader.progress;
    expect([read, total]).toEqual([count, 1_500]);
    expect(ratio).toBeCloseTo(count / 1_500);
    const tookMs = performance.now() - startedMs;
    // 100 ms may be caught up.
    expect(count).toBeLessThanOrEqual(1 + ((tookMs + 101) / 1_000) * 500);
    // Half is left: it takes what the rate says, or what the first half took on a busy machine.
    if (count === 750) {
      const off = [1_500, tookMs].map((expectedMs) => Math.abs((etaMs ?? 0) - expectedMs));
      expect(Math.min(...off)).toBeLessThan(750);
    }
  }
  expect(count).toBe(1_500);
  expect(performance.now() - startedMs).toBeGreaterThan(2_800);
  expect(ownTimeMs() - startedOwnMs).toBeLessThan(6_000);
});

test.each(["break", "throw", "signal", "return from a function"] as const)(
  "%s ends the loop, and brokers send nothing more",
  async (way) => {
    const topic = await newTopic(`ended-by-${way.replaceAll(" ", "-")}`);
    await fill(topic, "v", 500);
    const controller = new AbortController();
    const reader = varve.reader({ topic, signal: controller.signal });
    const boom = new Error("the handler's own");
    let seen = 0;
    const loop = async (): Promise<string> => {
      for await (const _ of reader) {
        if (++seen < 100) continue;
        if (way === "break") break;
        if (way === "throw") throw boom;
        if (way === "return from a function") return "returned";
        controller.abort();
      }
      return "left";
    };
    if (way === "throw") await expect(loop()).rejects.toBe(boom);
    else if (way === "signal") await expect(loop()).rejects.toMatchObject({ code: "ABORTED", effect: "NONE" });
    else expect(await loop()).toBe(way === "break" ? "left" : "returned");
    expect(seen).toBe(100);
    expect(reader.progress.read).toBe(100);
    const before = await fetched();
    await fill(topic, "more", 2_000);
    expect(await collect(varve.reader({ topic, to: "end" }))).toHaveLength(2_500);
    // The second reader fetched 2,500; one that still lived would have fetched 2,000 beside it.
    expect((await fetched()) - before).toBeLessThan(3_000);
  },
);

test("a signal that is aborted while nothing comes ends the loop at once; so does closing the client", async () => {
  const topic = await newTopic("quiet");
  const controller = new AbortController();
  const waiting = reading(varve.reader({ topic, signal: controller.signal }));
  const other = cluster.varve();
  const closed = reading(other.reader({ topic }));
  await fill(topic, "v", 60);
  await waitUntil("both readers wait", SOON_MS, async () => waiting.records.length + closed.records.length === 120);
  const startedMs = ownTimeMs();
  controller.abort();
  await other.close();
  await waitUntil("both loops ended", SOON_MS, async () => waiting.end !== null && closed.end !== null);
  expect(ownTimeMs() - startedMs).toBeLessThan(1_000);
  expect(waiting.end).toMatchObject({ code: "ABORTED", effect: "NONE" });
  expect(closed.end).toMatchObject({ code: "CLOSED" });
});

test("a broker that loses power and comes back while a topic is replayed: no gap, no repeat, progress never falls", async () => {
  const topic = await newTopic("replay");
  await fill(topic, "v", 6_000, 200);
  const { partitions } = await varve.admin.describeTopic(topic);
  const reader = varve.reader({ topic, to: "end", maxRecordsPerSecond: 1_500, bufferBytesMax: 65_536 });
  const next = Array.from({ length: PARTITIONS }, () => 0);
  let count = 0;
  let ratio = 0;
  let restarted: Promise<void> | null = null;
  for await (const { partition, offset } of reader) {
    expect(offset).toBe(next[partition]);
    next[partition] = offset + 1;
    expect(reader.progress.ratio).toBeGreaterThanOrEqual(ratio);
    ratio = reader.progress.ratio;
    if (++count === 1_000) restarted = cluster.kill(2).then(() => cluster.restart(2));
  }
  await restarted;
  expect(next).toEqual(partitions.map(({ highWatermark }) => highWatermark));
  expect(reader.progress).toEqual({ read: 6_000, total: 6_000, ratio: 1, etaMs: 0 });
});
