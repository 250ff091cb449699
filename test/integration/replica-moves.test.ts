/** replica-moves.test.ts: replicas that move, brokers that go, disks that are lost: what was acknowledged stays, and nobody has to help. */
import type { RunningBroker } from "@varve/broker/node";
import { Varve } from "@varve/client";
import { SimDisk } from "@varve/storage/testing";
import { afterEach, describe, expect, test } from "vitest";
import { dataDirOf, Fleet } from "./fleet.js";
import { freePorts } from "./ports.js";
import { failureOf } from "./raw.js";
import { waitUntil } from "./sdk-load.js";

const TOPIC = "orders";
const DONE_MS = 30_000;

const fleet = new Fleet();
const clients: Varve[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await fleet.killAll();
});

/** Brokers with a topic, and a producer that never stops. */
class Cluster {
  readonly varve: Varve;
  readonly acked = new Map<string, { readonly partition: number; readonly offset: number }>();
  readonly failed: string[] = [];
  private producing = true;
  private readonly produced: Promise<void>;

  private constructor(
    readonly brokers: RunningBroker[],
    readonly ports: readonly number[],
    readonly disks: SimDisk[],
    varve: Varve,
  ) {
    this.varve = varve;
    this.produced = this.produce();
  }

  static async start(brokers: number, partitions: number, settings: object = {}): Promise<Cluster> {
    const seeds = await fleet.startSeeds(3, settings);
    const disks = [...seeds.disks];
    const all = [...seeds.brokers];
    for (const port of await freePorts(brokers - 3)) {
      const disk = new SimDisk();
      disks.push(disk);
      all.push(await fleet.start(all.length + 1, disk, port, seeds.ports, settings));
    }
    await Promise.all(all.map(({ ready }) => ready));
    const varve = new Varve({ bootstrap: all.map(({ grpcPort }) => `127.0.0.1:${grpcPort}`).join(",") });
    clients.push(varve);
    await varve.admin.createTopic({ topic: TOPIC, partitions, replicas: 3 });
    return new Cluster(all, seeds.ports, disks, varve);
  }

  private async produce(): Promise<void> {
    const producer = this.varve.producer({ lingerMs: 1 });
    for (let sequence = 0; this.producing; sequence++) {
      const value = `p:${sequence}`;
      const sent = producer.send({ topic: TOPIC, key: `k${sequence % 50}`, value });
      sent.then(
        (place) => void this.acked.set(value, place),
        (error: unknown) => void this.failed.push(String(error)),
      );
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await producer.close();
  }

  /** Ends the load. Everything acknowledged is in the log at its place, and nothing failed. */
  async check(): Promise<void> {
    const before = this.acked.size;
    await waitUntil("records are acknowledged still", DONE_MS, async () => this.acked.size >= before + 100);
    this.producing = false;
    await this.produced;
    expect(this.failed).toEqual([]);
    const found = new Map<string, { partition: number; offset: number }>();
    for await (const { partition, offset, value } of this.varve.reader({ topic: TOPIC, from: "earliest", to: "end" }))
      found.set(String(value), { partition, offset });
    const lost = [...this.acked].filter(([value, { partition, offset }]) => {
      const there = found.get(value);
      return there?.partition !== partition || there.offset !== offset;
    });
    expect(lost).toEqual([]);
  }

  end(): void {
    this.producing = false;
  }

  async settled(what: string): Promise<void> {
    await waitUntil(what, DONE_MS, async () => (await this.varve.admin.listMoves()).length === 0);
    await waitUntil("the cluster is healthy", DONE_MS, async () => {
      const { partitionsHealthy, partitionsExpected } = await this.varve.admin.clusterHealth();
      return partitionsHealthy === partitionsExpected;
    });
  }

  /** Folders of replicas that a broker has. */
  async replicas(brokerId: number): Promise<string[]> {
    const { topicId } = await this.varve.admin.describeTopic(TOPIC);
    return this.foldersOf(brokerId, topicId);
  }

  foldersOf(brokerId: number, topicId: string): Promise<string[]> {
    const disk = this.disks[brokerId - 1] ?? new SimDisk();
    return disk.list(`${dataDirOf(brokerId)}/topics/${topicId}`);
  }
}

describe("a move", () => {
  test("of the leader's replica, under load: the new one votes, the old one is deleted, nothing fails", async () => {
    const cluster = await Cluster.start(4, 1);
    const { admin } = cluster.varve;
    const [before] = (await admin.describeTopic(TOPIC)).partitions;
    const leader = before?.leader ?? 0;
    const stranger = [1, 2, 3, 4].find((id) => before?.replicas.includes(id) === false) ?? 0;
    const target = [...(before?.replicas.filter((id) => id !== leader) ?? []), stranger];
    await admin.movePartition({ topic: TOPIC, partition: 0, brokers: target });
    await cluster.settled("the move is done");
    const [after] = (await admin.describeTopic(TOPIC)).partitions;
    expect([...(after?.voters ?? [])].sort()).toEqual([...target].sort());
    await waitUntil("the old replica is deleted", DONE_MS, async () => (await cluster.replicas(leader)).length === 0);
    expect(await cluster.replicas(stranger)).toEqual(["0_4"]);
    await cluster.check();
  });
});

describe("a broker", () => {
  test("that is decommissioned under load gives everything away, is gone, and is refused when it comes back", async () => {
    const cluster = await Cluster.start(4, 4);
    const { admin } = cluster.varve;
    await admin.decommissionBroker({ broker: 3 });
    await waitUntil("the broker is no member any more", DONE_MS, async () => {
      const { brokers } = await admin.describeCluster();
      return brokers.every(({ id }) => id !== 3);
    });
    const { partitions } = await admin.describeTopic(TOPIC);
    for (const { voters } of partitions) expect([...voters].sort()).toEqual([1, 2, 4]);
    await cluster.settled("the rest is whole");
    await fleet.stop(cluster.brokers[2]);
    const back = await fleet.start(3, cluster.disks[2] ?? new SimDisk(), cluster.ports[2] ?? 0, cluster.ports);
    const error = await failureOf(
      Promise.race([back.ready.then(() => "ready"), back.failed.then((failure) => Promise.reject(failure))]),
    );
    expect(error.code).toBe("DATA_DIR_UNUSABLE");
    expect(error.message).toContain("decommissioned");
    await cluster.check();
  });

  test("whose disk is gone comes back on an empty one after it was replaced, and holds everything again", async () => {
    const cluster = await Cluster.start(3, 3);
    const { admin } = cluster.varve;
    expect((await failureOf(admin.replaceBroker({ broker: 2 }))).message).toContain("is up");
    await fleet.stop(cluster.brokers[1]);
    await waitUntil("the others notice", DONE_MS, () =>
      admin.replaceBroker({ broker: 2 }).then(
        () => true,
        () => false,
      ),
    );
    const empty = new SimDisk();
    const fresh = await fleet.start(2, empty, cluster.ports[1] ?? 0, cluster.ports);
    await fresh.ready;
    await cluster.settled("every replica is made anew");
    const { partitions } = await admin.describeTopic(TOPIC);
    for (const { voters } of partitions) expect([...voters].sort()).toEqual([1, 2, 3]);
    await cluster.check();
  });

  test("that votes in the controller's group and stays away gives its vote to another", async () => {
    const cluster = await Cluster.start(4, 1, { raft: { voterDeadMs: 1_000 } });
    const controller = cluster.brokers[0]?.broker.controller;
    const voters = (): number[] =>
      (controller?.raft?.log.replicas.voters ?? []).map((id) => controller?.state.brokerOf(0, id) ?? 0);
    await waitUntil("three vote", DONE_MS, async () => voters().length === 3);
    const [victim = 0] = voters().filter((id) => id !== 1);
    await fleet.stop(cluster.brokers[victim - 1]);
    await waitUntil(
      "another votes in its place",
      DONE_MS,
      async () => voters().length === 3 && !voters().includes(victim),
    );
    await cluster.check();
  });

  test("that is drained leads nothing, and leads again after its next start", async () => {
    const cluster = await Cluster.start(3, 6);
    const { admin } = cluster.varve;
    const leads = async (): Promise<number> =>
      (await admin.describeCluster()).brokers.find(({ id }) => id === 1)?.leads ?? 0;
    await waitUntil("the broker leads something", DONE_MS, async () => (await leads()) > 0);
    await admin.drainBroker({ broker: 1 });
    await waitUntil("it leads nothing", DONE_MS, async () => (await leads()) === 0);
    await admin.drainBroker({ broker: 1, undo: true });
    await waitUntil("it leads again", DONE_MS, async () => (await leads()) > 0);
    await cluster.check();
  });

  test("that is drained goes on leading what has no other replica, and says how much that is", async () => {
    const cluster = await Cluster.start(3, 3);
    const { admin } = cluster.varve;
    await admin.createTopic({ topic: "alone", partitions: 3, replicas: 1 });
    const first = async () => (await admin.describeCluster()).brokers.find(({ id }) => id === 1);
    await waitUntil("all are led", DONE_MS, async () =>
      (await admin.describeTopic("alone")).partitions.every(({ leader }) => leader !== null),
    );
    await admin.drainBroker({ broker: 1 });
    await waitUntil("others lead the rest", DONE_MS, async () => (await first())?.leads === 1);
    expect(await first()).toMatchObject({ leads: 1, leadsAlone: 1 });
    await cluster.check();
  });
});

describe("damage", () => {
  test("that is found at a start is repaired from the others", async () => {
    const cluster = await Cluster.start(3, 2);
    await waitUntil("there is something to lose", DONE_MS, async () => cluster.acked.size > 300);
    await fleet.stop(cluster.brokers[1]);
    const disk = cluster.disks[1] ?? new SimDisk();
    const folder = `${dataDirOf(2)}/topics/${(await cluster.varve.admin.describeTopic(TOPIC)).topicId}`;
    const [replica = ""] = await disk.list(folder);
    const [segment = ""] = (await disk.list(`${folder}/${replica}`)).filter((name) => name.endsWith(".log"));
    await disk.remove(`${folder}/${replica}/${segment}`);
    await fleet.start(2, disk, cluster.ports[1] ?? 0, cluster.ports);
    await cluster.settled("the replica is made anew");
    const replicas = await cluster.replicas(2);
    expect(replicas).not.toContain(replica);
    expect(replicas).toHaveLength(2);
    await cluster.check();
  });

  test("of the WAL's newest flushes, which no file of its own shows, is known to the leader and repaired", async () => {
    const cluster = await Cluster.start(3, 1);
    const { admin } = cluster.varve;
    // Else it would be handed back to the preferred replica, and a new leader cannot know what broker 2 once had.
    await admin.movePartition({ topic: TOPIC, partition: 0, brokers: [1, 2, 3] });
    await waitUntil("broker 1 leads", DONE_MS, async () => {
      await admin.transferLeadership({ topic: TOPIC, partition: 0, to: 1 }).catch(() => undefined);
      return (await admin.describeTopic(TOPIC)).partitions[0]?.leader === 1;
    });
    const before = cluster.acked.size;
    await waitUntil("there is something to lose", DONE_MS, async () => cluster.acked.size > before + 100);
    const disk = cluster.disks[1] ?? new SimDisk();
    const [replica = ""] = await cluster.replicas(2);
    await fleet.kill(cluster.brokers[1]);
    await forgetFlushes(disk, `${dataDirOf(2)}/wal`, 8);
    await fleet.start(2, disk, cluster.ports[1] ?? 0, cluster.ports);
    await waitUntil("the replica is made anew", DONE_MS, async () => {
      const replicas = await cluster.replicas(2);
      return replicas.length === 1 && replicas[0] !== replica;
    });
    await cluster.settled("it has caught up");
    await cluster.check();
  });

  test("of the controller's own log is repaired from the others, too", async () => {
    const cluster = await Cluster.start(3, 1);
    await fleet.stop(cluster.brokers[1]);
    const disk = cluster.disks[1] ?? new SimDisk();
    const folder = `${dataDirOf(2)}/topics/00000000-0000-0000-0000-000000000000`;
    const [replica = ""] = await disk.list(folder);
    for (const name of await disk.list(`${folder}/${replica}`))
      if (!name.endsWith(".json")) await disk.remove(`${folder}/${replica}/${name}`);
    const back = await fleet.start(2, disk, cluster.ports[1] ?? 0, cluster.ports);
    await back.ready;
    expect(await disk.list(folder)).toEqual(["0_4"]);
    await cluster.settled("all is well");
    await cluster.check();
  });

  test("of a whole folder is repaired from the others", async () => {
    const cluster = await Cluster.start(3, 1);
    await waitUntil("there is something to lose", DONE_MS, async () => cluster.acked.size > 100);
    await fleet.stop(cluster.brokers[1]);
    const disk = cluster.disks[1] ?? new SimDisk();
    await disk.removeDir(`${dataDirOf(2)}/topics/${(await cluster.varve.admin.describeTopic(TOPIC)).topicId}`);
    const back = await fleet.start(2, disk, cluster.ports[1] ?? 0, cluster.ports);
    await cluster.settled("the replica is made anew");
    await fleet.stop(back);
    await (await fleet.start(2, disk, cluster.ports[1] ?? 0, cluster.ports)).ready;
    await cluster.settled("it is still there after another start");
    await cluster.check();
  });

  test("that leaves nothing but the broker's name is refused: an empty replica must not stand for one that has voted", async () => {
    const cluster = await Cluster.start(3, 1);
    await fleet.stop(cluster.brokers[1]);
    const disk = cluster.disks[1] ?? new SimDisk();
    for (const folder of ["wal", "topics", "state"]) await disk.removeDir(`${dataDirOf(2)}/${folder}`);
    for (let start = 0; start < 2; start++) {
      const error = await failureOf(fleet.start(2, disk, cluster.ports[1] ?? 0, cluster.ports));
      expect([error.code, error.message]).toEqual([
        "DATA_DIR_UNUSABLE",
        expect.stringContaining("varve broker replace 2"),
      ]);
    }
    await cluster.check();
  });

  test("on more replicas than the partition can lose is refused, and nothing is deleted", async () => {
    const cluster = await Cluster.start(3, 1);
    await waitUntil("there is something to lose", DONE_MS, async () => cluster.acked.size > 100);
    const { topicId } = await cluster.varve.admin.describeTopic(TOPIC);
    const acked = [...cluster.acked];
    cluster.end();
    const files: string[] = [];
    for (const id of [1, 2]) {
      await fleet.stop(cluster.brokers[id - 1]);
      const disk = cluster.disks[id - 1] ?? new SimDisk();
      const [replica = ""] = await cluster.foldersOf(id, topicId);
      const folder = `${dataDirOf(id)}/topics/${topicId}/${replica}`;
      const [segment = ""] = (await disk.list(folder)).filter((name) => name.endsWith(".log"));
      disk.flipBit(`${folder}/${segment}`, 12);
      files.push(`${id}/${replica}/${segment}`);
    }
    for (const id of [1, 2])
      await fleet.start(id, cluster.disks[id - 1] ?? new SimDisk(), cluster.ports[id - 1] ?? 0, cluster.ports);
    const health = async (): Promise<string> =>
      JSON.stringify(await cluster.varve.admin.clusterHealth().catch((error: unknown) => String(error)));
    await waitUntil("health says it", DONE_MS, async () => {
      const text = await health();
      return text.includes("found damage") && text.includes("has no leader");
    });
    for (const file of files) {
      const [id = "", replica = "", segment = ""] = file.split("/");
      const disk = cluster.disks[Number(id) - 1] ?? new SimDisk();
      expect(await disk.list(`${dataDirOf(Number(id))}/topics/${topicId}/${replica}`)).toContain(segment);
    }
    expect(acked.length).toBeGreaterThan(0);
  });
});

/** Makes the newest flushes of a WAL as if they had never been written. */
async function forgetFlushes(disk: SimDisk, folder: string, count: number): Promise<void> {
  const flushes: { readonly path: string; readonly at: number; readonly sequence: number }[] = [];
  for (const name of (await disk.list(folder)).filter((found) => found.endsWith(".wal"))) {
    const path = `${folder}/${name}`;
    const bytes = Buffer.from(disk.contentOf(path));
    for (let at = 0; at < bytes.length; at += 4_096)
      if (bytes.toString("latin1", at, at + 4) === "VWAL")
        flushes.push({ path, at, sequence: Number(bytes.readBigUInt64LE(at + 24)) });
  }
  flushes.sort((left, right) => right.sequence - left.sequence);
  for (const { path, at } of flushes.slice(0, count)) {
    const file = await disk.open(path, "readwrite");
    await file.write([new Uint8Array(4_096)], at);
    await file.sync();
    await file.close();
  }
}
