/** producer-gaps.test.ts: when a gap in a producer's sequences is believed, and what is told of batches that end without a clear answer. */
import { delay, type Effect, ERROR_CATALOGUE, type ErrorCode, VarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { batchBaseSequence, batchProducerEpoch, decodeRecords } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import type { ProduceRequest } from "@varve/rpc";
import { describe, expect, test } from "vitest";
import { endOfWrite } from "../errors.js";
import { type ProduceFate, SimClient, type SimClientOptions } from "../testing/index.js";

const PASS: ProduceFate = { kind: "pass" };
/** A record that fills a batch. */
const FULL = { batchBytes: 1_024 };
/** Codes whose effect is whatever is known (contract of the catalogue). */
const AS_KNOWN: readonly ErrorCode[] = ["UNREACHABLE", "CLOSED", "ABORTED", "INVALID_ARGUMENT", "INTERNAL"];
const CODES = Object.keys(ERROR_CATALOGUE) as ErrorCode[];
const WRITE_CODES = CODES.filter((code) => ERROR_CATALOGUE[code].effect !== "NONE");

function simOf(
  produceFate: (request: ProduceRequest, broker: number) => ProduceFate,
  model: SimClientOptions["model"] = {},
): SimClient {
  const client = new SimClient({ prng: new Prng(7), model: { produceFate, ...model } });
  client.model.createTopic("t", 1);
  return client;
}

function refuse(code: ErrorCode, details: { readonly expectedSequence?: number } = {}): ProduceFate {
  return { kind: "refuse", error: new VarveError(code, { message: `${code} for this test`, details }) };
}

function padded(text: string): string {
  return text.padEnd(1_000);
}

function valuesOf(batch: Uint8Array): string[] {
  return [...decodeRecords(batch, nodeCodec)].map(({ value }) => Buffer.from(value ?? []).toString());
}

function logOf({ model }: SimClient): string[] {
  return model.partition("t", 0).batches.flatMap(valuesOf);
}

test("a producer whose sends have all but run out of time still gets the epoch that lets the later ones through", async () => {
  let isSlow = true;
  const client = simOf(() => PASS, { initProducerMs: 400, produceMs: () => (isSlow ? 1_200 : 1) });
  // Each batch leaves the queue when its time is over, so the next one has little of its time left: less than a new epoch takes.
  const producer = client.varve.producer({ ...FULL, deliveryTimeoutMs: 1_000 });
  const sends: Promise<boolean>[] = [];
  const sendFor = async (ms: number): Promise<void> => {
    for (const untilMs = client.clock.monotonicMs() + ms; client.clock.monotonicMs() < untilMs; ) {
      const sent = producer.send({ topic: "t", value: padded(String(sends.length)) });
      sends.push(
        sent.then(
          () => true,
          () => false,
        ),
      );
      await delay(client.clock, 50);
    }
  };
  await client.run(sendFor(3_000));
  isSlow = false;
  await client.run(sendFor(6_000));
  const ends = await client.run(Promise.all(sends));
  expect(ends.slice(0, 10), "nothing is acknowledged while brokers are slower than sends may take").not.toContain(true);
  expect(ends.slice(-40), "2 s of sends, long after that").not.toContain(false);
});

describe("a gap in the sequences", () => {
  test("that a batch met on its way past the one before it is none, although that one was acknowledged first", async () => {
    let overtakes = 1;
    const client = simOf(({ batch }) =>
      batchBaseSequence(batch) === 1 && overtakes-- > 0
        ? refuse("OUT_OF_ORDER_SEQUENCE", { expectedSequence: 0 })
        : PASS,
    );
    const producer = client.varve.producer(FULL);
    const values = ["first", "second", "third"].map(padded);
    const sent = await client.run(Promise.all(values.map((value) => producer.send({ topic: "t", value }))));
    expect(sent.map(({ offset }) => offset)).toEqual([0, 1, 2]);
    expect(logOf(client)).toEqual(values);
    expect(client.model.counts.raised, "nothing was lost, so the epoch stays").toBe(0);
  });

  test("is fatal when all before the batch was acknowledged, and the next batch goes on in a new epoch", async () => {
    const client = simOf(({ batch }) =>
      batchBaseSequence(batch) === 2 ? refuse("OUT_OF_ORDER_SEQUENCE", { expectedSequence: 1 }) : PASS,
    );
    const producer = client.varve.producer();
    for (const value of ["a", "b"]) await client.run(producer.send({ topic: "t", value }));
    expect(await client.failure(producer.send({ topic: "t", value: "c" }))).toMatchObject({
      code: "OUT_OF_ORDER_SEQUENCE",
      effect: "NOT_APPLIED",
    });
    await client.run(producer.send({ topic: "t", value: "d" }));
    expect(logOf(client)).toEqual(["a", "b", "d"]);
    expect(client.model.counts.raised).toBe(1);
  });

  test("of a producer that the log has forgotten, as after a long silence, costs a new epoch and no record", async () => {
    const client = simOf(() => PASS);
    const producer = client.varve.producer();
    await client.run(producer.send({ topic: "t", value: "before" }));
    client.model.partition("t", 0).forgetProducers();
    expect(await client.run(producer.send({ topic: "t", value: "after" }))).toMatchObject({ offset: 1 });
    expect(logOf(client)).toEqual(["before", "after"]);
    expect(client.model.counts.raised).toBe(1);
  });
});

test("while a batch is unanswered, the next one does not take another way, even when another broker leads", async () => {
  const arrived: { value: string; broker: number }[] = [];
  const client = simOf(
    ({ batch }, broker) => {
      arrived.push({ value: valuesOf(batch)[0] ?? "", broker });
      return PASS;
    },
    { produceMs: () => 500 },
  );
  const { clock, model, varve } = client;
  const producer = varve.producer();
  await client.run(producer.send({ topic: "t", value: "a" }));
  const second = producer.send({ topic: "t", value: "b" });
  await clock.runUntil(clock.monotonicMs() + 50);
  model.partition("t", 0).moveTo(2);
  await client.run(varve.admin.addPartitions({ topic: "t", partitions: 2 })); // Metadata comes with the answer.
  const third = producer.send({ topic: "t", value: "c", partition: 0 });
  await clock.runUntil(clock.monotonicMs() + 200);
  expect(arrived.map(({ value }) => value)).toEqual(["a", "b"]);
  await client.run(Promise.all([second, third]));
  expect(arrived).toEqual([
    { value: "a", broker: 1 },
    { value: "b", broker: 1 },
    { value: "c", broker: 2 },
  ]);
  expect(logOf(client)).toEqual(["a", "b", "c"]);
});

describe("code and effect", () => {
  test.each(CODES)("%s as the end of a write whose earlier attempts are unclear agrees with the catalogue", (code) => {
    const { code: told, effect } = endOfWrite(new VarveError(code, { message: "for this test" }), "UNKNOWN");
    expect(effect).toBe("UNKNOWN");
    if (!AS_KNOWN.includes(told)) expect(ERROR_CATALOGUE[told].effect).toBe("UNKNOWN");
  });

  test.each(WRITE_CODES)(
    "a batch whose every attempt is answered with %s is told what the catalogue says",
    async (code) => {
      const client = simOf(() => refuse(code));
      const producer = client.varve.producer({ deliveryTimeoutMs: 1_000 });
      await expectAgreement(client, producer.send({ topic: "t", value: "x" }), ERROR_CATALOGUE[code].effect);
    },
  );

  test.each(WRITE_CODES)(
    "a batch that may have been written before it is answered with %s is told UNKNOWN",
    async (code) => {
      let first = true;
      const client = simOf(() => {
        const fate = refuse(first ? "COMMIT_UNKNOWN" : code);
        first = false;
        return fate;
      });
      const producer = client.varve.producer({ deliveryTimeoutMs: 1_000 });
      await expectAgreement(client, producer.send({ topic: "t", value: "x" }), "UNKNOWN");
    },
  );

  test("a batch that may be in the log, behind one that was given up, is COMMIT_UNKNOWN", async () => {
    let seconds = 0;
    const client = simOf(({ batch }) => {
      if (batchProducerEpoch(batch) > 0) return PASS;
      if (batchBaseSequence(batch) === 0) return refuse("BROKER_OVERLOADED");
      return ++seconds === 1 ? refuse("COMMIT_UNKNOWN") : PASS; // The model itself finds the gap.
    });
    const producer = client.varve.producer({ ...FULL, deliveryTimeoutMs: 2_000 });
    const first = client.failure(producer.send({ topic: "t", value: padded("first") }));
    await client.clock.runUntil(client.clock.monotonicMs() + 900);
    const second = client.failure(producer.send({ topic: "t", value: padded("second") }));
    expect(await first).toMatchObject({ effect: "NOT_APPLIED" });
    expect(await second).toMatchObject({ code: "COMMIT_UNKNOWN", effect: "UNKNOWN", retryable: false });
    expect(await client.run(producer.send({ topic: "t", value: "third" }))).toMatchObject({ offset: 0 });
  });
});

/** A TIMEOUT may know that nothing ever left; no other code is told with another effect than its own. */
async function expectAgreement(client: SimClient, sent: Promise<unknown>, effect: Effect): Promise<void> {
  const error = (await client.failure(sent)) as VarveError;
  expect(error.effect).toBe(effect);
  if (AS_KNOWN.includes(error.code) || (error.code === "TIMEOUT" && effect === "NOT_APPLIED")) return;
  expect(ERROR_CATALOGUE[error.code].effect).toBe(effect);
}
