import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isVarveError } from "@varve/base";
import { Varve } from "@varve/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../integration/varve-process.js";
import { FaultCluster } from "./fault-cluster.js";

const MIB = 1024 * 1024;
const DISK_BYTES = 96 * MIB;
const RESERVE_BYTES = 32 * MIB;
const BROKERS = [1, 2, 3];

/** Small enough that a disk of this size meets every edge. */
const SETTINGS = {
  VARVE_STORAGE_DISK_RESERVE_BYTES: String(RESERVE_BYTES),
  VARVE_STORAGE_WAL_FILE_BYTES: String(2 * MIB),
  VARVE_LIMITS_RECORD_BYTES_MAX: String(MIB / 4),
  VARVE_LIMITS_BATCH_BYTES_MAX: String(MIB / 2),
  VARVE_LIMITS_UNDRAINED_BYTES_MAX: String(4 * MIB),
  VARVE_LIMITS_UNCOMMITTED_BYTES_PER_GROUP_MAX: String(2 * MIB),
};

const disks = mkdtempSync(join(tmpdir(), "varve-disks-"));
const diskOf = (id: number): string => join(disks, String(id));

function mountProblem(): string | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    return "mounting a file system of limited size needs root on Linux";
  try {
    mkdirSync(diskOf(0), { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", diskOf(0)], { stdio: "pipe" });
    execFileSync("umount", [diskOf(0)], { stdio: "pipe" });
    return null;
  } catch (error) {
    return `a file system of limited size cannot be mounted: ${String(error)}`;
  }
}

const problem = mountProblem();
if (problem !== null) console.warn(`full disks are not tested: ${problem}`);

const freeBytes = (id: number): number => {
  const { bavail, bsize } = statfsSync(diskOf(id));
  return bavail * bsize;
};
const filler = (id: number): string => join(diskOf(id), "of-somebody-else");

describe.skipIf(problem !== null)("a full disk", () => {
  let cluster: FaultCluster;
  const acked: string[] = [];
  let sent = 0;

  beforeAll(async () => {
    for (const id of BROKERS) {
      mkdirSync(diskOf(id), { recursive: true });
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", diskOf(id)]);
    }
    cluster = await FaultCluster.start({
      brokers: BROKERS.length,
      withFaults: false,
      settings: SETTINGS,
      dataDir: (id) => join(diskOf(id), "data"),
    });
    for (const topic of ["ballast", "kept"])
      await cluster.client.admin.createTopic({ topic, partitions: 1, replicas: 3 });
  });

  afterAll(async () => {
    await cluster.stop();
    for (const id of BROKERS) execFileSync("umount", ["-l", diskOf(id)]);
    rmSync(disks, { recursive: true, force: true });
  });

  /** A client whose producer gives up soon; sends records of `bytes` until one is refused, and returns why. */
  async function sendUntilRefused(topic: string, bytes: number): Promise<unknown> {
    const client = new Varve({ bootstrap: cluster.brokers.map(({ grpc }) => grpc) });
    const producer = client.producer({ deliveryTimeoutMs: 3_000 });
    try {
      for (;;) {
        const values = Array.from({ length: 16 }, () => `${++sent}-`.padEnd(bytes, "x"));
        const sends = await Promise.allSettled(values.map((value) => producer.send({ topic, value })));
        for (const [at, send] of sends.entries())
          if (send.status === "fulfilled" && topic === "kept") acked.push(values[at] ?? "");
        const refused = sends.find(({ status }) => status === "rejected");
        if (refused?.status === "rejected") return refused.reason;
      }
    } finally {
      await client.close();
    }
  }

  const sendsAgain = (): Promise<true> =>
    until("records are taken again", async () => {
      const value = `${++sent}-small`;
      const client = new Varve({ bootstrap: cluster.brokers.map(({ grpc }) => grpc) });
      try {
        await client.producer({ deliveryTimeoutMs: 1_000 }).send({ topic: "kept", value });
        acked.push(value);
        return true;
      } catch {
        return null;
      } finally {
        await client.close();
      }
    });

  const expectEverythingThere = async (): Promise<void> => {
    const values = new Set(await cluster.values("kept"));
    expect(acked.filter((value) => !values.has(value))).toEqual([]);
  };

  test("produce is refused as NOT_APPLIED before the reserve is used; reads, elections and deletes go on, and then produce does", async () => {
    await cluster.client.producer().send({ topic: "kept", value: "first" });
    acked.push("first");
    // What the WAL lets go of when the load ends may make room for more.
    await until("a broker says why it refuses", async () => {
      const refusal = await sendUntilRefused("ballast", 100_000);
      expect(isVarveError(refusal) && [refusal.code, refusal.effect]).toEqual(["DISK_FULL", "NOT_APPLIED"]);
      const answers = await Promise.all(cluster.brokers.map((broker) => broker.ops("readyz")));
      return answers.some((answer) => answer?.text.includes("too little free disk space")) ? true : null;
    });
    for (const id of BROKERS)
      expect(freeBytes(id), `broker ${id} keeps its reserve`).toBeGreaterThan(RESERVE_BYTES * 0.75);

    const leader = await cluster.leaderOf("kept");
    await leader.kill();
    const next = await until("another leader", async () => {
      const found = await cluster.leaderOf("kept");
      return found.id === leader.id ? null : found;
    });
    expect(next.id).not.toBe(leader.id);
    leader.start();
    await expectEverythingThere();

    await cluster.client.admin.deleteTopic("ballast");
    await sendsAgain();
    await cluster.healthy();
    await expectEverythingThere();
  });

  test("a disk that somebody else has filled to the last byte ends no broker, loses nothing, and produce goes on when it is freed", async () => {
    const load = sendUntilRefused("kept", 20_000);
    for (const id of BROKERS) fill(filler(id));
    await load;
    for (const id of BROKERS) fill(filler(id));
    // Whether a drain or a file of the WAL meets the full disk, or produce is refused in time, is chance; nobody may mind.
    const refusal = await sendUntilRefused("kept", 20_000);
    expect(isVarveError(refusal) && refusal.code).toBe("DISK_FULL");
    for (const { id, running } of cluster.brokers) expect(running.child.exitCode, `broker ${id} lives`).toBeNull();
    for (const id of BROKERS) rmSync(filler(id));
    await sendsAgain();
    await cluster.healthy();
    await expectEverythingThere();
    await until("nobody waits any more", () =>
      cluster.brokers.every(({ log }) => {
        const full = log.lastIndexOf("the disk is full: what must be written waits");
        return full <= log.lastIndexOf("the disk takes writes again");
      })
        ? true
        : null,
    );
  });

  test("brokers start on disks without a free byte: they elect and serve reads, refuse produce, and take it again when space returns", async () => {
    await Promise.all(cluster.brokers.map((broker) => broker.kill()));
    // One of them has to make its store of group state anew, too, which waits for space.
    rmSync(join(cluster.broker(1).dataDir, "state"), { recursive: true });
    for (const id of BROKERS) fill(filler(id));
    for (const broker of cluster.brokers) broker.start();
    await until("all serve on full disks", async () => {
      const answers = await Promise.all(cluster.brokers.map((broker) => broker.ops("readyz")));
      const isServing = (text = "{}"): boolean => {
        const { reasons = [] } = JSON.parse(text) as { readonly reasons?: readonly string[] };
        return reasons.length === 1 && reasons[0]?.startsWith("too little free disk space") === true;
      };
      return answers.every((answer) => isServing(answer?.text)) ? true : null;
    });
    for (const id of BROKERS) fill(filler(id));
    await cluster.leaderOf("kept");
    await expectEverythingThere();
    const refusal = await sendUntilRefused("kept", 1_000);
    expect(isVarveError(refusal) && [refusal.code, refusal.effect]).toEqual(["DISK_FULL", "NOT_APPLIED"]);
    for (const { id, log, running } of cluster.brokers) {
      expect(running.child.exitCode, `broker ${id} lives`).toBeNull();
      expect(log).toContain("this start has the boot id of the last one");
    }
    for (const id of BROKERS) rmSync(filler(id));
    await sendsAgain();
    await cluster.healthy();
    await expectEverythingThere();
  });

  test("a replica that a full disk had no space for is made when space returns, although nothing else changes", async () => {
    fill(filler(3));
    await cluster.client.admin.createTopic({ topic: "late", partitions: 12, replicas: 3 });
    const broker = cluster.broker(3);
    await until("broker 3 cannot make them", () =>
      broker.log.includes("could not be brought to what the controller wants") ? true : null,
    );
    rmSync(filler(3));
    await cluster.healthy();
  });
});

/** Takes all that is left of a disk. */
function fill(path: string): void {
  const fd = openSync(path, "a");
  const piece = Buffer.alloc(MIB);
  try {
    for (let bytes = piece.length; bytes >= 1; ) {
      try {
        if (writeSync(fd, piece, 0, bytes) < bytes) bytes >>= 1;
      } catch {
        bytes >>= 1;
      }
    }
  } finally {
    closeSync(fd);
  }
}
