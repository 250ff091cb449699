/**
 * partition.test.ts: clients in a divided network: those with the majority go on, with groups too; those with the minority hear the truth and
 * recover when it heals.
 */
import { connect } from "node:net";
import { VarveError } from "@varve/base";
import type { Varve } from "@varve/client";
import { afterEach, expect, test, vi } from "vitest";
import { startCluster, type TestCluster } from "./index.js";

const STATE = { timeout: 25_000, interval: 20 };
const TEST_MS = 60_000;
const SILENCE_MS = 500;
const TOPIC = "orders";
const GROUP = "billing";
const PARTITIONS = 3;

let cluster: TestCluster | null = null;

afterEach(async () => {
  await cluster?.close();
  cluster = null;
});

/** Three brokers, each of which leads one partition. */
async function start(): Promise<TestCluster> {
  cluster = await startCluster();
  await cluster.varve().admin.createTopic({ topic: TOPIC, partitions: PARTITIONS, replicas: 3 });
  return cluster;
}

function except(running: TestCluster, brokerId: number): number[] {
  return running.brokerIds.filter((id) => id !== brokerId);
}

async function leaderOf(varve: Varve, partition = 0): Promise<number> {
  return vi.waitFor(async () => {
    const { partitions } = await varve.admin.describeTopic(TOPIC);
    return partitions[partition]?.leader ?? expect.fail("no leader");
  }, STATE);
}

async function valuesOf(varve: Varve): Promise<string[]> {
  const values: string[] = [];
  for await (const record of varve.reader({ topic: TOPIC, from: "earliest", to: "end" }))
    values.push(String(record.value));
  return values;
}

/** Whether a broker greets a client, as HTTP/2 servers do. Silence is believed after a while. */
function answers(address: string): Promise<boolean> {
  const socket = connect(Number(address.slice(address.lastIndexOf(":") + 1)), "127.0.0.1");
  return new Promise<boolean>((resolve) => {
    socket.once("data", () => resolve(true)).once("error", () => resolve(false));
    setTimeout(() => resolve(false), SILENCE_MS);
  }).finally(() => socket.destroy());
}

/** Sends one value to each partition; all are acknowledged. */
async function sendAll(varve: Varve, word: string): Promise<string[]> {
  const values = Array.from({ length: PARTITIONS }, (_, partition) => `${word} ${partition}`);
  const producer = varve.producer({ lingerMs: 0 });
  await Promise.all(values.map((value, partition) => producer.send({ topic: TOPIC, partition, value })));
  await producer.close();
  return values;
}

test("majority: the broker that leads a partition and coordinates the group is cut off; sends, reads and the group go on, nothing is skipped", {
  timeout: TEST_MS,
}, async () => {
  const running = await start();
  const varve = running.varve();
  const worked: string[] = [];
  const runs = [0, 1].map(() => {
    const consumer = varve.consumer({ group: GROUP, topics: [TOPIC] });
    return { consumer, run: consumer.run({ handler: (record) => void worked.push(String(record.value)) }) };
  });
  const sent = await sendAll(varve, "before");
  await vi.waitFor(() => expect(new Set(worked)).toEqual(new Set(sent)), STATE);

  const { coordinator } = await varve.admin.describeGroup(GROUP);
  running.partition([coordinator], except(running, coordinator));
  sent.push(...(await sendAll(varve, "divided")));
  await vi.waitFor(() => expect(new Set(worked)).toEqual(new Set(sent)), STATE);
  expect((await valuesOf(varve)).sort()).toEqual(sent.toSorted());
  expect((await varve.admin.describeGroup(GROUP)).coordinator).not.toBe(coordinator);

  running.heal();
  sent.push(...(await sendAll(varve, "healed")));
  await vi.waitFor(() => expect(new Set(worked)).toEqual(new Set(sent)), STATE);
  for (const { consumer, run } of runs) {
    await consumer.close();
    await run;
  }
  const { offsets } = await varve.admin.describeGroup(GROUP);
  expect(offsets.map(({ committed }) => committed)).toEqual([3, 3, 3]);
});

test("minority: writes fail and say truly whether they happened, reads say that nobody answers; healed, all of it works again", {
  timeout: TEST_MS,
}, async () => {
  const running = await start();
  const varve = running.varve({ requestDeadlineMs: 4_000 });
  const before = await sendAll(varve, "before");
  const cut = await leaderOf(varve);
  running.partition([cut], except(running, cut), { clients: "left" });

  const producer = varve.producer({ lingerMs: 0, deliveryTimeoutMs: 4_000 });
  const sends = Array.from({ length: PARTITIONS }, (_, partition) => {
    const value = `divided ${partition}`;
    return producer.send({ topic: TOPIC, partition, value }).then(
      () => expect.fail("nothing can be acknowledged without a majority"),
      (error: unknown) => ({ value, error }),
    );
  });
  const created = varve.admin.createTopic({ topic: "refunds" }).catch((error: unknown) => error);
  const failed = await Promise.all(sends);
  for (const { error } of failed) expect(error).toBeInstanceOf(VarveError);
  expect(await created).toBeInstanceOf(VarveError);
  expect(["NOT_APPLIED", "UNKNOWN"]).toContain(((await created) as VarveError).effect);

  running.heal();
  const after = await vi.waitFor(() => sendAll(varve, "healed"), STATE);
  const values = await valuesOf(varve);
  expect(values).toEqual(expect.arrayContaining([...before, ...after]));
  expect(new Set(values).size).toBe(values.length);
  for (const { value, error } of failed)
    if (error instanceof VarveError && error.effect === "NOT_APPLIED") expect(values).not.toContain(value);
  const topics = (await varve.admin.listTopics()).map(({ topic }) => topic);
  if (((await created) as VarveError).effect === "NOT_APPLIED") expect(topics).not.toContain("refunds");
});

test("clients stand with the larger side, of two equal ones with the right one, or where they are told to", {
  timeout: TEST_MS,
}, async () => {
  const running = await start();
  const reached = (): Promise<boolean[]> => Promise.all(running.bootstrap.map(answers));
  expect(await reached()).toEqual([true, true, true]);
  running.partition([2, 3], [1]);
  expect(await reached()).toEqual([false, true, true]);
  running.heal();
  running.partition([3], [1]);
  expect(await reached()).toEqual([true, true, false]);
  running.heal();
  running.partition([1], [2, 3], { clients: "left" });
  expect(await reached()).toEqual([true, false, false]);
  running.heal();
  running.partition([1], [2, 3], { clients: "both" });
  expect(await reached()).toEqual([true, true, true]);
});

test.each([
  { why: "a broker that is not there", left: [1], right: [4] },
  { why: "a broker on both sides", left: [1, 2], right: [2, 3] },
])("$why is refused, and nothing is cut", { timeout: TEST_MS }, async ({ left, right }) => {
  const running = await start();
  expect(() => running.partition(left, right)).toThrow(VarveError);
  const values = await sendAll(running.varve(), "sent");
  expect((await valuesOf(running.varve())).sort()).toEqual(values);
});
