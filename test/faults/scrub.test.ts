import { randomInt } from "node:crypto";
import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { until } from "../integration/varve-process.js";
import { FaultCluster } from "./fault-cluster.js";

const SEED = Number(process.env["SEED"] ?? randomInt(2 ** 31));
const TOPIC = "orders";

/** Files of a broker's data whose path ends so, without those of the controller and of groups. */
function filesOf(dataDir: string, end: string): string[] {
  const topics = join(dataDir, "topics");
  return readdirSync(topics, { recursive: true })
    .map((name) => join(topics, String(name)))
    .filter((path) => path.endsWith(end) && !path.includes("00000000-0000-0000-0000-000000000000"))
    .sort();
}

function flipBit(path: string, at: number): void {
  const fd = openSync(path, "r+");
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, at);
  writeSync(fd, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at);
  closeSync(fd);
}

test("a bit that flips in a segment of a running broker is found by its scrub, and the replica is made anew from its peers", async () => {
  console.log(`bit flips with SEED=${SEED}`);
  const settings = {
    VARVE_STORAGE_SCRUB_INTERVAL_MS: "1000",
    VARVE_STORAGE_SCRUB_BYTES_PER_SECOND: String(256 * 1024 * 1024),
  };
  const cluster = await FaultCluster.start({ brokers: 3, withFaults: false, settings });
  try {
    const topicSettings = { segmentBytes: 1024 * 1024 };
    await cluster.client.admin.createTopic({ topic: TOPIC, partitions: 1, replicas: 3, config: topicSettings });
    const producer = cluster.client.producer();
    const values = Array.from({ length: 400 }, (_, at) => `${at}-`.padEnd(20_000, "x"));
    await Promise.all(values.map((value) => producer.send({ topic: TOPIC, value })));
    const victim = cluster.broker(1 + (SEED % 3));
    const [segment = ""] = await until("a sealed segment", () => {
      const found = filesOf(victim.dataDir, ".log");
      return found.length > 1 ? found : null;
    });
    await until("a round without finding anything", async () =>
      ((await victim.metric("varve_scrub_rounds_total")) ?? 0) > 0 ? true : null,
    );
    expect(await victim.metric("varve_scrub_damaged_replicas_total")).toBe(0);
    expect(victim.log).toContain("everything stored here was read and checked");

    const at = SEED % statSync(segment).size;
    flipBit(segment, at);
    await until("the scrub finds it", async () =>
      (await victim.metric("varve_scrub_damaged_replicas_total")) === 1 ? true : null,
    );
    expect(victim.log).toContain("a replica is quarantined");
    expect(victim.log).toContain(segment);
    await cluster.healthy();
    expect((await cluster.values(TOPIC)).sort()).toEqual([...values].sort());
    expect(await victim.metric("varve_replicas_quarantined")).toBe(0);
  } finally {
    await cluster.stop();
  }
});
