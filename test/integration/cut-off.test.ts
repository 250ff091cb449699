/**
 * cut-off.test.ts: a producer and a reader of the SDK go on, and lose and repeat nothing, while each broker in turn is cut off from the others and
 * from them: its connections stay open and silent. What is proven: sdk-load.ts, L1 to L4.
 */
import { startCluster, type TestCluster } from "@varve/testing";
import { afterEach, expect, test } from "vitest";
import { SdkLoad, waitUntil } from "./sdk-load.js";

const TEST_MS = 120_000;
const STATE_MS = 25_000;
const TOPIC = "orders";
const PARTITIONS = 6;

let cluster: TestCluster | null = null;
let load: SdkLoad | null = null;

afterEach(async () => {
  cluster?.heal();
  await load?.close();
  await cluster?.close();
  [load, cluster] = [null, null];
});

test("the SDK survives that each broker is cut off in turn", {
  timeout: TEST_MS,
}, async () => {
  const running = await startCluster();
  cluster = running;
  const client = running.varve();
  const leaders = async () => (await client.admin.describeTopic(TOPIC)).partitions.map(({ leader }) => leader);
  await client.admin.createTopic({ topic: TOPIC, partitions: PARTITIONS, replicas: 3 });
  load = new SdkLoad(client, TOPIC, PARTITIONS);
  await load.getsOn("before the cuts");
  for (const cut of running.brokerIds) {
    await waitUntil(`broker ${cut} leads`, STATE_MS, async () => (await leaders()).includes(cut));
    running.partition(
      [cut],
      running.brokerIds.filter((id) => id !== cut),
    );
    await load.getsOn(`while broker ${cut} is cut off`);
    expect(await leaders()).not.toContain(cut);
    running.heal();
    await load.getsOn(`after broker ${cut} is back`);
    await waitUntil("the cluster is healthy", STATE_MS, async () => (await client.admin.clusterHealth()).healthy);
  }
  await load.finish();
});
