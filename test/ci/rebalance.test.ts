/** rebalance.test.ts: a cluster that grows and is balanced: under load, with the command and the controller killed amid the work. */
import type { RunningBroker } from "@varve/broker/node";
import { Varve } from "@varve/client";
import { SimDisk } from "@varve/storage/testing";
import { afterEach, expect, test } from "vitest";
import { Fleet } from "../integration/fleet.js";
import { freePorts } from "../integration/ports.js";
import { SdkLoad, waitUntil } from "../integration/sdk-load.js";
import { type Finished, until, VarveProcess, varve } from "../integration/varve-process.js";

const TOPIC = "orders";
const PARTITIONS = 6;
const STATE_MS = 60_000;
const TEST_MS = 180_000;

const fleet = new Fleet();
let client: Varve | null = null;

afterEach(async () => {
  await client?.close();
  await fleet.killAll();
});

function spread(counts: readonly number[]): number {
  return Math.max(...counts) - Math.min(...counts);
}

test(
  "from 3 brokers to 5, balanced, and nothing is lost",
  async () => {
    const seeds = await fleet.startSeeds(3);
    const brokers: RunningBroker[] = [...seeds.brokers];
    const varveClient = new Varve({ bootstrap: brokers.map(({ grpcPort }) => `127.0.0.1:${grpcPort}`) });
    client = varveClient;
    const { admin } = varveClient;
    await admin.createTopic({ topic: TOPIC, partitions: PARTITIONS, replicas: 3 });
    const load = new SdkLoad(varveClient, TOPIC, PARTITIONS);
    await load.getsOn("on three brokers");
    const run = (...args: string[]): Promise<Finished> => varve(args, { env: bootstrap() });
    const bootstrap = (): Record<string, string> => ({
      VARVE_BOOTSTRAP: brokers.map(({ grpcPort }) => `127.0.0.1:${grpcPort}`).join(","),
    });

    for (const port of await freePorts(2))
      brokers.push(await fleet.start(brokers.length + 1, new SimDisk(), port, seeds.ports));
    await Promise.all(brokers.map(({ ready }) => ready));
    await waitUntil("every leader says how large its partition is", STATE_MS, async () => {
      const { moves } = await admin.planRebalance();
      return new Set(moves.flatMap(({ to }) => to)).has(5);
    });
    const { brokers: after } = await admin.planRebalance();
    expect(spread(after.map(({ replicasAfter }) => replicasAfter))).toBeLessThanOrEqual(1);
    expect(spread(after.map(({ leadersAfter }) => leadersAfter))).toBeLessThanOrEqual(1);
    expect(await admin.listMoves()).toEqual([]);

    // The command dies amid its work, and so does whoever leads the controller.
    const killed = new VarveProcess(["cluster", "rebalance", "--at-once", "1"], { env: bootstrap() });
    const hasBegun = (): boolean => killed.stderr.includes("begun") || killed.child.exitCode !== null;
    await until("it has begun", () => (hasBegun() ? true : null), STATE_MS);
    killed.child.kill("SIGKILL");
    await killed.finished;
    const { controller } = await admin.describeCluster();
    const at = [0, 1, 2].find((index) => index + 1 === controller) ?? 0;
    await fleet.kill(brokers[at]);
    brokers[at] = await fleet.start(at + 1, seeds.disks[at] ?? new SimDisk(), seeds.ports[at] ?? 0, seeds.ports);
    await brokers[at]?.ready;
    await waitUntil("all brokers are there again", STATE_MS, async () =>
      (await admin.describeCluster()).brokers.every(({ ready }) => ready),
    );

    await waitUntil("the same command goes on, until all is balanced", STATE_MS, async () => {
      const again = await run("cluster", "rebalance", "--at-once", "3");
      const { brokers: now } = await admin.describeCluster();
      return again.code === 0 && spread(now.map(({ replicas }) => replicas)) <= 1;
    });
    expect((await admin.planRebalance()).moves).toEqual([]);
    const { partitions } = await admin.describeTopic(TOPIC);
    expect(
      spread([1, 2, 3, 4, 5].map((id) => partitions.filter(({ replicas }) => replicas[0] === id).length)),
    ).toBeLessThanOrEqual(1);

    const unsafe = await run("cluster", "scale-in-check", "--replicas", "4");
    expect(unsafe).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("varve broker decommission 5 --progress"),
    });
    await admin.finalizeFeatureLevel({ level: 2 });
    expect(await admin.describeCluster()).toMatchObject({ featureLevel: 2 });
    await load.getsOn("at level 2");
    await load.finish();
  },
  TEST_MS,
);
