import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Varve } from "@varve/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DAMAGE_ROWS, type DamageRow } from "../faults/damage-rows.js";
import { filesIn, flipBit, logFolder } from "../faults/data-files.js";
import type { FaultBroker } from "../faults/fault-broker.js";
import { FaultCluster } from "../faults/fault-cluster.js";
import { until } from "../integration/varve-process.js";

const TOPIC = "orders";
const GROUP = "workers";
const PARTITIONS = 2;
const MIB = 1024 * 1024;

/** Small pieces, so that a few megabytes fill several of each; a scrub that is always at work. */
const SETTINGS = {
  VARVE_STORAGE_SCRUB_INTERVAL_MS: "1000",
  VARVE_STORAGE_SCRUB_BYTES_PER_SECOND: String(256 * MIB),
  VARVE_STORAGE_WAL_FILE_BYTES: String(2 * MIB),
  VARVE_LIMITS_RECORD_BYTES_MAX: String(MIB / 4),
  VARVE_LIMITS_BATCH_BYTES_MAX: String(MIB / 2),
  VARVE_LIMITS_UNDRAINED_BYTES_MAX: String(MIB),
  VARVE_LIMITS_UNCOMMITTED_BYTES_PER_GROUP_MAX: String(MIB),
  VARVE_STORAGE_CHECKPOINT_INTERVAL_BYTES: String(64 * 1024),
};

/** Each takes seconds: those that the table of faults names, and a fifth of the others, another with another seed; DAMAGE=all takes them all. */
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const isChosen = ({ isInTable }: DamageRow, at: number): boolean => isInTable === true || at % 5 === seed % 5;
const ROWS = DAMAGE_ROWS.filter((row, at) => process.env["DAMAGE"] === "all" || isChosen(row, at));

describe(`damaged files of one broker of three, SEED=${seed}`, () => {
  let cluster: FaultCluster;
  let topicId: string;
  /** By partition. */
  const acked: string[][] = Array.from({ length: PARTITIONS }, () => []);
  let round = 0;

  beforeAll(async () => {
    cluster = await FaultCluster.start({ brokers: 3, withFaults: false, settings: SETTINGS });
    const config = { segmentBytes: MIB };
    const made = await cluster.client.admin.createTopic({ topic: TOPIC, partitions: PARTITIONS, replicas: 3, config });
    topicId = made.topicId;
    for (let at = 0; at < 5; at++) await append(40, 20_000);
    await joinOnce();
  });
  afterAll(() => cluster.stop());

  async function append(count: number, bytes: number): Promise<void> {
    const producer = cluster.client.producer();
    const sends: Promise<void>[] = [];
    const stamp = round;
    const valueAt = (partition: number, at: number): string => `${stamp}-${partition}-${at}-`.padEnd(bytes, "x");
    for (let partition = 0; partition < PARTITIONS; partition++)
      for (let at = 0; at < count; at++) {
        sends.push(
          producer.send({ topic: TOPIC, partition, value: valueAt(partition, at) }).then(({ offset }) => {
            const values = acked[partition];
            if (values !== undefined) values[offset] = valueAt(partition, at);
          }),
        );
      }
    round++;
    await Promise.all(sends);
    await producer.close();
  }

  /** A group exists from its first member on. */
  async function joinOnce(): Promise<void> {
    const over = new AbortController();
    const consumer = cluster.client.consumer({ group: GROUP, topics: [TOPIC] });
    const run = consumer.run({ handler: async () => over.abort(), signal: over.signal });
    await run.catch((error: unknown) => {
      if (!over.signal.aborted) throw error;
    });
    await consumer.close();
  }

  /** Every record is where it was acknowledged, and nothing else is there. */
  async function expectAllThere(client = cluster.client): Promise<void> {
    const found: string[][] = Array.from({ length: PARTITIONS }, () => []);
    for await (const { partition, offset, value } of client.reader({ topic: TOPIC, to: "end" }))
      (found[partition] ?? [])[offset] = String(value);
    expect(found.map((values) => values.length)).toEqual(acked.map((values) => values.length));
    for (const [partition, values] of found.entries())
      expect(
        values.findIndex((value, offset) => value !== acked[partition]?.[offset]),
        `partition ${partition}`,
      ).toBe(-1);
  }

  /** A controller's replica that was made anew votes again. Until then the controller cannot lose another one. */
  /** Without those for the WAL: an earlier row may have damaged it, and its file stays until nothing in it counts any more. */
  function quarantinesOfNow(log: string): string[] {
    return log.split("\n").filter((line) => line.includes("quarantined") && !line.includes("WAL flush"));
  }

  async function controllerIsWhole(renewed: FaultBroker, sinceIso: string): Promise<void> {
    if (!renewed.log.includes("a fresh replica of the controller")) return;
    const promotion = new RegExp(`"time":"([^"]+)".*"addVoter ${renewed.id}"`, "g");
    await until(`the controller's replica on broker ${renewed.id} votes`, () => {
      const times = cluster.brokers.flatMap(({ log }) => [...log.matchAll(promotion)].map(([, time = ""]) => time));
      return times.some((time) => time > sinceIso) ? true : null;
    });
  }

  /** Serves it all from the broker's own files. */
  async function expectServedBy(broker: FaultBroker): Promise<void> {
    for (let partition = 0; partition < PARTITIONS; partition++)
      await until(`broker ${broker.id} leads ${TOPIC}/${partition}`, async () => {
        const asked = cluster.client.admin.transferLeadership({ topic: TOPIC, partition, to: broker.id });
        return asked.then(() => true).catch(() => null);
      });
    const client = new Varve({ bootstrap: [broker.grpc] });
    try {
      await expectAllThere(client);
    } finally {
      await client.close();
    }
  }

  test.each(ROWS)("$what: $outcome", async ({ what, outcome, damage, says }) => {
    const victim = cluster.broker(1 + (round % 3));
    const other = cluster.broker(1 + ((round + 1) % 3));
    await append(20, 2_000);
    await cluster.healthy();
    await cluster.client.admin.seekGroup({ group: GROUP, topic: TOPIC, to: { offset: round } });
    await victim.kill();
    const { dataDir } = victim;
    const sinceIso = new Date().toISOString();
    const kept = mkdtempSync(join(tmpdir(), "varve-kept-"));
    try {
      if (outcome === "refused") cpSync(dataDir, join(kept, "data"), { recursive: true });
      damage({
        dataDir,
        otherDataDir: other.dataDir,
        logs: [logFolder(dataDir, topicId, 0), logFolder(dataDir, topicId, 1)],
      });
      victim.start();
      if (outcome === "refused") {
        const { code, stderr } = await victim.running.finished;
        expect(code).toBe(1);
        expect(stderr).toMatch(says ?? /data directory/);
        rmSync(dataDir, { recursive: true });
        cpSync(join(kept, "data"), dataDir, { recursive: true });
        victim.start();
      }
      await append(5, 200);
      await victim.ready();
      if (outcome === "renewed")
        await until(`damage is found: ${what}`, () =>
          /quarantined|no replica is created|has no folder/.test(victim.log) ? true : null,
        );
      await cluster.healthy();
      if (outcome !== "refused" && says !== undefined) expect(victim.log).toMatch(says);
      if (outcome === "served") expect(quarantinesOfNow(victim.log)).toEqual([]);
      await expectServedBy(victim);
      await controllerIsWhole(victim, sinceIso);
      const group = await cluster.client.admin.describeGroup(GROUP);
      expect(group.offsets.map(({ committed }) => committed)).toEqual([round - 1, round - 1]);
    } catch (error) {
      for (const { id, log, running } of cluster.brokers)
        console.log(
          `${what}: the log of broker ${id}, ${id === victim.id ? "whose files were damaged" : "for comparison"}:\n${log.slice(-20_000)}\n${running.stderr}`,
        );
      throw error;
    } finally {
      rmSync(kept, { recursive: true, force: true });
    }
  });

  test("damage on two of three replicas is refused loudly, and nothing is deleted", async () => {
    await append(20, 20_000);
    await cluster.healthy();
    await Promise.all(cluster.brokers.map((broker) => broker.kill()));
    const damaged = [1, 2].map((id) => logFolder(cluster.broker(id).dataDir, topicId, 0));
    for (const [at, { segments }] of damaged.entries()) flipBit(segments.at(-1) ?? "", 40 + at);
    const before = damaged.map(({ segments }) => segments.map((path) => readFileSync(path)));
    for (const broker of cluster.brokers) broker.start();
    for (const id of [1, 2]) {
      const { log } = await until(`broker ${id} says so`, () =>
        cluster.broker(id).log.includes("quarantined") ? cluster.broker(id) : null,
      );
      expect(log).toContain("segment header");
    }
    const health = await until("the cluster's health says so", async () => {
      const found = await cluster.client.admin.clusterHealth().catch(() => null);
      return found?.problems.some(({ topic, partition }) => topic === TOPIC && partition === 0) === true ? found : null;
    });
    expect(health.healthy).toBe(false);
    const impatient = new Varve({ bootstrap: cluster.brokers.map(({ grpc }) => grpc) });
    const refused = await impatient
      .producer({ deliveryTimeoutMs: 5_000 })
      .send({ topic: TOPIC, partition: 0, value: "no" })
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ effect: "NOT_APPLIED" });
    await impatient.close();
    for (const [at, { path, segments }] of damaged.entries()) {
      expect(
        segments
          .map((file) => readFileSync(file))
          .every((bytes, file) => bytes.equals(before[at]?.[file] ?? Buffer.alloc(0))),
      ).toBe(true);
      expect(filesIn(path).some((file) => file.endsWith("quarantine.json"))).toBe(true);
    }
  });
});
