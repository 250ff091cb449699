/**
 * thousand-groups.test.ts: a thousand partitions lose a broker, and with it a third of their leaders, at one moment. All are led again within 10 s:
 * elections spread by themselves, and do not wait for each other's disk.
 */
import { Varve } from "@varve/client";
import { LocalBrokers } from "varve";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitUntil } from "../integration/sdk-load.js";
import { Stopwatch } from "../integration/stopwatch.js";

const PARTITIONS = 1_000;
const MADE_MS = 60_000;
const LED_MS = 10_000;
const TOPIC = "orders";

let brokers: LocalBrokers;
let varve: Varve;

beforeAll(async () => {
  brokers = await LocalBrokers.start(3);
  varve = new Varve({ bootstrap: brokers.bootstrap });
});

afterAll(async () => {
  await varve.close();
  await brokers.stop({ keepFiles: false });
});

test(`${PARTITIONS} partitions are led again within ${LED_MS / 1_000} s of a kill -9`, async () => {
  await varve.admin.createTopic({ topic: TOPIC, partitions: PARTITIONS, replicas: 3 });
  await waitUntil("every partition is led and whole", MADE_MS, async () => (await varve.admin.clusterHealth()).healthy);
  const victim = 2;
  const leaders = async (): Promise<(number | null)[]> =>
    (await varve.admin.describeTopic(TOPIC)).partitions.map(({ leader }) => leader);
  const lost = (await leaders()).filter((leader) => leader === victim).length;
  const survivors = brokers.places().filter(({ id }) => id !== victim);
  const stopwatch = new Stopwatch(survivors.map(({ pid }) => pid));
  brokers.kill(victim);
  await waitUntil("every partition is led by another", MADE_MS, async () => {
    const now = await leaders().catch(() => [null]);
    return now.length === PARTITIONS && now.every((leader) => leader !== null && leader !== victim);
  });
  const ms = Math.round(stopwatch.ms);
  process.stdout.write(`${lost} of ${PARTITIONS} leaders lost; all partitions led again after ${ms} ms\n`);
  expect(lost).toBeGreaterThan(PARTITIONS / 5);
  expect(ms).toBeLessThan(LED_MS);
});
