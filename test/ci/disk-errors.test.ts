import type { Producer } from "@varve/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FaultBroker } from "../faults/fault-broker.js";
import { FaultCluster } from "../faults/fault-cluster.js";
import { preloadProblem } from "../faults/preload.js";
import { Stopwatch } from "../integration/stopwatch.js";
import { until } from "../integration/varve-process.js";

const problem = preloadProblem();
if (problem !== null) console.warn(`disks that fail are not tested: ${problem}`);

const TOPIC = "orders";
const HUNG_MS = 4_000;
const MIB = String(1024 * 1024);

describe.skipIf(problem !== null)("a disk that fails", () => {
  let cluster: FaultCluster;
  let producer: Producer;
  const acked: string[] = [];

  beforeAll(async () => {
    const settings = {
      VARVE_STORAGE_SLOW_DISK_MS: "500",
      VARVE_STORAGE_HUNG_DISK_MS: String(HUNG_MS),
      VARVE_LIMITS_UNDRAINED_BYTES_MAX: MIB,
      VARVE_LIMITS_UNCOMMITTED_BYTES_PER_GROUP_MAX: MIB,
      VARVE_LIMITS_BATCH_BYTES_MAX: String(256 * 1024),
      VARVE_LIMITS_RECORD_BYTES_MAX: String(128 * 1024),
    };
    cluster = await FaultCluster.start({ brokers: 3, withFaults: true, settings });
    await cluster.client.admin.createTopic({ topic: TOPIC, partitions: 1, replicas: 3 });
    producer = cluster.client.producer();
  });
  afterAll(() => cluster.stop());

  async function send(count: number, bytes = 10): Promise<void> {
    const values = Array.from({ length: count }, (_, at) => `${acked.length + at}-`.padEnd(bytes, "x"));
    for (const value of values) {
      await producer.send({ topic: TOPIC, value });
      acked.push(value);
    }
  }

  const stopwatch = (): Stopwatch => new Stopwatch(cluster.brokers.map(({ running }) => running.pid));

  /** The leader is another one; how long that took. */
  async function leaderMoves(from: FaultBroker, since: Stopwatch): Promise<number> {
    await until("another leader", async () => ((await cluster.leaderOf(TOPIC)).id === from.id ? null : true));
    return since.ms;
  }

  /** The replica that all hand the leadership to when nothing is wrong with it. */
  const preferredLeader = (): Promise<FaultBroker> =>
    until("the preferred replica leads", async () => {
      const [details] = (await cluster.client.admin.describeTopic(TOPIC)).partitions;
      return details?.leader === details?.replicas[0] && details?.leader != null
        ? cluster.broker(details.leader)
        : null;
    });

  async function backAndWhole(broker: FaultBroker): Promise<void> {
    broker.faults?.clear();
    broker.start();
    await broker.ready();
    await cluster.healthy();
    expect(await cluster.values(TOPIC)).toEqual(acked);
  }

  test.each([
    { what: "the write-ahead log", path: "/wal/", bytes: 10 },
    { what: "a segment", path: ".log", bytes: 100_000 },
  ])(
    "an fsync of $what that fails ends the process with a line that names the file and the error",
    async ({ path, bytes }) => {
      await send(1);
      const leader = await cluster.leaderOf(TOPIC);
      leader.faults?.set([{ id: `eio-${bytes}`, call: "sync", path, count: 1, fault: { kind: "error", code: "EIO" } }]);
      const ended = leader.running.finished;
      await send(20, bytes);
      const { code, stdout, stderr } = await ended;
      expect(leader.faults?.hits(`eio-${bytes}`)).toHaveLength(1);
      expect(code).toBe(1);
      const failed = leader.faults?.hits(`eio-${bytes}`)[0]?.path ?? "";
      for (const said of [stdout, stderr]) {
        expect(said).toContain("EIO");
        expect(said).toContain(failed);
      }
      await backAndWhole(leader);
    },
  );

  test("a slow disk costs its broker the leadership, which does not come back while it is slow", async () => {
    const leader = await preferredLeader();
    leader.faults?.set([{ id: "slow", call: "sync", path: "/wal/", fault: { kind: "delay", ms: 800 } }]);
    const since = stopwatch();
    const load = send(20);
    const movedMs = await leaderMoves(leader, since);
    console.log(`a leader with fsyncs of 800 ms was replaced after ${Math.round(movedMs)} ms`);
    expect(movedMs).toBeLessThan(8_000);
    await load;
    const quick = stopwatch();
    await send(100);
    expect(quick.ms, "100 sends one after another").toBeLessThan(800 * 10);
    expect(leader.log).toContain("the disk is slow");
    expect(leader.running.child.exitCode).toBeNull();
    // Twice as long as it takes a leader to hand back to a preferred replica that is well.
    const untilMs = performance.now() + 6_000;
    while (performance.now() < untilMs) {
      await send(1);
      expect((await cluster.leaderOf(TOPIC)).id).not.toBe(leader.id);
    }
    leader.faults?.clear();
    await cluster.healthy();
    expect(await cluster.values(TOPIC)).toEqual(acked);
  });

  test("a disk that hangs costs its broker the leadership at once, and ends the process soon", async () => {
    const leader = await cluster.leaderOf(TOPIC);
    leader.faults?.set([{ id: "hang", call: "sync", path: "/wal/", fault: { kind: "hang" } }]);
    const since = stopwatch();
    const load = send(20);
    const movedMs = await leaderMoves(leader, since);
    const { code, stdout, stderr } = await leader.running.finished;
    const endedMs = since.ms;
    console.log(`a hung leader was replaced after ${Math.round(movedMs)} ms and ended after ${Math.round(endedMs)} ms`);
    expect(movedMs).toBeLessThan(HUNG_MS);
    expect(endedMs).toBeLessThan(HUNG_MS + 3_000);
    expect(code, "not even its exit would have ended").toBeNull();
    for (const said of [stdout, stderr])
      expect(said).toMatch(/the disk has not answered a write or sync of \S+\.wal for 4 s/);
    await load;
    await backAndWhole(leader);
  });
});
