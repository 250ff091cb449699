import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { FaultCluster } from "./fault-cluster.js";
import { preloadProblem } from "./preload.js";

const problem = preloadProblem();
if (problem !== null) console.warn(`power cuts are not tested: ${problem}`);
const SEED = Number(process.env.SEED ?? randomInt(2 ** 31));
/** Losing everything, then any part, of what was not synced. */
const ROUNDS = 2;
const TOPIC = "orders";

async function withCluster(use: (cluster: FaultCluster) => Promise<void>): Promise<void> {
  const cluster = await FaultCluster.start({ brokers: 3, withFaults: true, power: true });
  try {
    await cluster.client.admin.createTopic({ topic: TOPIC, partitions: 1, replicas: 3 });
    await use(cluster);
  } catch (error) {
    for (const { id, log } of cluster.brokers) console.log(`the log of broker ${id}:\n${log}`);
    throw error;
  } finally {
    await cluster.stop();
  }
}

test.skipIf(problem !== null)(
  "all brokers lose their power at once, and nothing acknowledged is lost",
  async () => {
    console.log(`power cuts with SEED=${SEED}`);
    const random = randomFrom(SEED);
    await withCluster(async (cluster) => {
      const acked: string[] = [];
      let lost = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const producer = cluster.client.producer();
        const values = Array.from({ length: 200 }, (_, at) => `${round}-${at}-${"x".repeat(2_000)}`);
        const sends = values.map((value) => producer.send({ topic: TOPIC, value }).then(() => void acked.push(value)));
        await Promise.race(sends);
        const isLost = round === 0 ? () => true : () => random() < 0.5;
        const cuts = await Promise.all(cluster.brokers.map((broker) => broker.cutPower({ isLost })));
        for (const { sectorsLost, namesLost } of cuts) lost += sectorsLost + namesLost;
        await cluster.startAll();
        await Promise.all(sends);
        await producer.close();
        expect((await cluster.values(TOPIC)).sort()).toEqual(acked.slice().sort());
      }
      // How much there was to lose depends on when the cut came; that cuts do lose, the test below shows.
      console.log(`${lost} sectors and names were lost`);
      for (const { log } of cluster.brokers) expect(log).not.toContain("quarantined");
    });
  },
  60_000,
);

test.skipIf(problem !== null)(
  "with disks that lie about their syncs a power cut does lose what was acknowledged: the injector works",
  async () => {
    await withCluster(async (cluster) => {
      const producer = cluster.client.producer();
      await producer.send({ topic: TOPIC, value: "honest" });
      for (const { faults } of cluster.brokers)
        faults?.set([{ id: "lie", call: "sync", path: "/wal/", fault: { kind: "lie" } }]);
      for (let at = 0; at < 20; at++) await producer.send({ topic: TOPIC, value: `false-${at}` });
      for (const broker of cluster.brokers) await broker.cutPower();
      await producer.close();
      for (const { faults } of cluster.brokers) expect(faults?.hits("lie").length).toBeGreaterThan(0);
      for (const { faults } of cluster.brokers) faults?.clear();
      await cluster.startAll();
      expect(await cluster.values(TOPIC)).toEqual(["honest"]);
    });
  },
  60_000,
);

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
