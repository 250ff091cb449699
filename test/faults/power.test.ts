import { randomInt } from "node:crypto";
import type { Producer } from "@varve/client";
import { expect, test } from "vitest";
import { until } from "../integration/varve-process.js";
import type { FaultBroker } from "./fault-broker.js";
import { FaultCluster } from "./fault-cluster.js";
import { preloadProblem } from "./preload.js";

const problem = preloadProblem();
if (problem !== null) console.warn(`power cuts are not tested: ${problem}`);
const SEED = Number(process.env.SEED ?? randomInt(2 ** 31));
const SENDERS = 20;
const VALUE_BYTES = 2_000;
/** At least so many are acknowledged before a cut, so that there is something that must not be lost. */
const ACKED_MIN = 50;

interface Round {
  readonly what: string;
  /** Syncs of the write-ahead log hang first, until each broker has written what is not synced; else the cut comes at any moment. */
  readonly amidSyncs: boolean;
  readonly isLost: (random: () => number) => boolean;
}

const ROUNDS: readonly Round[] = [
  { what: "all that is not synced, amid a sync of each broker", amidSyncs: true, isLost: () => true },
  { what: "any part of what is not synced, at any moment", amidSyncs: false, isLost: (random) => random() < 0.5 },
];
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

test.skipIf(problem !== null)("all brokers lose their power at once, and nothing acknowledged is lost", async () => {
  console.log(`power cuts with SEED=${SEED}`);
  const random = randomFrom(SEED);
  await withCluster(async (cluster) => {
    const acked: string[] = [];
    for (const [round, { what, amidSyncs, isLost }] of ROUNDS.entries()) {
      const load = new Load(cluster.client.producer(), `${round}`, acked);
      await load.hasAcked(ACKED_MIN);
      if (amidSyncs) await syncsHang(cluster.brokers);
      const cuts = await Promise.all(
        cluster.brokers.map((broker) => broker.cutPower({ isLost: () => isLost(random) })),
      );
      const lost = cuts.map(({ sectorsLost, namesLost }) => sectorsLost + namesLost);
      console.log(`${what}: ${lost.join(", ")} sectors and names were lost, after ${acked.length} acknowledgements`);
      if (amidSyncs) expect(Math.min(...lost), "what the broker that lost least has lost").toBeGreaterThan(0);
      for (const { faults } of cluster.brokers) faults?.clear();
      await cluster.startAll();
      await load.finish();
      expect((await cluster.values(TOPIC)).sort()).toEqual(acked.slice().sort());
    }
    for (const { log } of cluster.brokers) expect(log).not.toContain("quarantined");
  });
});

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
);

/** From now on no sync of the write-ahead logs returns; resolves when every broker has written something meanwhile. */
async function syncsHang(brokers: readonly FaultBroker[]): Promise<void> {
  for (const { faults } of brokers) faults?.set([{ id: "hang", call: "sync", path: "/wal/", fault: { kind: "hang" } }]);
  for (const broker of brokers)
    await until(`broker ${broker.id} waits for a sync`, () => {
      const isHung = (broker.faults?.hits("hang") ?? []).length > 0;
      return isHung && broker.hasUnsynced ? true : null;
    });
}

/** Senders that each send one record after the other, also while no broker runs, until they are told to finish. */
class Load {
  private readonly producer: Producer;
  private readonly ackedBefore: number;
  private readonly senders: readonly Promise<void>[];
  private isOver = false;

  constructor(
    producer: Producer,
    name: string,
    private readonly acked: string[],
  ) {
    this.producer = producer;
    this.ackedBefore = acked.length;
    this.senders = Array.from({ length: SENDERS }, (_, sender) => this.send(`${name}-${sender}`));
  }

  async hasAcked(count: number): Promise<void> {
    await until(`${count} records are acknowledged`, () =>
      this.acked.length >= this.ackedBefore + count ? true : null,
    );
  }

  /** Waits for the records under way: each is acknowledged in the end. */
  async finish(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.senders);
    await this.producer.close();
  }

  private async send(name: string): Promise<void> {
    for (let at = 0; !this.isOver; at++) {
      const value = `${name}-${at}-`.padEnd(VALUE_BYTES, "x");
      await this.producer.send({ topic: TOPIC, value });
      this.acked.push(value);
    }
  }
}

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
