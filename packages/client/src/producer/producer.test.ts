/** producer.test.ts: a producer against a model of a cluster, on simulated time. */
import { getEventListeners } from "node:events";
import { LIMITS, VarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { batchBaseSequence, batchProducerEpoch, decodeRecords, keyHash } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { Acks } from "@varve/rpc";
import { describe, expect, test, vi } from "vitest";
import type { ModelPartition, ProduceFate } from "../testing/index.js";
import { SimClient, type SimClientOptions } from "../testing/index.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
/** Seeds per run; SEEDS=2000 looks longer. */
const SEEDS = Number(process.env["SEEDS"] ?? 25);
const PASS: ProduceFate = { kind: "pass" };

function sim(options: Partial<SimClientOptions> = {}): SimClient {
  return new SimClient({ prng: new Prng(7), ...options });
}

/** Values in the log, in order of offsets. */
function valuesIn(log: ModelPartition): string[] {
  return log.batches.flatMap((batch) =>
    [...decodeRecords(batch, nodeCodec)].map(({ value }) => Buffer.from(value ?? []).toString()),
  );
}

function refuse(code: "NOT_ENOUGH_REPLICAS" | "BATCH_TOO_LARGE" | "BROKER_OVERLOADED"): ProduceFate {
  return { kind: "refuse", error: new VarveError(code, { message: `${code} for this test` }) };
}

function applyAndFail(code: "TIMEOUT" | "COMMIT_UNKNOWN"): ProduceFate {
  return { kind: "applyAndFail", error: new VarveError(code, { message: `${code} for this test` }) };
}

describe("batches", () => {
  test("records sent within the linger time share a batch and get consecutive offsets", async () => {
    const { varve, model, run } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer({ lingerMs: 5 });
    const results = await run(
      Promise.all(Array.from({ length: 100 }, (_, at) => producer.send({ topic: "t", value: `v${at}` }))),
    );
    expect(results).toEqual(Array.from({ length: 100 }, (_, offset) => ({ partition: 0, offset, epoch: 1 })));
    expect(model.partition("t", 0).batches).toHaveLength(1);
  });

  test("a batch leaves at once when it is full", async () => {
    const { varve, model, run, clock } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer({ lingerMs: 60_000, batchBytes: 4_096 });
    const sends = Array.from({ length: 8 }, () => producer.send({ topic: "t", value: Buffer.alloc(1_000) }));
    await run(Promise.all(sends.slice(0, 4)));
    expect(clock.monotonicMs()).toBeLessThan(1_000);
  });

  test("flush does not linger", async () => {
    const { varve, model, run, clock } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer({ lingerMs: 60_000 });
    const sent = producer.send({ topic: "t", value: "x" });
    await run(producer.flush());
    expect(await sent).toMatchObject({ partition: 0, offset: 0 });
    expect(clock.monotonicMs()).toBeLessThan(1_000);
  });

  test("at most five batches of a partition are in flight", async () => {
    const { varve, model, run, clock } = bound(sim({ model: { produceMs: () => 1_000 } }));
    model.createTopic("t", 1);
    const producer = varve.producer({ batchBytes: 1_024 });
    const sends = Array.from({ length: 20 }, () => producer.send({ topic: "t", value: Buffer.alloc(1_000) }));
    await clock.runUntil(900);
    expect(model.counts.produced).toBe(5);
    await run(Promise.all(sends));
    expect(model.counts.produced).toBe(20);
  });

  test("batches leave at most four ahead of one that is not answered: a leader would not know it again", async () => {
    let produced = 0;
    const { varve, model, run, clock } = bound(sim({ model: { produceMs: () => (produced++ === 0 ? 1_000 : 1) } }));
    model.createTopic("t", 1);
    const producer = varve.producer({ batchBytes: 1_024 });
    const sends = Array.from({ length: 20 }, () => producer.send({ topic: "t", value: Buffer.alloc(1_000) }));
    await clock.runUntil(900);
    expect(model.counts.produced).toBe(5);
    await run(Promise.all(sends));
    expect(model.counts.produced).toBe(20);
  });

  test.each(["none", "gzip", "snappy", "lz4", "zstd"] as const)(
    "compression %s reaches the log and comes back",
    async (compression) => {
      await nodeCodec.prepare(compression); // Loading takes real time, which simulated time does not wait for.
      const { varve, model, run } = bound(sim());
      model.createTopic("t", 1);
      await run(varve.producer({ compression }).send({ topic: "t", value: "abc".repeat(1_000) }));
      expect(valuesIn(model.partition("t", 0))).toEqual(["abc".repeat(1_000)]);
      expect((model.partition("t", 0).batches[0]?.length ?? 0) < 1_000).toBe(compression !== "none");
    },
  );
});

describe("partitions", () => {
  test("a key goes to the partition whose hash range holds it", async () => {
    const { varve, model, run } = bound(sim());
    model.createTopic("t", 4);
    const keys = Array.from({ length: 50 }, (_, at) => `key-${at}`);
    const results = await run(
      varve.producer().sendBatch({ topic: "t", records: keys.map((key) => ({ key, value: "v" })) }),
    );
    expect(results.map(({ partition }) => partition)).toEqual(
      keys.map((key) => Math.floor(keyHash(Buffer.from(key)) / 2 ** 29)),
    );
  });

  test("partitioner modulo places keys as Kafka's clients do", async () => {
    const { varve, model, run } = bound(sim());
    model.createTopic("t", 5);
    const producer = varve.producer({ partitioner: "modulo" });
    const { partition } = await run(producer.send({ topic: "t", key: "order-1", value: "v" }));
    expect(partition).toBe(keyHash(Buffer.from("order-1")) % 5);
  });

  test("records without a key stick to a partition until its batch leaves, then move on", async () => {
    const { varve, model, run } = bound(sim());
    model.createTopic("t", 3);
    const producer = varve.producer();
    const round = () => run(Promise.all([1, 2, 3].map(() => producer.send({ topic: "t", value: "v" }))));
    const partitions = [];
    for (let at = 0; at < 6; at++) {
      const used = new Set((await round()).map(({ partition }) => partition));
      expect(used.size).toBe(1);
      partitions.push(...used);
    }
    for (let at = 1; at < partitions.length; at++) expect(partitions[at]).not.toBe(partitions[at - 1]);
  });

  test("a partition can be named; one that does not exist is refused", async () => {
    const { varve, model, run, failure } = bound(sim());
    model.createTopic("t", 3);
    const producer = varve.producer();
    expect(await run(producer.send({ topic: "t", value: "v", partition: 2 }))).toMatchObject({ partition: 2 });
    expect(await failure(producer.send({ topic: "t", value: "v", partition: 3 }))).toMatchObject({
      code: "UNKNOWN_PARTITION",
      effect: "NOT_APPLIED",
    });
    await run(producer.flush());
  });
});

describe("attempts", () => {
  test.each(["TIMEOUT", "COMMIT_UNKNOWN"] as const)(
    "a batch answered with %s is sent again and is in the log once",
    async (code) => {
      let left = 2;
      const { varve, model, run } = bound(
        sim({ model: { produceFate: () => (left-- > 0 ? applyAndFail(code) : PASS) } }),
      );
      model.createTopic("t", 1);
      const producer = varve.producer();
      expect(await run(producer.send({ topic: "t", value: "once" }))).toMatchObject({ partition: 0, offset: 0 });
      expect(valuesIn(model.partition("t", 0))).toEqual(["once"]);
    },
  );

  test("NOT_LEADER is followed to the leader that it names, without a wait for metadata", async () => {
    const { varve, model, run } = bound(sim({ model: { forwards: false } }));
    model.createTopic("t", 1);
    const producer = varve.producer();
    await run(producer.send({ topic: "t", value: "a" }));
    const asked = model.counts.metadata;
    model.partition("t", 0).moveTo(3);
    await run(producer.send({ topic: "t", value: "b" }));
    expect(valuesIn(model.partition("t", 0))).toEqual(["a", "b"]);
    expect(model.counts.metadata - asked).toBeLessThanOrEqual(1);
  });

  test("a broker that dies with batches in flight loses nothing and doubles nothing", async () => {
    const test = bound(sim({ model: { produceMs: () => 50 } }));
    const { varve, model, run, clock, network, addresses } = test;
    model.createTopic("t", 1);
    const producer = varve.producer({ batchBytes: 1_024 });
    const values = Array.from({ length: 30 }, (_, at) => `${at}`.padEnd(600));
    const sends = values.map((value) => producer.send({ topic: "t", value }));
    await clock.runUntil(60);
    network.stop(addresses[0] ?? "");
    model.partition("t", 0).moveTo(2);
    // The only bootstrap address is dead: the client goes on with the brokers that metadata named.
    const results = await run(Promise.all(sends));
    expect(results.map(({ offset }) => offset)).toEqual(values.map((_, at) => at));
    expect(valuesIn(model.partition("t", 0))).toEqual(values);
  });

  test("a broker that says nothing is left as soon as another one leads", async () => {
    const { varve, model, run, clock, network, addresses } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer();
    await run(producer.send({ topic: "t", value: "a" }));
    network.silence(addresses[0] ?? "");
    model.partition("t", 0).moveTo(2);
    const startedAtMs = clock.monotonicMs();
    await run(producer.send({ topic: "t", value: "b" }));
    expect(clock.monotonicMs() - startedAtMs).toBeLessThan(8_000);
    expect(valuesIn(model.partition("t", 0))).toEqual(["a", "b"]);
  });

  test("a leader that is cut off from the others, and still answers about metadata, is left as soon as another one leads", async () => {
    const { varve, model, run, clock } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer();
    await run(producer.send({ topic: "t", value: "a" }));
    model.isolate(1);
    const sent = producer.send({ topic: "t", value: "b" });
    await clock.runUntil(clock.monotonicMs() + 500);
    model.partition("t", 0).moveTo(2);
    const startedAtMs = clock.monotonicMs();
    await run(sent);
    expect(clock.monotonicMs() - startedAtMs).toBeLessThan(4_000);
    expect(valuesIn(model.partition("t", 0))).toEqual(["a", "b"]);
  });

  test("a silent leader is left as soon as another one leads, also when nobody reaches the controller's leader", async () => {
    const { varve, model, run, clock, network, addresses } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer();
    await run(producer.send({ topic: "t", value: "a" }));
    network.silence(addresses[0] ?? "");
    model.controllerMs = 10_000;
    model.partition("t", 0).moveTo(2);
    const startedAtMs = clock.monotonicMs();
    await run(producer.send({ topic: "t", value: "b" }));
    expect(clock.monotonicMs() - startedAtMs).toBeLessThan(2_000);
    expect(valuesIn(model.partition("t", 0))).toEqual(["a", "b"]);
  });

  test.each([
    { leads: 2, silent: 3 },
    { leads: 3, silent: 2 },
  ])("broker $leads is found as the new leader while broker $silent is silent", async ({ leads, silent }) => {
    const { varve, model, run, clock, network, addresses } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer();
    await run(producer.send({ topic: "t", value: "a" }));
    network.silence(addresses[silent - 1] ?? "");
    model.isolate(1);
    model.partition("t", 0).moveTo(leads);
    const startedAtMs = clock.monotonicMs();
    await run(producer.send({ topic: "t", value: "b" }));
    expect(clock.monotonicMs() - startedAtMs).toBeLessThan(3_000);
    expect(valuesIn(model.partition("t", 0))).toEqual(["a", "b"]);
  });

  test("a topic that is deleted and made again takes the next record as its first, also when metadata knew first", async () => {
    const { varve, model, run } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer();
    for (const value of ["a", "b", "c"]) await run(producer.send({ topic: "t", value }));
    for (const value of ["d", "e"]) {
      await run(varve.admin.deleteTopic("t"));
      await run(varve.admin.createTopic({ topic: "t", partitions: 1, replicas: 1 }));
      await run(varve.producer().send({ topic: "t", value: "somebody's" }));
      expect(await run(producer.send({ topic: "t", value }))).toMatchObject({ offset: 1 });
      expect(valuesIn(model.partition("t", 0))).toEqual(["somebody's", value]);
    }
  });

  test("an error that cannot pass by is not tried again", async () => {
    const { varve, model, failure } = bound(sim({ model: { produceFate: () => refuse("BATCH_TOO_LARGE") } }));
    model.createTopic("t", 1);
    expect(await failure(varve.producer().send({ topic: "t", value: "x" }))).toMatchObject({
      code: "BATCH_TOO_LARGE",
      effect: "NOT_APPLIED",
    });
    expect(model.counts.produced).toBe(1);
  });

  test("a topic that was deleted and made again gets the records, under a new epoch", async () => {
    const { varve, model, run } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer();
    await run(producer.send({ topic: "t", value: "old" }));
    model.topics.delete("t");
    model.createTopic("t", 1);
    expect(await run(producer.send({ topic: "t", value: "new" }))).toMatchObject({ partition: 0, offset: 0 });
    expect(valuesIn(model.partition("t", 0))).toEqual(["new"]);
  });
});

describe("giving up", () => {
  test("when every attempt was refused, nothing was written and the error says so", async () => {
    const { varve, model, failure, clock } = bound(
      sim({ model: { produceFate: () => refuse("NOT_ENOUGH_REPLICAS") } }),
    );
    model.createTopic("t", 1);
    const error = await failure(varve.producer({ deliveryTimeoutMs: 2_000 }).send({ topic: "t", value: "x" }));
    expect(error).toMatchObject({ code: "NOT_ENOUGH_REPLICAS", effect: "NOT_APPLIED" });
    expect(clock.monotonicMs()).toBeLessThan(2_500);
    expect(model.counts.produced).toBeGreaterThan(3);
  });

  test("when one attempt may have been written, the effect is UNKNOWN, whatever the last one said", async () => {
    let first = true;
    const { varve, model, failure } = bound(
      sim({
        model: {
          produceFate: () => {
            const fate = first ? applyAndFail("COMMIT_UNKNOWN") : refuse("NOT_ENOUGH_REPLICAS");
            first = false;
            return fate;
          },
        },
      }),
    );
    model.createTopic("t", 1);
    const error = await failure(varve.producer({ deliveryTimeoutMs: 2_000 }).send({ topic: "t", value: "x" }));
    expect(error).toMatchObject({ code: "TIMEOUT", effect: "UNKNOWN" });
  });

  test("a batch that was given up does not spoil the next: the epoch is raised and sequences start again", async () => {
    let broken = true;
    const { varve, model, run, failure } = bound(
      sim({ model: { produceFate: () => (broken ? refuse("NOT_ENOUGH_REPLICAS") : PASS) } }),
    );
    model.createTopic("t", 1);
    const producer = varve.producer({ deliveryTimeoutMs: 1_000 });
    await failure(producer.send({ topic: "t", value: "lost" }));
    broken = false;
    expect(await run(producer.send({ topic: "t", value: "kept" }))).toMatchObject({ partition: 0, offset: 0 });
    expect(model.counts.raised).toBe(1);
  });

  test("behind a hole, what was refused goes on in the new epoch, and what may be in the log is UNKNOWN", async () => {
    const { varve, model, run, failure, clock } = bound(
      sim({
        model: {
          produceFate: ({ batch }) => {
            if (batchProducerEpoch(batch) > 0) return PASS;
            return {
              kind: "refuse",
              error: new VarveError(batchBaseSequence(batch) === 2 ? "COMMIT_UNKNOWN" : "BROKER_OVERLOADED", {
                message: "",
              }),
            };
          },
        },
      }),
    );
    model.createTopic("t", 1);
    const producer = varve.producer({ lingerMs: 0, batchBytes: 1_024, deliveryTimeoutMs: 3_000 });
    const first = failure(producer.send({ topic: "t", value: "first" }));
    await clock.runUntil(1_500);
    const second = producer.send({ topic: "t", value: "second".padEnd(900) });
    await clock.runUntil(1_505);
    const third = failure(producer.send({ topic: "t", value: "third".padEnd(900) }));
    expect(await first).toMatchObject({ effect: "NOT_APPLIED" });
    expect(await run(second)).toMatchObject({ partition: 0, offset: 0 });
    expect(await third).toMatchObject({ code: "COMMIT_UNKNOWN", effect: "UNKNOWN" });
    expect(valuesIn(model.partition("t", 0))).toEqual(["second".padEnd(900)]);
  });

  test("no reachable broker: UNREACHABLE after the delivery timeout, nothing written", async () => {
    const { varve, model, failure, network, addresses, clock } = bound(sim({ requestDeadlineMs: 3_000 }));
    model.createTopic("t", 1);
    for (const address of addresses) network.stop(address);
    const error = await failure(varve.producer({ deliveryTimeoutMs: 3_000 }).send({ topic: "t", value: "x" }));
    expect(error).toMatchObject({ effect: "NOT_APPLIED" });
    expect(["UNREACHABLE", "TIMEOUT"]).toContain((error as VarveError).code);
    expect(clock.monotonicMs()).toBeLessThan(4_000);
  });
});

describe("what is refused before it leaves", () => {
  test("a record over the limit", async () => {
    const { varve, model, run, failure } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer();
    const value = Buffer.alloc(LIMITS.recordBytesMax);
    await run(producer.send({ topic: "t", value }));
    expect(await failure(producer.send({ topic: "t", key: "k", value }))).toMatchObject({
      code: "RECORD_TOO_LARGE",
      effect: "NOT_APPLIED",
    });
    const batch = producer.sendBatch({ topic: "t", records: [{ value: "fine" }, { key: "k", value }] });
    expect(await failure(batch)).toMatchObject({ code: "RECORD_TOO_LARGE", effect: "NOT_APPLIED" });
    await run(producer.flush());
    expect(valuesIn(model.partition("t", 0))).toHaveLength(1);
  });

  test.each(["../x", "", "a".repeat(300), "__proto__"])("the topic name %j", async (topic) => {
    const { varve, failure } = bound(sim());
    expect(await failure(varve.producer().send({ topic, value: "x" }))).toMatchObject({
      code: "INVALID_TOPIC_NAME",
      effect: "NOT_APPLIED",
    });
  });

  test("a value that is no bytes, text or number", async () => {
    const { varve, failure } = bound(sim());
    const producer = varve.producer();
    expect(await failure(producer.send({ topic: "t", value: { a: 1 } as unknown as string }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      effect: "NOT_APPLIED",
    });
  });

  test.each([
    { acks: "all" },
    { lingerMs: -1 },
    { batchBytes: 1.5 },
    { compression: "brotli" },
    { partitioner: "hash" },
    { deliveryTimeoutMs: 0 },
  ])("the setting %j", (options) => {
    const { varve } = sim();
    expect(() => varve.producer(options as never)).toThrow(VarveError);
  });
});

describe("a topic that is not there", () => {
  test("is UNKNOWN_TOPIC once the controller's leader said so", async () => {
    const { varve, failure } = bound(sim());
    const error = await failure(varve.producer().send({ topic: "nope", value: "x" }));
    expect(error).toMatchObject({ code: "UNKNOWN_TOPIC", effect: "NOT_APPLIED" });
    expect((error as VarveError).message).toContain("varve topic create nope");
  });
  test("is never UNKNOWN_TOPIC by the word of brokers that cannot ask the controller's leader", async () => {
    const { varve, model, failure } = bound(sim());
    model.controllerReachable = false;
    const sent = await failure(varve.producer().send({ topic: "nope", value: "x" }));
    expect(sent).toMatchObject({ effect: "NOT_APPLIED" });
    expect(sent).not.toMatchObject({ code: "UNKNOWN_TOPIC" });
    const read = varve.reader({ topic: "nope", from: "earliest", to: "end" });
    expect(await failure(read[Symbol.asyncIterator]().next())).toMatchObject({
      code: "NOT_ENOUGH_REPLICAS",
      effect: "NONE",
      retryable: true,
    });
  });

  test("is waited for as long as nobody with authority said so", async () => {
    const { varve, model, run, clock } = bound(sim());
    model.controllerReachable = false;
    const sent = varve.producer().send({ topic: "soon", value: "x" });
    await clock.runUntil(2_000);
    model.createTopic("soon", 1);
    expect(await run(sent)).toMatchObject({ partition: 0, offset: 0 });
  });

  test("does not hold up another topic, nor keep its room in the buffer", async () => {
    const { varve, model, run, failure } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer({ bufferBytesMax: 4_096 });
    const missing = producer.send({ topic: "nope", value: Buffer.alloc(3_000) });
    const fine = producer.send({ topic: "t", value: Buffer.alloc(3_000) });
    await failure(missing);
    expect(await run(fine)).toMatchObject({ partition: 0, offset: 0 });
  });
});

describe("the buffer", () => {
  test("send waits while it is full, and order stays", async () => {
    const { varve, model, run, clock } = bound(sim({ model: { produceMs: () => 100 } }));
    model.createTopic("t", 1);
    const producer = varve.producer({ bufferBytesMax: 10_000, batchBytes: 2_048 });
    const values = Array.from({ length: 40 }, (_, at) => `${at}`.padEnd(900));
    const sends = values.map((value) => producer.send({ topic: "t", value }));
    await clock.runUntil(60);
    expect(model.partition("t", 0).nextOffset).toBeLessThan(12);
    await run(Promise.all(sends));
    expect(valuesIn(model.partition("t", 0))).toEqual(values);
  });

  test("a send that waited too long is NOT_APPLIED", async () => {
    const { varve, model, failure, network, addresses, clock } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer({ bufferBytesMax: 1_024, deliveryTimeoutMs: 1_000 });
    for (const address of addresses) network.silence(address);
    const first = failure(producer.send({ topic: "t", value: Buffer.alloc(1_000) }));
    const second = failure(producer.send({ topic: "t", value: Buffer.alloc(1_000) }));
    expect(await second).toMatchObject({ code: "TIMEOUT", effect: "NOT_APPLIED" });
    expect(await first).toMatchObject({ effect: "NOT_APPLIED" });
    expect(clock.monotonicMs()).toBeLessThan(1_500);
  });
});

describe("signal", () => {
  test("before anything: NOT_APPLIED; while waiting for room: NOT_APPLIED and never written; in flight: UNKNOWN", async () => {
    const { varve, model, run, failure, clock } = bound(sim({ model: { produceMs: () => 500 } }));
    model.createTopic("t", 1);
    const producer = varve.producer({ bufferBytesMax: 1_024 });
    expect(await failure(producer.send({ topic: "t", value: "x" }, { signal: AbortSignal.abort() }))).toMatchObject({
      code: "ABORTED",
      effect: "NOT_APPLIED",
    });
    const [flying, waiting] = [new AbortController(), new AbortController()];
    const inFlight = failure(producer.send({ topic: "t", value: "f".repeat(1_000) }, { signal: flying.signal }));
    const queued = failure(producer.send({ topic: "t", value: "q".repeat(1_000) }, { signal: waiting.signal }));
    await clock.runUntil(100);
    waiting.abort();
    flying.abort();
    expect(await queued).toMatchObject({ code: "ABORTED", effect: "NOT_APPLIED" });
    expect(await inFlight).toMatchObject({ code: "ABORTED", effect: "UNKNOWN" });
    await run(producer.close());
    expect(valuesIn(model.partition("t", 0))).toEqual(["f".repeat(1_000)]);
  });

  test("shared by a thousand sends is no leak and no warning", async () => {
    const warned = vi.fn();
    process.on("warning", warned);
    const { varve, model, run } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer();
    const { signal } = new AbortController();
    await run(Promise.all(Array.from({ length: 1_000 }, () => producer.send({ topic: "t", value: "x" }, { signal }))));
    expect(getEventListeners(signal, "abort").length).toBeLessThanOrEqual(1);
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", warned);
    expect(warned).not.toHaveBeenCalled();
  });

  test("ends a flush, which then goes on without its caller", async () => {
    const { varve, model, run, failure, clock } = bound(sim({ model: { produceMs: () => 5_000 } }));
    model.createTopic("t", 1);
    const producer = varve.producer();
    const sent = producer.send({ topic: "t", value: "x" });
    const controller = new AbortController();
    const flushed = failure(producer.flush({ signal: controller.signal }));
    await clock.runUntil(100);
    controller.abort();
    expect(await flushed).toMatchObject({ code: "ABORTED" });
    expect(await run(sent)).toMatchObject({ partition: 0, offset: 0 });
  });
});

describe("close", () => {
  test("sends what is under way, then refuses with CLOSED", async () => {
    const { varve, model, run, failure } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer({ lingerMs: 60_000 });
    const sent = producer.send({ topic: "t", value: "x" });
    await run(producer.close());
    expect(await sent).toMatchObject({ partition: 0, offset: 0 });
    expect(await failure(producer.send({ topic: "t", value: "y" }))).toMatchObject({
      code: "CLOSED",
      effect: "NOT_APPLIED",
    });
    await run(varve.close());
    expect(() => varve.producer()).toThrow(/closed/);
  });

  test("with an aborted signal, gives up at once and says what is known", async () => {
    const { varve, model, run, failure, network, addresses, clock } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer();
    await run(producer.send({ topic: "t", value: "x" }));
    for (const address of addresses) network.silence(address);
    const stuck = failure(producer.send({ topic: "t", value: "y" }));
    await clock.runUntil(200);
    const closing = failure(producer.close({ signal: AbortSignal.abort() }));
    expect(await stuck).toMatchObject({ code: "CLOSED", effect: "UNKNOWN" });
    expect(await closing).toMatchObject({ code: "ABORTED" });
  });
});

describe("acks", () => {
  test("none: offset -1, not idempotent, never sent twice after an unknown outcome", async () => {
    let first = true;
    const seen: number[] = [];
    const { varve, model, run, failure } = bound(
      sim({
        model: {
          produceFate: ({ acks }) => {
            seen.push(acks);
            const fate = first ? applyAndFail("COMMIT_UNKNOWN") : PASS;
            first = false;
            return fate;
          },
        },
      }),
    );
    model.createTopic("t", 1);
    const producer = varve.producer({ acks: "none" });
    expect(await failure(producer.send({ topic: "t", value: "a" }))).toMatchObject({
      code: "COMMIT_UNKNOWN",
      effect: "UNKNOWN",
    });
    expect(await run(producer.send({ topic: "t", value: "b" }))).toMatchObject({ partition: 0, offset: -1 });
    expect(model.counts.initProducer).toBe(0);
    expect(seen).toEqual([Acks.NONE, Acks.NONE]);
  });

  test("leader: an acknowledged batch that was lost with its leader does not stop the producer", async () => {
    const { varve, model, run } = bound(sim());
    model.createTopic("t", 1);
    const producer = varve.producer({ acks: "leader" });
    await run(producer.send({ topic: "t", value: "a" }));
    await run(producer.send({ topic: "t", value: "lost with its leader" }));
    model.partition("t", 0).loseLast();
    expect(await run(producer.send({ topic: "t", value: "b" }))).toMatchObject({ partition: 0, offset: 1 });
    expect(valuesIn(model.partition("t", 0))).toEqual(["a", "b"]);
  });
});

describe("sendBatch", () => {
  test("answers one result per record, in order, over partitions", async () => {
    const { varve, model, run } = bound(sim());
    model.createTopic("t", 3);
    const producer = varve.producer();
    const records = Array.from({ length: 30 }, (_, at) => ({ key: `k${at % 7}`, value: `v${at}` }));
    const results = await run(producer.sendBatch({ topic: "t", records }));
    results.forEach(({ partition, offset }, at) => {
      expect(valuesIn(model.partition("t", partition))[offset]).toBe(`v${at}`);
    });
    expect(await run(producer.sendBatch({ topic: "t", records: [] }))).toEqual([]);
  });

  test("when some records are written and others not, the whole call's effect is UNKNOWN", async () => {
    const { varve, model, failure } = bound(
      sim({ model: { produceFate: ({ partition }) => (partition === 0 ? refuse("BATCH_TOO_LARGE") : PASS) } }),
    );
    model.createTopic("t", 2);
    const records = [0, 1].map((partition) => ({ partition, value: "v" }));
    expect(await failure(varve.producer().sendBatch({ topic: "t", records }))).toMatchObject({
      code: "BATCH_TOO_LARGE",
      effect: "UNKNOWN",
      details: { records: 2, failed: 1 },
    });
  });
});

describe(`under faults (SEED=${seed})`, () => {
  test.each(Array.from({ length: SEEDS }, (_, at) => seed + at))(
    "seed %i: acknowledged once and in order, NOT_APPLIED never written",
    async (round) => {
      await underFaults(new Prng(round));
    },
  );
});

interface Outcome {
  readonly value: string;
  readonly partition: number;
  result: { readonly offset: number } | { readonly effect: string; readonly code: string } | null;
}

async function underFaults(prng: Prng): Promise<void> {
  let calm = false;
  const fate = (): ProduceFate => {
    if (calm || prng.chance(0.7)) return PASS;
    return prng.pick([
      refuse("NOT_ENOUGH_REPLICAS"),
      refuse("BROKER_OVERLOADED"),
      applyAndFail("COMMIT_UNKNOWN"),
      applyAndFail("TIMEOUT"),
    ]);
  };
  const test = bound(
    new SimClient({
      prng: prng.fork(),
      bootstrap: ["broker-1:7650", "broker-2:7650"],
      latencyMs: () => prng.between(0, 20),
      fate: () => (calm || prng.chance(0.8) ? "pass" : prng.pick(["refuse", "loseRequest", "loseAnswer"])),
      model: { produceFate: fate, produceMs: () => prng.between(0, 80), forwards: prng.chance(0.5) },
    }),
  );
  const { varve, model, run, clock, network, addresses } = test;
  model.createTopic("t", 3);
  const producer = varve.producer({
    lingerMs: prng.between(0, 10),
    batchBytes: 1_024,
    deliveryTimeoutMs: prng.pick([700, 2_000, 20_000]),
  });
  const outcomes: Outcome[] = [];
  const sends: Promise<unknown>[] = [];
  for (let step = 0; step < 120; step++) {
    for (let burst = prng.between(0, 6); burst > 0; burst--) {
      const outcome: Outcome = {
        value: `${outcomes.length}:${"x".repeat(prng.between(0, 400))}`,
        partition: prng.between(0, 2),
        result: null,
      };
      outcomes.push(outcome);
      const sent = producer.send({ topic: "t", value: outcome.value, partition: outcome.partition });
      sends.push(
        sent.then(
          (result) => {
            outcome.result = result;
          },
          (error: VarveError) => {
            outcome.result = { effect: error.effect, code: error.code };
          },
        ),
      );
    }
    const address = prng.pick(addresses);
    if (prng.chance(0.1)) network.breakConnections(address);
    if (prng.chance(0.05)) network.silence(address);
    if (prng.chance(0.05)) network.stop(address);
    if (prng.chance(0.2)) {
      network.resume(address);
      test.start(address);
    }
    if (prng.chance(0.1)) model.partition("t", prng.between(0, 2)).moveTo(prng.between(1, 3));
    await clock.runUntil(clock.monotonicMs() + prng.between(1, 60));
  }
  calm = true;
  for (const address of addresses) test.start(address);
  await run(Promise.all(sends));
  await run(producer.close());
  for (const partition of [0, 1, 2])
    check(
      valuesIn(model.partition("t", partition)),
      outcomes.filter((each) => each.partition === partition),
    );
}

function check(log: readonly string[], outcomes: readonly Outcome[]): void {
  expect(new Set(log).size, "nothing is in the log twice").toBe(log.length);
  const positions = new Map(log.map((value, offset) => [value, offset]));
  let last = -1;
  for (const { value, result } of outcomes) {
    const at = positions.get(value);
    if (result !== null && "offset" in result) {
      expect(at, "an acknowledged record is at its offset").toBe(result.offset);
      expect(result.offset, "acknowledged records are in the order of their sends").toBeGreaterThan(last);
      last = result.offset;
    } else if (result?.effect === "NOT_APPLIED") {
      expect(at, `a record reported NOT_APPLIED (${result.code}) is not in the log`).toBeUndefined();
    } else {
      expect(result?.effect).toBe("UNKNOWN");
    }
  }
}

/** Methods that can be taken apart. */
function bound(client: SimClient) {
  const { varve, model, clock, network, addresses, published } = client;
  return {
    varve,
    model,
    clock,
    network,
    addresses,
    published,
    run: <T>(promise: Promise<T>) => client.run(promise),
    failure: (promise: Promise<unknown>) => client.failure(promise),
    collect: <T>(records: AsyncIterable<T>) => client.collect(records),
    start: (address: string) => client.start(address),
  };
}
