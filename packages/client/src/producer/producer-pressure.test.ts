/** producer-pressure.test.ts: a producer whose cluster is slow, dead or flapping: what waits, for how long, and what is said of it in the end. */
import { LIMITS, VarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { decodeRecords } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { describe, expect, test } from "vitest";
import { type ModelPartition, type ProduceFate, SimClient, type SimClientOptions } from "../testing/index.js";
import type { Producer } from "./producer.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
/** Seeds per run; SEEDS=2000 looks longer. */
const SEEDS = Number(process.env["SEEDS"] ?? 25);
const PASS: ProduceFate = { kind: "pass" };
/** The longest time between two looks for records whose time is over. */
const SWEEP_MS = 250;

function sim(options: Partial<SimClientOptions> = {}): SimClient {
  const client = new SimClient({ prng: new Prng(7), ...options });
  client.model.createTopic("t", 1);
  return client;
}

function valuesIn(log: ModelPartition): string[] {
  return log.batches.flatMap((batch) =>
    [...decodeRecords(batch, nodeCodec)].map(({ value }) => Buffer.from(value ?? []).toString()),
  );
}

/** A batch's first value, without its padding. */
function firstValueIn(batch: Uint8Array): string | undefined {
  for (const { value } of decodeRecords(batch, nodeCodec))
    return Buffer.from(value ?? [])
      .toString()
      .trim();
  return undefined;
}

/** What becomes of a send, and when. */
interface Fate {
  readonly value: string;
  readonly sentAtMs: number;
  settledAtMs: number | null;
  /** The offset, or the error. */
  outcome: number | VarveError | null;
}

function track(client: SimClient, producer: Producer, value: string, signal?: AbortSignal): Fate {
  const fate: Fate = { value, sentAtMs: client.clock.monotonicMs(), settledAtMs: null, outcome: null };
  const settle = (outcome: number | VarveError): void => {
    fate.outcome = outcome;
    fate.settledAtMs = client.clock.monotonicMs();
  };
  producer.send({ topic: "t", value }, { signal }).then(
    ({ offset }) => settle(offset),
    (error: VarveError) => settle(error),
  );
  return fate;
}

function effectOf({ outcome }: Fate): string {
  return outcome instanceof VarveError ? outcome.effect : outcome === null ? "unsettled" : "acknowledged";
}

async function pass(client: SimClient, ms: number): Promise<void> {
  await client.clock.runUntil(client.clock.monotonicMs() + ms);
}

const padded = (text: string, bytes = 900): string => text.padEnd(bytes);

describe("the delivery timeout counts from send, wherever a record waits", () => {
  test("behind a full buffer that moves slowly", async () => {
    const client = sim({ model: { produceMs: () => 400 } });
    const producer = client.varve.producer({ bufferBytesMax: 1_024, deliveryTimeoutMs: 1_000 });
    const fates = Array.from({ length: 10 }, (_, at) => track(client, producer, padded(`${at}`)));
    await pass(client, 1_000 + SWEEP_MS);
    expect(fates.map(effectOf)).not.toContain("unsettled");
    expect(effectOf(fates[0] as Fate)).toBe("acknowledged");
    expect(effectOf(fates[9] as Fate)).toBe("NOT_APPLIED");
    await pass(client, 10_000);
    const log = valuesIn(client.model.partition("t", 0));
    for (const fate of fates) if (effectOf(fate) === "NOT_APPLIED") expect(log).not.toContain(fate.value);
  });

  test("for a topic whose metadata nobody tells, also when that takes longer than a request may", async () => {
    const client = sim({ requestDeadlineMs: 1_000 });
    for (const address of client.addresses) client.network.stop(address);
    const producer = client.varve.producer({ deliveryTimeoutMs: 8_000 });
    const early = track(client, producer, "early");
    await pass(client, 4_000);
    const late = track(client, producer, "late");
    await pass(client, 4_000 + SWEEP_MS);
    expect(early.outcome).toMatchObject({ code: "UNREACHABLE", effect: "NOT_APPLIED" });
    expect((early.outcome as VarveError).message).toMatch(/waited 8000 ms for metadata.*last attempt/);
    for (const address of client.addresses) client.start(address);
    await pass(client, 2_000);
    expect(late.outcome).toBe(0);
  });

  test("in a batch that cannot leave: who joins it late is tried as long as others", async () => {
    let broken = true;
    const overloaded = new VarveError("BROKER_OVERLOADED", { message: "for this test" });
    const client = sim({ model: { produceFate: () => (broken ? { kind: "refuse", error: overloaded } : PASS) } });
    const producer = client.varve.producer({ deliveryTimeoutMs: 10_000 });
    const fates: Fate[] = [];
    for (let at = 0; at < 95; at++) {
      fates.push(track(client, producer, `${at}`));
      await pass(client, 100);
    }
    await pass(client, 3_000);
    broken = false;
    await pass(client, 2_000);
    for (const fate of fates) {
      const triedMs = (fate.settledAtMs ?? Number.NaN) - fate.sentAtMs;
      if (fate.outcome instanceof VarveError) expect(triedMs, fate.value).toBeGreaterThan(9_000);
      expect(triedMs, fate.value).toBeLessThanOrEqual(10_000 + SWEEP_MS);
    }
    expect(effectOf(fates[0] as Fate)).toBe("NOT_APPLIED");
    expect(effectOf(fates[94] as Fate)).toBe("acknowledged");
  });

  test("a linger time beyond it leaves time for attempts", async () => {
    const client = sim();
    const producer = client.varve.producer({ lingerMs: 60_000, deliveryTimeoutMs: 4_000 });
    const fate = track(client, producer, "x");
    await pass(client, 3_000);
    expect(fate.outcome).toBe(0);
  });
});

describe("flush", () => {
  test("resolves although others go on sending, and waits for all that was sent before", async () => {
    const client = sim({ model: { produceMs: () => 50 } });
    const producer = client.varve.producer({ bufferBytesMax: 4_096, batchBytes: 1_024, lingerMs: 60_000 });
    const before = Array.from({ length: 30 }, (_, at) => track(client, producer, padded(`${at}`)));
    let unsettledThen = -1;
    const flushed = producer.flush().then(() => {
      unsettledThen = before.filter(({ outcome }) => outcome === null).length;
    });
    const after: Fate[] = [];
    for (let at = 0; at < 200 && unsettledThen < 0; at++) {
      for (let more = 0; more < 3; more++) after.push(track(client, producer, padded("after")));
      await pass(client, 10);
    }
    await client.run(flushed);
    expect(unsettledThen).toBe(0);
    expect(after.filter(({ outcome }) => outcome === null).length).toBeGreaterThan(0);
    await client.run(producer.close());
  });

  test("of nothing resolves; two at a time both resolve", async () => {
    const client = sim({ model: { produceMs: () => 100 } });
    const producer = client.varve.producer();
    await client.run(producer.flush());
    const first = track(client, producer, "a");
    const flushes = [producer.flush(), producer.flush()];
    const second = track(client, producer, "b");
    await client.run(Promise.all(flushes));
    expect(first.outcome).toBe(0);
    await client.run(producer.flush());
    expect(second.outcome).toBe(1);
  });
});

describe("what is said of a record that is given up", () => {
  test("one that never left says what held it up, and not that it may have been written", async () => {
    const client = sim({ model: { produceMs: () => 500 } });
    const producer = client.varve.producer({ batchBytes: 1_024, deliveryTimeoutMs: 2_000 });
    const left = track(client, producer, padded("left"));
    await pass(client, 100);
    for (const address of client.addresses) client.network.stop(address);
    await pass(client, 1_000);
    const stayed = track(client, producer, padded("stayed"));
    await pass(client, 2_000 + SWEEP_MS);
    expect(left.outcome).toMatchObject({ code: "TIMEOUT", effect: "UNKNOWN" });
    expect((left.outcome as VarveError).message).toMatch(/it may have been written; the last attempt: /);
    expect(stayed.outcome).toMatchObject({ code: "UNREACHABLE", effect: "NOT_APPLIED", retryable: true });
    expect((stayed.outcome as VarveError).message).toMatch(/after 0 attempts; nothing was written; it was held up/);
  });

  test("one that only ever came out of order is a TIMEOUT that may be tried again", async () => {
    const unknown = new VarveError("COMMIT_UNKNOWN", { message: "for this test" });
    const outOfOrder = new VarveError("OUT_OF_ORDER_SEQUENCE", { message: "for this test" });
    const client = sim({
      model: {
        produceFate: ({ batch }) => ({ kind: "refuse", error: firstValueIn(batch) === "first" ? unknown : outOfOrder }),
      },
    });
    const producer = client.varve.producer({ batchBytes: 1_024, deliveryTimeoutMs: 2_000 });
    const first = track(client, producer, "first".padEnd(1_000));
    const second = track(client, producer, "second".padEnd(1_000));
    await pass(client, 2_000 + SWEEP_MS);
    expect(first.outcome).toMatchObject({ code: "TIMEOUT", effect: "UNKNOWN" });
    expect(second.outcome).toMatchObject({ code: "TIMEOUT", effect: "NOT_APPLIED", retryable: true });
    expect(client.model.counts.produced, "attempts are apart").toBeLessThan(40);
  });
});

describe("bounds", () => {
  test("who sends a gigabyte that finds no room is refused, and what waits is kept", async () => {
    const client = sim();
    for (const address of client.addresses) client.network.silence(address);
    const producer = client.varve.producer({ bufferBytesMax: 1_024, deliveryTimeoutMs: 1_000 });
    const value = Buffer.alloc(LIMITS.recordBytesMax); // One piece of memory for all of them.
    const sends = Array.from({ length: 1_030 }, () =>
      producer.send({ topic: "t", value }).catch((error: VarveError) => error),
    );
    const all = client.run(Promise.all(sends));
    const codes = (await all).map((outcome) => (outcome as VarveError).code);
    expect(codes.filter((code) => code === "BROKER_OVERLOADED").length).toBeGreaterThan(1);
    expect(codes.filter((code) => code === "TIMEOUT").length).toBeGreaterThan(1_000);
    for (const address of client.addresses) client.start(address);
    const room = track(client, producer, "there is room again");
    await pass(client, 5_000);
    expect(effectOf(room)).toBe("acknowledged");
  });

  test("sends that are aborted while they wait keep neither their place nor their turn", async () => {
    const client = sim({ model: { produceMs: () => 1_000 } });
    const producer = client.varve.producer({ bufferBytesMax: 1_024 });
    const first = track(client, producer, padded("first"));
    const controller = new AbortController();
    const second = track(client, producer, padded("second"));
    const gone = Array.from({ length: 5_000 }, () => track(client, producer, padded("gone"), controller.signal));
    const last = track(client, producer, padded("last"));
    await pass(client, 100);
    controller.abort();
    await pass(client, 0);
    expect(new Set(gone.map(effectOf))).toEqual(new Set(["NOT_APPLIED"]));
    await pass(client, 10_000);
    expect([first, second, last].map(({ outcome }) => outcome)).toEqual([0, 1, 2]);
  });
});

describe("close with an aborted signal", () => {
  test("does not send what had not left, and says so", async () => {
    const client = sim();
    const producer = client.varve.producer({ lingerMs: 1_000 });
    await client.run(producer.send({ topic: "t", value: "before" }));
    const lingering = track(client, producer, "lingering");
    await client.failure(producer.close({ signal: AbortSignal.abort() }));
    await pass(client, 5_000);
    expect(lingering.outcome).toMatchObject({ code: "CLOSED", effect: "NOT_APPLIED" });
    expect(valuesIn(client.model.partition("t", 0))).toEqual(["before"]);
  });
});

describe(`under dead and flapping leaders (SEED=${seed})`, () => {
  test.each(Array.from({ length: SEEDS }, (_, at) => seed + at))(
    "seed %i: every send settles in its time, with an effect that is true, and every flush ends",
    async (round) => {
      await flapping(new Prng(round));
    },
  );
});

async function flapping(prng: Prng): Promise<void> {
  const client = sim({
    prng: prng.fork(),
    bootstrap: ["broker-1:7650", "broker-2:7650"],
    requestDeadlineMs: prng.pick([500, 3_000]),
    latencyMs: () => prng.between(0, 15),
    model: { produceMs: () => prng.between(0, 60), forwards: prng.chance(0.5), produceFate: () => fateOf(prng) },
  });
  const { clock, network, model, addresses } = client;
  const deliveryTimeoutMs = prng.pick([400, 1_500, 6_000]);
  const producer = client.varve.producer({
    deliveryTimeoutMs,
    batchBytes: 1_024,
    lingerMs: prng.pick([0, 5, 2_000]),
    bufferBytesMax: prng.pick([1_024, 4_096, 65_536]),
  });
  const fates: Fate[] = [];
  const flushes: Promise<void>[] = [];
  for (let step = 0; step < 100; step++) {
    for (let burst = prng.between(0, 5); burst > 0; burst--) {
      const controller = prng.chance(0.2) ? new AbortController() : null;
      fates.push(track(client, producer, `${fates.length}:${"x".repeat(prng.between(0, 400))}`, controller?.signal));
      if (controller !== null) clock.setTimer(prng.between(0, 500), () => controller.abort());
    }
    if (prng.chance(0.1)) flushes.push(producer.flush());
    // A leader comes and goes; now and then all brokers do, for longer than some deliveries may take.
    const fault = prng.pick(["stop", "silence", "break", "none"] as const);
    for (const address of prng.chance(0.15) ? addresses : [prng.pick(addresses)]) {
      if (fault === "stop") network.stop(address);
      if (fault === "silence") network.silence(address);
      if (fault === "break") network.breakConnections(address);
    }
    if (prng.chance(0.4)) for (const address of addresses) revive(client, prng, address);
    if (prng.chance(0.2)) model.partition("t", 0).moveTo(prng.between(1, 3));
    await clock.runUntil(clock.monotonicMs() + prng.between(1, prng.chance(0.1) ? 1_500 : 80));
  }
  await pass(client, deliveryTimeoutMs + SWEEP_MS);
  for (const fate of fates) {
    expect(effectOf(fate), fate.value).not.toBe("unsettled");
    expect((fate.settledAtMs ?? 0) - fate.sentAtMs, fate.value).toBeLessThanOrEqual(deliveryTimeoutMs + SWEEP_MS);
  }
  await client.run(Promise.all(flushes));
  for (const address of addresses) revive(client, prng, address); // What they had received takes effect now.
  await pass(client, 60_000);
  await client.run(producer.close());
  checkTruth(valuesIn(model.partition("t", 0)), fates);
}

function fateOf(prng: Prng): ProduceFate {
  if (prng.chance(0.85)) return PASS;
  const refused = new VarveError("NOT_ENOUGH_REPLICAS", { message: "for this test" });
  const unknown = new VarveError("COMMIT_UNKNOWN", { message: "for this test" });
  return prng.chance(0.5) ? { kind: "refuse", error: refused } : { kind: "applyAndFail", error: unknown };
}

/** A silent broker goes on with what it has received, a stopped one begins anew. */
function revive(client: SimClient, prng: Prng, address: string): void {
  client.network.resume(address);
  if (prng.chance(0.5)) client.start(address);
}

function checkTruth(log: readonly string[], fates: readonly Fate[]): void {
  expect(new Set(log).size, "nothing is in the log twice").toBe(log.length);
  const places = new Map(log.map((value, offset) => [value, offset]));
  let last = -1;
  for (const { value, outcome } of fates) {
    if (typeof outcome === "number") {
      expect(places.get(value), "an acknowledged record is at its offset").toBe(outcome);
      expect(outcome, "acknowledged records are in the order of their sends").toBeGreaterThan(last);
      last = outcome;
    } else if (outcome?.effect === "NOT_APPLIED") {
      expect(places.get(value), `NOT_APPLIED (${outcome.code}: ${outcome.message}) is not in the log`).toBeUndefined();
    } else {
      expect(outcome?.effect).toBe("UNKNOWN");
    }
  }
}
