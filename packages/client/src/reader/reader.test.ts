/** reader.test.ts: readers against a model of a cluster, on simulated time. */
import { VarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { encodeBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { describe, expect, test } from "vitest";
import { json, type Reader, type VarveRecord } from "../index.js";
import { type ModelCluster, SimClient, type SimClientOptions } from "../testing/index.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
/** Seeds per run; SEEDS=2000 looks longer. */
const SEEDS = Number(process.env["SEEDS"] ?? 25);

function sim(options: Partial<SimClientOptions> = {}): SimClient {
  return new SimClient({ prng: new Prng(7), ...options });
}

/** Appends batches of `perBatch` records to a partition, their values the offsets as text, padded. */
function fill(model: ModelCluster, partition: number, records: number, perBatch = 10, valueBytes = 20): void {
  const log = model.partition("t", partition);
  for (let left = records; left > 0; left -= perBatch) {
    const count = Math.min(left, perBatch);
    const values = Array.from({ length: count }, (_, at) =>
      Buffer.from(String(log.nextOffset + at).padEnd(valueBytes)),
    );
    log.append(encodeBatch({ records: values.map((value) => ({ timestampMs: 1, value })) }, nodeCodec));
  }
}

function offsets(records: readonly VarveRecord[], partition = 0): number[] {
  return records.filter((record) => record.partition === partition).map(({ offset }) => offset);
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, at) => start + at);
}

/** Reads on and on; what it got, and how it ended. */
function reading(reader: Reader<Buffer>) {
  const state: { readonly records: VarveRecord[]; end: unknown } = { records: [], end: null };
  (async () => {
    for await (const record of reader) state.records.push(record);
    state.end = "ended";
  })().catch((error: unknown) => {
    state.end = error;
  });
  return state;
}

describe("from and to", () => {
  test("earliest to end: every record of every partition once, in order, then the loop ends", async () => {
    const client = sim();
    client.model.createTopic("t", 3);
    for (const partition of [0, 1, 2]) fill(client.model, partition, 95);
    const reader = client.varve.reader({ topic: "t", from: "earliest", to: "end" });
    const records = await client.collect(reader);
    for (const partition of [0, 1, 2]) expect(offsets(records, partition)).toEqual(range(0, 95));
    expect(records.every(({ offset, value }) => Number(value?.toString()) === offset)).toBe(true);
    expect(reader.progress).toEqual({ read: 285, total: 285, ratio: 1, etaMs: 0 });
  });

  test.each([
    { from: 0, to: 100 },
    { from: 37, to: 41 },
    { from: 99, to: 100 },
    { from: 50, to: 50 },
    { from: 100, to: 100 },
  ])("from offset $from to $to, exclusive, also inside batches", async ({ from, to }) => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client.model, 0, 100);
    const reader = client.varve.reader({ topic: "t", partitions: [0], from: { offset: from }, to: { offset: to } });
    expect(offsets(await client.collect(reader))).toEqual(range(from, to));
    expect(reader.progress).toMatchObject({ read: to - from, ratio: 1 });
  });

  test("an empty topic ends at once", async () => {
    const client = sim();
    client.model.createTopic("t", 3);
    expect(await client.collect(client.varve.reader({ topic: "t", to: "end" }))).toEqual([]);
  });

  test("end is where the log ended when the reader started", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client.model, 0, 50);
    const reader = client.varve.reader({ topic: "t", to: "end", maxRecordsPerSecond: 10 });
    const state = reading(reader);
    await client.clock.runUntil(1_000);
    fill(client.model, 0, 50);
    await client.clock.runUntil(60_000);
    expect(state.end).toBe("ended");
    expect(offsets(state.records)).toEqual(range(0, 50));
  });

  test("an offset beyond the high watermark, or below the log start, rejects", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client.model, 0, 20);
    client.model.partition("t", 0).trim(10);
    for (const offset of [21, 9]) {
      const reader = client.varve.reader({ topic: "t", partitions: [0], from: { offset } });
      expect(await client.failure(client.collect(reader))).toMatchObject({
        code: "OFFSET_OUT_OF_RANGE",
        effect: "NONE",
        details: { logStart: 10, highWatermark: 20, safeOffset: offset === 21 ? 20 : 10 },
      });
    }
  });

  test("an offset without exactly one partition, and other nonsense, is refused", () => {
    const { varve } = sim();
    for (const options of [
      { from: { offset: 1 } },
      { from: { offset: 1 }, partitions: [0, 1] },
      { to: { offset: 1 } },
      { from: { offset: -1 }, partitions: [0] },
      { from: { offset: 1.5 }, partitions: [0] },
      { from: { offset: 2 ** 53 }, partitions: [0] },
      { from: "first" },
      { to: "latest" },
      { partitions: [0, 0] },
      { partitions: [-1] },
      { maxRecordsPerSecond: 0 },
    ]) {
      expect(() => varve.reader({ topic: "t", ...(options as object) }), JSON.stringify(options)).toThrow(VarveError);
    }
  });

  test("a partition or topic that is not there rejects with effect NONE", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const none = client.varve.reader({ topic: "t", partitions: [1], to: "end" });
    expect(await client.failure(client.collect(none))).toMatchObject({ code: "UNKNOWN_PARTITION", effect: "NONE" });
    const nope = client.varve.reader({ topic: "nope", to: "end" });
    expect(await client.failure(client.collect(nope))).toMatchObject({ code: "UNKNOWN_TOPIC", effect: "NONE" });
  });
});

describe("following", () => {
  test("latest hands out what comes, without an end", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client.model, 0, 30);
    const state = reading(client.varve.reader({ topic: "t", from: "latest" }));
    await client.clock.runUntil(1_000);
    fill(client.model, 0, 5);
    await client.clock.runUntil(2_000);
    expect(offsets(state.records)).toEqual(range(30, 35));
    expect(state.end).toBeNull();
  });

  test("partitions that are added later are read, too", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const state = reading(client.varve.reader({ topic: "t" }));
    await client.clock.runUntil(100);
    await client.run(client.varve.admin.addPartitions({ topic: "t", partitions: 2 }));
    fill(client.model, 1, 3);
    await client.clock.runUntil(5_000);
    expect(offsets(state.records, 1)).toEqual([0, 1, 2]);
  });
});

describe("interruptions", () => {
  test("a moved leader, a broken connection and a dead broker: no gap and no repeat", async () => {
    const client = sim({ model: { forwards: false } });
    client.model.createTopic("t", 1);
    fill(client.model, 0, 1_000);
    const state = reading(
      client.varve.reader({ topic: "t", to: "end", maxRecordsPerSecond: 100, bufferBytesMax: 65_536 }),
    );
    await client.clock.runUntil(1_000);
    client.model.partition("t", 0).moveTo(2);
    await client.clock.runUntil(3_000);
    client.network.breakConnections(client.addresses[1] ?? "");
    await client.clock.runUntil(5_000);
    client.network.stop(client.addresses[1] ?? "");
    client.model.partition("t", 0).moveTo(3);
    await client.clock.runUntil(60_000);
    expect(state.end).toBe("ended");
    expect(offsets(state.records)).toEqual(range(0, 1_000));
  });

  test("a broker that says nothing is left as soon as another one leads", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client.model, 0, 10);
    const state = reading(client.varve.reader({ topic: "t" }));
    await client.clock.runUntil(100);
    client.network.silence(client.addresses[0] ?? "");
    client.model.partition("t", 0).moveTo(2);
    fill(client.model, 0, 10);
    await client.clock.runUntil(15_000);
    expect(offsets(state.records)).toEqual(range(0, 20));
  });

  test("a leader that is cut off from the others, and still answers about metadata, is left as soon as another one leads", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client.model, 0, 10);
    const state = reading(client.varve.reader({ topic: "t" }));
    await client.clock.runUntil(100);
    client.model.isolate(1);
    client.model.partition("t", 0).moveTo(2);
    fill(client.model, 0, 10);
    await client.clock.runUntil(10_000);
    expect(offsets(state.records)).toEqual(range(0, 20));
  });

  test("a bounded reader rejects when nobody can be reached until the deadline; one that follows goes on", async () => {
    const client = sim({ requestDeadlineMs: 5_000 });
    client.model.createTopic("t", 1);
    fill(client.model, 0, 1_000, 10, 200);
    const bounded = reading(
      client.varve.reader({ topic: "t", to: "end", maxRecordsPerSecond: 50, bufferBytesMax: 65_536 }),
    );
    const following = reading(client.varve.reader({ topic: "t" }));
    await client.clock.runUntil(1_000);
    for (const address of client.addresses) client.network.stop(address);
    await client.clock.runUntil(60_000);
    expect(bounded.end).toMatchObject({ code: "UNREACHABLE", effect: "NONE" });
    expect(following.end).toBeNull();
    for (const address of client.addresses) client.start(address);
    fill(client.model, 0, 10);
    await client.clock.runUntil(120_000);
    expect(offsets(following.records)).toEqual(range(0, 1_010));
  });

  test("records that retention deletes before they are read are an error, not a gap", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client.model, 0, 2_000, 10, 200);
    const state = reading(client.varve.reader({ topic: "t", maxRecordsPerSecond: 20, bufferBytesMax: 65_536 }));
    await client.clock.runUntil(1_000);
    client.model.partition("t", 0).trim(1_900);
    await client.clock.runUntil(60_000);
    expect(state.end).toMatchObject({ code: "OFFSET_OUT_OF_RANGE", details: { logStart: 1_900 } });
    expect(offsets(state.records)).toEqual(range(0, state.records.length));
  });

  test("earliest moves up with the log as long as nothing was read", async () => {
    let trimmed = false;
    const client = sim({
      fate: (method) => {
        if (method === "ListOffsets") trimmed = true;
        return "pass";
      },
    });
    client.model.createTopic("t", 1);
    fill(client.model, 0, 100);
    const state = reading(client.varve.reader({ topic: "t", to: "end" }));
    while (!trimmed || client.model.counts.subscribed === 0) {
      await client.clock.runUntil(client.clock.monotonicMs() + 0.1);
      if (client.model.counts.subscribed === 0 && trimmed && client.clock.monotonicMs() > 2.9)
        client.model.partition("t", 0).trim(40);
    }
    await client.clock.runUntil(10_000);
    expect(state.end).toBe("ended");
    expect(offsets(state.records).at(-1)).toBe(99);
  });

  test("a topic that was made anew is not mistaken for the old one", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client.model, 0, 10);
    const state = reading(client.varve.reader({ topic: "t" }));
    await client.clock.runUntil(1_000);
    client.model.topics.delete("t");
    client.model.createTopic("t", 1);
    client.network.breakConnections(client.addresses[0] ?? "");
    await client.clock.runUntil(10_000);
    expect(state.end).toMatchObject({ code: "UNKNOWN_TOPIC_ID", effect: "NONE" });
  });
});

describe("bounds", () => {
  test("a reader that is not read from holds no more than its buffer and a batch per broker", async () => {
    const client = sim();
    client.model.createTopic("t", 3);
    for (const partition of [0, 1, 2]) fill(client.model, partition, 2_000, 50, 1_000);
    const reader = client.varve.reader({ topic: "t", bufferBytesMax: 262_144 });
    const records = reader[Symbol.asyncIterator]();
    await client.run(records.next());
    await client.clock.runUntil(client.clock.monotonicMs() + 10_000);
    expect(client.model.counts.grantedBytes).toBeLessThanOrEqual(262_144);
    expect(client.model.counts.sentBytes).toBeLessThan(262_144 + 3 * 60_000);
    reader.close();
  });

  test("what lies behind `to` is not fetched", async () => {
    const client = sim();
    client.model.createTopic("t", 2);
    for (const partition of [0, 1]) fill(client.model, partition, 5_000, 10, 1_000);
    const first = client.varve.reader({ topic: "t", partitions: [0], to: { offset: 20 } });
    await client.collect(first);
    await client.clock.runUntil(client.clock.monotonicMs() + 1_000);
    expect(client.model.counts.sentBytes).toBeLessThan(600_000);
  });

  test("a server that sends a batch twice, or one that was not asked for, changes nothing", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client.model, 0, 30);
    const log = client.model.partition("t", 0);
    const { read } = log;
    log.read = (offset, bytesMax) => {
      const batches = read.call(log, offset, bytesMax);
      return [...batches, ...batches];
    };
    expect(offsets(await client.collect(client.varve.reader({ topic: "t", to: "end" })))).toEqual(range(0, 30));
  });

  test("maxRecordsPerSecond", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client.model, 0, 500);
    const reader = client.varve.reader({ topic: "t", to: "end", maxRecordsPerSecond: 100 });
    const startedAtMs = client.clock.monotonicMs();
    await client.collect(reader);
    const tookMs = client.clock.monotonicMs() - startedAtMs;
    expect(tookMs).toBeGreaterThan(4_700);
    expect(tookMs).toBeLessThan(5_200);
  });

  test("maxRecordsPerSecond of a slow reader: one record, then one per interval, and no wait after the last", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client.model, 0, 3);
    const reader = client.varve.reader({ topic: "t", to: "end", maxRecordsPerSecond: 0.5 });
    const state = reading(reader);
    for (const [atMs, count] of [
      [1_500, 1],
      [3_500, 2],
      [4_500, 3],
    ] as const) {
      await client.clock.runUntil(atMs);
      expect([state.records.length, reader.progress.read], `at ${atMs} ms`).toEqual([count, count]);
    }
    expect(state.end).toBe("ended");
  });

  test("a point in time behind `to` reads nothing and spoils no progress", async () => {
    const client = sim();
    client.model.createTopic("t", 2);
    fill(client.model, 0, 10);
    const reader = client.varve.reader({ topic: "t", from: "latest", to: { timeMs: 0 } });
    expect(await client.collect(reader)).toEqual([]);
    expect(reader.progress).toEqual({ read: 0, total: 0, ratio: 1, etaMs: 0 });
  });

  test("the buffer is shared among as many brokers as lead partitions", async () => {
    const client = sim({ brokers: 7 });
    client.model.createTopic("t", 14);
    for (let partition = 0; partition < 14; partition++) fill(client.model, partition, 1_000, 50, 1_000);
    const reader = client.varve.reader({ topic: "t", bufferBytesMax: 1_048_576 });
    await client.run(reader[Symbol.asyncIterator]().next());
    await client.clock.runUntil(client.clock.monotonicMs() + 10_000);
    expect(client.model.counts.grantedBytes).toBeLessThanOrEqual(1_048_576);
    reader.close();
  });

  test("progress rises, and its eta is near the truth", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client.model, 0, 1_000);
    const reader = client.varve.reader({ topic: "t", to: "end", maxRecordsPerSecond: 100 });
    expect(reader.progress).toEqual({ read: 0, total: 0, ratio: 0, etaMs: null });
    const state = reading(reader);
    await client.clock.runUntil(2_500);
    const { read, total, ratio, etaMs } = reader.progress;
    expect(total).toBe(1_000);
    expect(ratio).toBeCloseTo(read / 1_000);
    expect(etaMs).toBeGreaterThan(6_500);
    expect(etaMs).toBeLessThan(8_500);
    reader.close();
    await client.clock.runUntil(3_000);
    expect(state.end).toBe("ended");
  });
});

describe("ways to end", () => {
  test("an aborted signal rejects the loop with ABORTED, at once", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const controller = new AbortController();
    const state = reading(client.varve.reader({ topic: "t", signal: controller.signal }));
    await client.clock.runUntil(1_000);
    controller.abort();
    await client.clock.runUntil(1_001);
    expect(state.end).toMatchObject({ code: "ABORTED", effect: "NONE" });
    const before = client.varve.reader({ topic: "t", signal: AbortSignal.abort() });
    expect(await client.failure(client.collect(before))).toMatchObject({ code: "ABORTED" });
  });

  test.each(["abort", "close the client", "close the reader"] as const)(
    "%s: ends a reader that waits for its next slot at once",
    async (way) => {
      const client = sim();
      client.model.createTopic("t", 1);
      fill(client.model, 0, 10);
      const controller = new AbortController();
      const reader = client.varve.reader({ topic: "t", maxRecordsPerSecond: 0.001, signal: controller.signal });
      const state = reading(reader);
      await client.clock.runUntil(1_000);
      expect(state.records).toHaveLength(1);
      if (way === "abort") controller.abort();
      else if (way === "close the reader") reader.close();
      else client.varve.close().catch(() => {});
      await client.clock.runUntil(1_010);
      if (way === "close the reader") expect(state.end).toBe("ended");
      else expect(state.end).toMatchObject({ code: way === "abort" ? "ABORTED" : "CLOSED", effect: "NONE" });
      expect(reader.progress.read).toBe(1);
    },
  );

  test("an aborted signal ends the streams also of a loop that is busy with a record", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const controller = new AbortController();
    const records = client.varve.reader({ topic: "t", signal: controller.signal })[Symbol.asyncIterator]();
    fill(client.model, 0, 1);
    await client.run(records.next());
    controller.abort();
    await client.clock.runUntil(client.clock.monotonicMs() + 100);
    const { sentBytes } = client.model.counts;
    fill(client.model, 0, 100);
    await client.clock.runUntil(client.clock.monotonicMs() + 5_000);
    expect(client.model.counts.sentBytes).toBe(sentBytes);
    expect(await client.failure(records.next())).toMatchObject({ code: "ABORTED" });
  });

  test("leaving the loop ends its streams", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client.model, 0, 10);
    const leave = async (): Promise<void> => {
      for await (const { offset } of client.varve.reader({ topic: "t" })) if (offset === 3) break;
    };
    await client.run(leave());
    await client.clock.runUntil(client.clock.monotonicMs() + 100);
    const { sentBytes } = client.model.counts;
    fill(client.model, 0, 100);
    await client.clock.runUntil(client.clock.monotonicMs() + 5_000);
    expect(client.model.counts.sentBytes).toBe(sentBytes);
  });

  test("closing the client rejects the loop with CLOSED", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const state = reading(client.varve.reader({ topic: "t" }));
    await client.clock.runUntil(100);
    await client.run(client.varve.close());
    await client.clock.runUntil(200);
    expect(state.end).toMatchObject({ code: "CLOSED" });
  });
});

describe("records", () => {
  test("key, value, headers and repeats come back as they were sent", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const headers = [
      ["a", "1"],
      ["a", "2"],
      ["none", null],
      ["__proto__", "p"],
    ] as const;
    const producer = client.varve.producer();
    await client.run(producer.send({ topic: "t", key: 42, value: "é", headers, timestampMs: 1_234 }));
    await client.run(producer.send({ topic: "t", key: null, value: null }));
    const [first, second] = await client.collect(client.varve.reader({ topic: "t", to: "end" }));
    expect(first).toMatchObject({
      topic: "t",
      partition: 0,
      offset: 0,
      timestampMs: 1_234,
      key: Buffer.from("42"),
      value: Buffer.from("é"),
    });
    expect(first?.rawHeaders).toEqual(
      headers.map(([name, value]) => [name, value === null ? null : Buffer.from(value)]),
    );
    expect(Object.keys(first?.headers ?? {}).sort()).toEqual(["__proto__", "a"]);
    expect(first?.headers["a"]?.toString()).toBe("2");
    expect(Buffer.isBuffer(first?.key) && Buffer.isBuffer(first.value)).toBe(true);
    expect(second).toMatchObject({ key: null, value: null, headers: {}, rawHeaders: [] });
  });

  test("serde json converts both ends; null stays null", async () => {
    interface Order {
      readonly id: number;
    }
    const client = sim();
    client.model.createTopic("t", 1);
    const producer = client.varve.producer({ serde: json<Order>() });
    await client.run(producer.sendBatch({ topic: "t", records: [{ value: { id: 1 } }, { value: null }] }));
    const records = await client.collect(client.varve.reader({ topic: "t", to: "end", serde: json<Order>() }));
    expect(records.map(({ value }) => value?.id ?? null)).toEqual([1, null]);
  });

  test("a value that the serde cannot read rejects the loop", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    await client.run(client.varve.producer().send({ topic: "t", value: "{" }));
    const reader = client.varve.reader({ topic: "t", to: "end", serde: json() });
    expect(await client.failure(client.collect(reader))).toBeInstanceOf(VarveError);
  });
});

describe(`under faults (SEED=${seed})`, () => {
  test.each(range(seed, seed + SEEDS))("seed %i: every record once and in order", async (round) => {
    const prng = new Prng(round);
    let calm = false;
    const client = new SimClient({
      prng: prng.fork(),
      bootstrap: ["broker-1:7650", "broker-2:7650"],
      latencyMs: () => prng.between(0, 20),
      fate: () => (calm || prng.chance(0.8) ? "pass" : prng.pick(["refuse", "loseRequest", "loseAnswer"])),
      model: { forwards: prng.chance(0.5) },
    });
    client.model.createTopic("t", 3);
    for (const partition of [0, 1, 2]) fill(client.model, partition, prng.between(0, 400), prng.between(1, 30), 100);
    const follows = prng.chance(0.5);
    const rate = prng.chance(0.5) ? { maxRecordsPerSecond: prng.between(50, 2_000) } : {};
    const reader = client.varve.reader({
      topic: "t",
      bufferBytesMax: 65_536,
      ...rate,
      ...(follows ? {} : { to: "end" }),
    });
    const state = reading(reader);
    for (let step = 0; step < 80; step++) {
      const address = prng.pick(client.addresses);
      if (prng.chance(0.2)) client.network.breakConnections(address);
      if (prng.chance(0.05)) client.network.silence(address);
      if (prng.chance(0.05)) client.network.stop(address);
      if (prng.chance(0.3)) client.start(address);
      if (prng.chance(0.2)) client.model.partition("t", prng.between(0, 2)).moveTo(prng.between(1, 3));
      if (prng.chance(0.3)) fill(client.model, prng.between(0, 2), prng.between(1, 20));
      await client.clock.runUntil(client.clock.monotonicMs() + prng.between(1, 60));
    }
    calm = true;
    for (const address of client.addresses) client.start(address);
    await client.clock.runUntil(client.clock.monotonicMs() + 120_000);
    expect(state.end).toBe(follows ? null : "ended");
    for (const partition of [0, 1, 2]) {
      const got = offsets(state.records, partition);
      expect(got).toEqual(range(0, got.length));
      if (follows) expect(got).toHaveLength(client.model.partition("t", partition).nextOffset);
    }
    if (!follows) expect(state.records).toHaveLength(reader.progress.total);
    reader.close();
  });
});
