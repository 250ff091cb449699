/**
 * producer-sockets.test.ts: a producer against three real brokers that are slow, gone and back: what waits, what is said of it, and whether the
 * log agrees.
 */
import { ownTimeMs } from "@varve/base/testing";
import type { Producer, SendResult, Varve } from "@varve/client";
import { VarveError } from "@varve/client";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitUntil } from "../integration/sdk-load.js";

const BROKERS = [1, 2, 3];
const SOON_MS = 20_000;
/** The longest time between two looks for records whose time is over, and some work. */
const SLACK_MS = 1_500;

let cluster: TestCluster;
let varve: Varve;

beforeAll(async () => {
  cluster = await startCluster({ brokers: BROKERS.length });
  varve = cluster.varve();
});
afterAll(() => cluster.close());

async function newTopic(topic: string): Promise<string> {
  await varve.admin.createTopic({ topic, partitions: 3, replicas: 3 });
  return topic;
}

interface Sent {
  readonly value: string;
  readonly sentAtMs: number;
  settledAtMs: number | null;
  outcome: SendResult | VarveError | null;
}

function track(producer: Producer, topic: string, value: string, signal?: AbortSignal): Sent {
  const sent: Sent = { value, sentAtMs: ownTimeMs(), settledAtMs: null, outcome: null };
  producer.send({ topic, key: value.slice(0, 8), value }, { signal }).then(
    (result) => Object.assign(sent, { outcome: result, settledAtMs: ownTimeMs() }),
    (error: unknown) => Object.assign(sent, { outcome: error, settledAtMs: ownTimeMs() }),
  );
  return sent;
}

const effectOf = ({ outcome }: Sent): string =>
  outcome instanceof VarveError ? outcome.effect : outcome === null ? "open" : "acknowledged";

/** Reads the whole topic and checks what was said of each send. */
async function checkTruth(topic: string, sends: readonly Sent[]): Promise<void> {
  const log = new Map<string, string>();
  for await (const { value, partition, offset } of varve.reader({ topic, to: "end" })) {
    expect(log.has(String(value)), "nothing is in the log twice").toBe(false);
    log.set(String(value), `${partition}@${offset}`);
  }
  for (const sent of sends) {
    const { outcome, value } = sent;
    if (effectOf(sent) === "NOT_APPLIED") expect(log.get(value), String(outcome)).toBeUndefined();
    else if (outcome instanceof VarveError) expect(outcome.effect, String(outcome)).toBe("UNKNOWN");
    else expect(`${outcome?.partition}@${outcome?.offset}`).toBe(log.get(value));
  }
}

test("a dead cluster: sends wait for room, a signal ends the wait, and all settle in their time with the truth", async () => {
  const topic = await newTopic("dead");
  const deliveryTimeoutMs = 2_500;
  const producer = varve.producer({ bufferBytesMax: 64 * 1_024, batchBytes: 4_096, deliveryTimeoutMs });
  const sends: Sent[] = [];
  let number = 0;
  const send = (signal?: AbortSignal): void => {
    sends.push(track(producer, topic, `${number++}`.padEnd(1_000, "x"), signal));
  };
  for (let at = 0; at < 50; at++) send();
  await producer.flush();
  expect(new Set(sends.map(effectOf))).toEqual(new Set(["acknowledged"]));
  for (let at = 0; at < 40; at++) send(); // On their way when the brokers lose power.
  await Promise.all(BROKERS.map((id) => cluster.kill(id)));
  for (let at = 0; at < 400; at++) send();
  const controller = new AbortController();
  const waiting = sends.length;
  for (let at = 0; at < 100; at++) send(controller.signal);
  const abortedMs = ownTimeMs();
  controller.abort();
  await waitUntil("the aborted sends settle", SOON_MS, async () =>
    sends.slice(waiting).every((sent) => sent.outcome !== null),
  );
  expect(ownTimeMs() - abortedMs).toBeLessThan(500);
  for (const sent of sends.slice(waiting)) {
    expect(sent.outcome).toMatchObject({ code: "ABORTED", effect: "NOT_APPLIED" });
  }
  await waitUntil("all settle", SOON_MS, async () => !sends.some(({ outcome }) => outcome === null));
  for (const { sentAtMs, settledAtMs } of sends) {
    expect((settledAtMs ?? Number.NaN) - sentAtMs).toBeLessThan(deliveryTimeoutMs + SLACK_MS);
  }
  expect(sends.filter((sent) => effectOf(sent) === "NOT_APPLIED").length).toBeGreaterThan(400);
  await Promise.all(BROKERS.map((id) => cluster.restart(id)));
  const back = track(producer, topic, "back");
  await waitUntil("the producer goes on", SOON_MS, async () => {
    if (back.outcome instanceof VarveError) throw back.outcome;
    return back.outcome !== null;
  });
  await producer.close();
  await checkTruth(topic, [...sends, back]);
});

test("an outage shorter than the delivery timeout fails nothing, loses nothing and keeps the order", async () => {
  const topic = await newTopic("outage");
  const producer = varve.producer({ bufferBytesMax: 512 * 1_024 });
  const sends: Sent[] = [];
  const sendMore = (count: number): void => {
    for (let at = 0; at < count; at++) sends.push(track(producer, topic, `key-${at % 5}#${sends.length}`));
  };
  sendMore(500);
  await Promise.all(BROKERS.map((id) => cluster.kill(id)));
  sendMore(2_000);
  await Promise.all(BROKERS.map((id) => cluster.restart(id)));
  sendMore(500);
  await producer.flush();
  expect(new Set(sends.map(effectOf))).toEqual(new Set(["acknowledged"]));
  await checkTruth(topic, sends);
  const last = new Map<number, number>();
  for (const { outcome } of sends) {
    const { partition, offset } = outcome as SendResult;
    expect(offset).toBeGreaterThan(last.get(partition) ?? -1);
    last.set(partition, offset);
  }
});

test("awaited sends go at the speed of the cluster and never fill the buffer; flush ends although others go on", async () => {
  const topic = await newTopic("steady");
  const producer = varve.producer({ bufferBytesMax: 16 * 1_024, batchBytes: 4_096 });
  let isOn = true;
  let acknowledged = 0;
  const writers = Array.from({ length: 50 }, async (_, writer) => {
    for (let at = 0; isOn; at++) {
      await producer.send({ topic, key: `${writer}`, value: `${writer}-${at}`.padEnd(1_000) });
      acknowledged++;
    }
  });
  await waitUntil("writers get on", SOON_MS, async () => acknowledged > 500);
  for (let round = 0; round < 5; round++) await producer.flush({ signal: AbortSignal.timeout(SOON_MS) });
  isOn = false;
  await Promise.all(writers);
  const ends = await varve.admin.listOffsets({ topic, at: "latest" });
  expect(ends.reduce((sum, { offset }) => sum + offset, 0)).toBe(acknowledged);
});
