/**
 * coming-and-going.test.ts: what a supervisor learns of brokers that come and go: when one is ready, whether the trouble of others takes that
 * away, and whether it may stop.
 */
import type { RunningBroker } from "@varve/broker/node";
import { METHODS } from "@varve/rpc";
import { createClient } from "@varve/rpc/node";
import type { SimDisk } from "@varve/storage/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Fleet } from "./fleet.js";
import { waitUntil } from "./sdk-load.js";

const WITHIN_MS = 60_000;
const DEADLINE = { deadlineMs: 10_000 };

const fleet = new Fleet();
let brokers: RunningBroker[] = [];
let ports: number[] = [];
let disks: SimDisk[] = [];

beforeAll(async () => {
  ({ brokers, ports, disks } = await fleet.startSeeds(3));
  const channel = createClient(`127.0.0.1:${broker(1).grpcPort}`);
  await channel.unary(METHODS.createTopic, { topic: "orders", partitions: 4, replicas: 3 }, DEADLINE);
  channel.close();
  for (const id of [1, 2, 3]) await becomesReady(id);
  await waitUntil("every broker has its replicas", WITHIN_MS, async () => {
    const counts = await Promise.all([1, 2, 3].map(async (id) => (await readyz(id)).replicaCount));
    return counts.every((count) => count === 4);
  });
});
afterAll(() => fleet.killAll());

function broker(id: number): RunningBroker {
  const found = brokers[id - 1];
  if (found === undefined) throw new Error(`there is no broker ${id}`);
  return found;
}

async function kill(id: number): Promise<void> {
  await fleet.kill(broker(id));
  disks[id - 1]?.crash("lose");
}

async function start(id: number): Promise<void> {
  brokers[id - 1] = await fleet.start(id, disks[id - 1] as SimDisk, ports[id - 1] ?? 0, ports);
}

interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly replicaCount: number;
}

const ask = (id: number, path: string): Promise<Response> => fetch(`http://127.0.0.1:${broker(id).opsPort}${path}`);

async function readyz(id: number): Promise<Readiness> {
  return (await (await ask(id, "/readyz")).json()) as Readiness;
}

async function becomesReady(id: number): Promise<void> {
  await waitUntil(`broker ${id} is ready`, WITHIN_MS, async () => (await readyz(id)).ready);
}

async function gateWaits(id: number): Promise<void> {
  await waitUntil(`the stop gate of ${id} waits`, WITHIN_MS, async () =>
    /^varve_stop_gate_waiting_partitions [1-9]/m.test(await (await ask(id, "/metrics")).text()),
  );
}

const mayStop = async (id: number): Promise<unknown> => (await ask(id, "/prestop")).json();

test("a broker may stop while the others hold every quorum", async () => {
  expect(await mayStop(3)).toMatchObject({ safe: true, waitsFor: [] });
});

test("with another one down it waits until that one is back, and stays ready meanwhile", async () => {
  await kill(3);
  const answer = mayStop(1);
  await gateWaits(1);
  expect(await readyz(1)).toMatchObject({ ready: true, reasons: [] });
  await start(3);
  expect(await answer).toMatchObject({ safe: true, waitsFor: [] });
  await becomesReady(3);
});

test("when all that are left are to stop, none of them waits for the other", async () => {
  await kill(3);
  expect(await Promise.all([mayStop(1), mayStop(2)])).toMatchObject([{ safe: true }, { safe: true }]);
  await start(3);
  await becomesReady(3);
});

test("one that is left alone stays ready; one that starts alone is ready only when it has caught up with a leader", async () => {
  await kill(1);
  await kill(3);
  await waitUntil("2 leads nothing any more", WITHIN_MS, async () =>
    /^varve_partitions_led 0/m.test(await (await ask(2, "/metrics")).text()),
  );
  expect(await readyz(2)).toMatchObject({ ready: true, reasons: [] });
  await kill(2);
  await start(2);
  await waitUntil("2 has recovered", WITHIN_MS, async () => (await ask(2, "/startupz")).status === 200);
  expect((await readyz(2)).ready).toBe(false);
  expect((await ask(2, "/livez")).status).toBe(200);
  await start(1);
  await becomesReady(1);
  await becomesReady(2);
});
