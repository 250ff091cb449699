/** group-churn.ts: eight workers with random delays, of which some are killed with -9 and replaced at random, under load. */
import { Prng } from "@varve/base/testing";
import { expect } from "vitest";
import { prove } from "./group-history.js";
import { GroupLoad } from "./group-load.js";
import { GroupObserver } from "./group-observer.js";
import { machineMs } from "./group-report.js";
import { GroupWorkers } from "./group-workers.js";
import type { SdkCluster } from "./sdk-cluster.js";

const WORKERS = 8;
const PARTITIONS = 12;
const PER_SECOND = 200;
const SESSION_MS = 2_000;
const GROUP = "churn";

export interface Churned {
  readonly kills: number;
  readonly records: number;
  readonly redelivered: number;
  readonly losses: number;
}

/** Kills workers for so long, then lets the group finish, and proves what group-history.ts says. */
export async function churn(cluster: SdkCluster, forMs: number, seed: number): Promise<Churned> {
  const prng = new Prng(seed);
  const client = cluster.client();
  await client.admin.createTopic({ topic: GROUP, partitions: PARTITIONS, replicas: 3 });
  const plan = { sessionTimeoutMs: SESSION_MS, workMs: [0, 30] as const };
  const workers = new GroupWorkers(cluster.brokers.bootstrap.split(","), GROUP, GROUP, plan);
  const load = new GroupLoad(client, GROUP, PARTITIONS, PER_SECOND);
  try {
    await workers.startSharing(WORKERS, PARTITIONS);
    await load.getsThrough(workers, "before the first death");
    const observer = new GroupObserver(cluster.client(), GROUP);
    const endMs = machineMs() + forMs;
    while (machineMs() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, prng.between(200, 1_800))); // The pace of deaths.
      await prng.pick(workers.running).kill();
      if (prng.chance(0.2)) await prng.pick(workers.running).kill();
      while (workers.running.length < WORKERS) workers.start();
    }
    await load.getsThrough(workers, "after the last death");
    await load.finish(workers);
    await workers.close();
    await observer.stop();
    expect(observer.violations).toEqual([]);
    const { records, redelivered, losses } = prove(workers.all, load, observer.seen);
    expect(records).toBe(load.ackedCount);
    return { kills: workers.all.length - WORKERS, records, redelivered, losses };
  } finally {
    await load.close();
    await workers.kill();
  }
}
