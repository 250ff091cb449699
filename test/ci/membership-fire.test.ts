/**
 * membership-fire.test.ts: replicas and brokers come and go while real processes die: every send is acknowledged, all is in the log where it was
 * acknowledged, and whatever was begun is finished. SEED=... repeats the
 * choices, not the timing; MOVES=100 makes more of them.
 */
import { rmSync } from "node:fs";
import { Prng } from "@varve/base/testing";
import type { Varve } from "@varve/client";
import { afterEach, expect, test } from "vitest";
import { failureOf } from "../integration/raw.js";
import { SdkCluster, TOPIC } from "../integration/sdk-cluster.js";
import { waitUntil } from "../integration/sdk-load.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const MOVES = Number(process.env["MOVES"] ?? 8);
const DONE_MS = 60_000;
const DOWN_MS_MAX = 1_500;

const clusters: SdkCluster[] = [];

afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.stop();
});

async function start(brokers: number): Promise<{ cluster: SdkCluster; client: Varve }> {
  const cluster = await SdkCluster.start(brokers);
  clusters.push(cluster);
  return { cluster, client: cluster.client() };
}

async function settled(client: Varve): Promise<void> {
  await waitUntil("all moves are done", DONE_MS, async () => {
    const moves = await client.admin.listMoves().catch(() => null);
    return moves !== null && moves.length === 0;
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

test(`${MOVES} moves, each with a broker killed at any moment of it, seed ${seed}`, async () => {
  const prng = new Prng(seed);
  const { cluster, client } = await start(4);
  const load = cluster.load(client);
  const done = { moves: 0, kills: 0, ofLeaders: 0 };
  for (let at = 0; at < MOVES; at++) {
    const partition = prng.between(0, 5);
    const known = (await cluster.partitions(client))[partition];
    const brokers = [...cluster.ids];
    brokers.splice(prng.between(0, 3), 1);
    if (prng.chance(0.5)) brokers.reverse();
    if (!brokers.includes(known?.leader ?? 0)) done.ofLeaders++;
    await client.admin.movePartition({ topic: TOPIC, partition, brokers });
    done.moves++;
    await pause(prng.between(0, 600));
    const victim = prng.pick(cluster.ids);
    cluster.brokers.kill(victim);
    done.kills++;
    await pause(prng.between(0, DOWN_MS_MAX));
    await cluster.brokers.restart(victim);
    if (prng.chance(0.5)) await settled(client);
  }
  await settled(client);
  await cluster.isHealthy(client);
  await load.getsOn("after the moves");
  await load.finish();
  process.stdout.write(`${JSON.stringify(done)}\n`);
  expect(done.ofLeaders).toBeGreaterThan(0);
});

test("a broker is decommissioned while the others die in turn, and is refused when it returns", async () => {
  const { cluster, client } = await start(5);
  const load = cluster.load(client);
  await client.admin.decommissionBroker({ broker: 5 });
  for (const id of [1, 2, 3, 4]) {
    cluster.brokers.kill(id);
    await cluster.brokers.restart(id);
  }
  await waitUntil("the broker is gone", DONE_MS, async () => {
    const described = await client.admin.describeCluster().catch(() => null);
    return described?.brokers.every(({ id }) => id !== 5) === true;
  });
  await cluster.isHealthy(client);
  cluster.brokers.kill(5);
  expect((await failureOf(cluster.brokers.restart(5))).message).toContain("decommissioned");
  await load.getsOn("without the broker");
  await load.finish();
});

test("a wiped broker is refused until it is replaced; then it holds everything again", async () => {
  const { cluster, client } = await start(3);
  const load = cluster.load(client);
  await load.getsOn("before the loss");
  cluster.brokers.kill(3);
  rmSync(cluster.brokers.places()[2]?.dataDir ?? "", { recursive: true });
  expect((await failureOf(cluster.brokers.restart(3))).message).toContain("varve broker replace 3");
  await waitUntil("the others know that it is down", DONE_MS, () =>
    client.admin.replaceBroker({ broker: 3 }).then(
      () => true,
      () => false,
    ),
  );
  rmSync(cluster.brokers.places()[2]?.dataDir ?? "", { recursive: true, force: true });
  await cluster.brokers.restart(3);
  cluster.brokers.kill(1);
  await cluster.brokers.restart(1);
  await cluster.isHealthy(client);
  await load.getsOn("with the new disk");
  await load.finish();
});

test("of changes of one partition at once the last one counts, and each ends", async () => {
  const { cluster, client } = await start(5);
  const load = cluster.load(client);
  const targets = [
    [1, 2, 3],
    [3, 4, 5],
    [5, 1, 2],
    [2, 3, 4],
  ];
  const inTurn = targets.map((brokers) => client.admin.movePartition({ topic: TOPIC, partition: 0, brokers }));
  await Promise.all(inTurn);
  await client.admin.movePartition({ topic: TOPIC, partition: 0, brokers: [4, 5, 1] });
  await settled(client);
  await cluster.isHealthy(client);
  const [partition] = await cluster.partitions(client);
  expect([...(partition?.voters ?? [])].sort()).toEqual([1, 4, 5]);
  await load.getsOn("after the changes");
  await load.finish();
});
