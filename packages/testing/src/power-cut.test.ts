/**
 * power-cut.test.ts: what a killed broker forgets (bytes that it had not synced, the newest of what its coordinators had materialised), and what
 * nobody loses by it (acknowledged records, committed offsets).
 */
import { Prng } from "@varve/base/testing";
import type { Varve } from "@varve/client";
import { SimDisk } from "@varve/storage/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startCluster, type TestCluster } from "./index.js";

const STATE = { timeout: 20_000, interval: 20 };
const TEST_MS = 60_000;
const TOPIC = "orders";

/** Disks of the brokers, in order of their ids. */
let disks: SimDisk[] = [];
let running: TestCluster;

beforeEach(async () => {
  disks = [];
  const process = SimDisk.prototype.process;
  vi.spyOn(SimDisk.prototype, "process").mockImplementation(function (this: SimDisk) {
    disks.push(this);
    return process.call(this);
  });
  running = await startCluster();
  vi.restoreAllMocks();
});

afterEach(async () => {
  vi.restoreAllMocks();
  await running.close();
});

async function valuesOf(varve: Varve): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of varve.reader({ topic: TOPIC, from: "earliest", to: "end" })) values.push(String(value));
  return values;
}

async function leaderOf(varve: Varve): Promise<number> {
  const { partitions } = await varve.admin.describeTopic(TOPIC);
  return partitions[0]?.leader ?? expect.fail("no leader");
}

function isOnDisk(disk: SimDisk | undefined, text: string): boolean {
  return (disk?.paths() ?? []).some((path) => {
    const isFile = /\.(wal|log)$/.test(path);
    return isFile && Buffer.from(disk?.contentOf(path) ?? []).includes(text);
  });
}

test("unsynced bytes of a follower are gone, and none of the records in them that two others had acknowledged", {
  timeout: TEST_MS,
}, async () => {
  const varve = running.varve();
  await varve.admin.createTopic({ topic: TOPIC, partitions: 1, replicas: 3 });
  const producer = varve.producer();
  await producer.send({ topic: TOPIC, value: "first" });
  const leader = await leaderOf(varve);
  const [behind = 0, other = 0] = running.brokerIds.filter((id) => id !== leader);
  const disk = disks[behind - 1];

  // One follower writes, and its syncs do not return.
  const { syncNow, writeNow } = SimDisk.prototype;
  const written: string[] = [];
  vi.spyOn(SimDisk.prototype, "syncNow").mockImplementation(function (this: SimDisk, path) {
    return this === disk ? false : syncNow.call(this, path);
  });
  vi.spyOn(SimDisk.prototype, "writeNow").mockImplementation(function (this: SimDisk, path, bytes, position) {
    if (this === disk) written.push(Buffer.from(bytes).toString("latin1"));
    return writeNow.call(this, path, bytes, position);
  });
  const sent = Array.from({ length: 20 }, (_, at) => `unsynced-${at}`);
  await Promise.all(sent.map((value) => producer.send({ topic: TOPIC, value })));
  await vi.waitFor(() => expect(written.join("")).toContain("unsynced-"), STATE);
  expect(isOnDisk(disk, "unsynced-")).toBe(true);
  await running.kill(behind);
  expect(isOnDisk(disk, "unsynced-")).toBe(false);
  expect(isOnDisk(disk, "first")).toBe(true);
  vi.restoreAllMocks();

  await running.restart(behind);
  await running.kill(other); // From now on nothing is acknowledged without the one that had forgotten.
  await producer.send({ topic: TOPIC, value: "last" });
  await running.restart(other);
  await running.kill(leader);
  const expected = ["first", ...sent, "last"];
  await vi.waitFor(async () => expect((await valuesOf(varve)).sort()).toEqual(expected.sort()), STATE);
});

test("a power cut of all brokers at any moment of a load loses no acknowledged record and repeats none", {
  timeout: TEST_MS,
}, async () => {
  const varve = running.varve();
  await varve.admin.createTopic({ topic: TOPIC, partitions: 1, replicas: 3 });
  const producer = varve.producer({ lingerMs: 0 });
  const sends: Promise<unknown>[] = [];
  let isLoading = true;
  const loading = (async () => {
    for (let at = 0; isLoading; at++) {
      const sending = producer.send({ topic: TOPIC, value: String(at) });
      sends.push(sending);
      if (at % 20 === 0) await sending;
    }
  })();
  for (let round = 0; round < 2; round++) {
    const before = sends.length;
    await vi.waitFor(() => expect(sends.length).toBeGreaterThan(before + 100), STATE);
    await Promise.all(running.brokerIds.map((id) => running.kill(id)));
    await Promise.all(running.brokerIds.map((id) => running.restart(id)));
  }
  isLoading = false;
  await loading;
  await Promise.all(sends);
  expect(await valuesOf(varve)).toEqual(sends.map((_, at) => String(at)));
});

test("the newest of what coordinators materialised is gone, and no committed offset with it", {
  timeout: TEST_MS,
}, async () => {
  const varve = running.varve();
  const RECORDS = 60;
  const groups = ["billing", "shipping", "audit"];
  await varve.admin.createTopic({ topic: TOPIC, partitions: 1, replicas: 3 });
  const producer = varve.producer();
  for (let at = 0; at < RECORDS; at++) await producer.send({ topic: TOPIC, value: String(at) });
  for (const group of groups) {
    const consumer = varve.consumer({ group, topics: [TOPIC], commitIntervalMs: 10 });
    for await (const { offset } of consumer) if (offset === RECORDS - 1) break;
    await consumer.close();
  }
  const committedOf = async (group: string) =>
    (await varve.admin.describeGroup(group)).offsets.map(({ committed }) => committed);
  const before = await Promise.all(groups.map(committedOf));
  expect(before).toEqual(groups.map(() => [RECORDS - 1]));

  const draws = vi.spyOn(Prng.prototype, "between");
  await Promise.all(running.brokerIds.map((id) => running.kill(id)));
  const lost = draws.mock.calls.map(([, unsynced], at) => unsynced - Number(draws.mock.results[at]?.value));
  vi.restoreAllMocks();
  expect(lost).toHaveLength(running.brokerIds.length);
  expect(Math.max(...lost)).toBeGreaterThan(0);

  await Promise.all(running.brokerIds.map((id) => running.restart(id)));
  await vi.waitFor(async () => expect(await Promise.all(groups.map(committedOf))).toEqual(before), STATE);
});
