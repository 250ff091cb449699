/**
 * sdk-survives.test.ts: a producer and a reader of the SDK go on, and lose and repeat nothing, while real broker processes
 * restart, die, freeze or hand their leaderships over. What is proven each time: sdk-load.ts, L1 to L4.
 */
import { afterEach, expect, test } from "vitest";
import { freezeLeader, PARTITIONS, SdkCluster, TOPIC } from "./sdk-cluster.js";

const TEST_MS = 180_000;
const FROZEN_MS = 12_000;
/** Time for a first acknowledgement when the first bootstrap address is dead; far below any request's deadline. */
const FIRST_ACK_MS = 5_000;

let running: SdkCluster | null = null;

afterEach(async () => {
  await running?.stop();
  running = null;
});

async function start(): Promise<SdkCluster> {
  running = await SdkCluster.start();
  return running;
}

test("the SDK survives that every broker restarts, planned or by kill -9, one after another", {
  timeout: TEST_MS,
}, async () => {
  const cluster = await start();
  const client = cluster.client();
  const load = cluster.load(client);
  await load.getsOn("before the restarts");
  for (const [id, signal] of [
    [1, "SIGTERM"],
    [2, "SIGKILL"],
    [3, "SIGTERM"],
  ] as const) {
    cluster.signal(id, signal);
    await load.getsOn(`after ${signal} of broker ${id}`);
    await cluster.brokers.restart(id);
    await cluster.isHealthy(client);
    await load.getsOn(`after the restart of broker ${id}`);
  }
  await load.finish();
});

test("the SDK survives that leaders are moved", { timeout: TEST_MS }, async () => {
  const cluster = await start();
  const client = cluster.client();
  const load = cluster.load(client);
  await load.getsOn("before the moves");
  for (let round = 0; round < 2; round++) {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const before = (await cluster.partitions(client))[partition];
      const to = cluster.ids.find((id) => id !== before?.leader) ?? 1;
      await client.admin.transferLeadership({ topic: TOPIC, partition, to });
      expect((await cluster.partitions(client))[partition]?.epoch).toBeGreaterThan(before?.epoch ?? 0);
    }
    await load.getsOn(`after round ${round}`);
  }
  await load.finish();
});

test("a client starts although its first bootstrap address is dead", { timeout: TEST_MS }, async () => {
  const cluster = await start();
  cluster.signal(1, "SIGKILL");
  const other = cluster.client(2);
  const client = cluster.client(1);
  const startedMs = performance.now();
  await client.admin.listTopics();
  expect(performance.now() - startedMs).toBeLessThan(FIRST_ACK_MS);
  const load = cluster.load(client);
  await load.getsOn("while broker 1 is dead");
  expect((await cluster.partitions(other)).map(({ leader }) => leader)).not.toContain(1);
  await load.getsOn("still");
  await load.finish();
});

test("the SDK survives a leader that is unreachable for 12 s", { timeout: TEST_MS }, async () => {
  await freezeLeader(await start(), FROZEN_MS);
});
