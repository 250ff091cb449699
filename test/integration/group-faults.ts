/** group-faults.ts: a group of four worker processes, under load, while something happens to brokers: it gets on each time, and how soon. */
import type { Varve } from "@varve/client";
import type { TestCluster } from "@varve/testing";
import { expect } from "vitest";
import { longestPauseMs, prove } from "./group-history.js";
import { GroupLoad } from "./group-load.js";
import { GroupObserver } from "./group-observer.js";
import { machineMs } from "./group-report.js";
import { GroupWorkers } from "./group-workers.js";
import type { SdkCluster } from "./sdk-cluster.js";
import { waitUntil } from "./sdk-load.js";

const WORKERS = 4;
const PARTITIONS = 8;
const PER_SECOND = 160;
const REPLICAS = 3;
const HEALTHY_MS = 30_000;

/** What happens to a broker. */
export interface Fault {
  /** For people: `kill -9 of broker 2`. */
  readonly name: string;
  /** How long the fault stays at least, milliseconds. */
  readonly holdMs: number;
  /** Nobody can get on before it ends: a majority of brokers is away. */
  readonly stopsAll?: boolean;
  readonly begin: () => Promise<void> | void;
  /** Resolves when all is well again. */
  readonly end: () => Promise<void>;
}

/** A group at work on a topic of its own. */
export class FaultedGroup {
  private readonly client: Varve;
  private readonly workers: GroupWorkers;
  private readonly load: GroupLoad;
  private readonly observer: GroupObserver;

  private constructor(client: Varve, workers: GroupWorkers, load: GroupLoad, observer: GroupObserver) {
    this.client = client;
    this.workers = workers;
    this.load = load;
    this.observer = observer;
  }

  /** Resolves when all partitions are worked on. */
  static async start(client: Varve, bootstrap: readonly string[], name: string): Promise<FaultedGroup> {
    await client.admin.createTopic({ topic: name, partitions: PARTITIONS, replicas: REPLICAS });
    const plan = { sessionTimeoutMs: 10_000, stallTimeoutMs: 2_000, workMs: [0, 10] as const };
    const workers = new GroupWorkers(bootstrap, name, name, plan);
    await workers.startSharing(WORKERS, PARTITIONS);
    const load = new GroupLoad(client, name, PARTITIONS, PER_SECOND);
    await load.getsThrough(workers, "before any fault");
    return new FaultedGroup(client, workers, load, new GroupObserver(client, name));
  }

  /** The broker that coordinates the group. */
  async coordinator(): Promise<number> {
    return (await this.client.admin.describeGroup(this.workers.group)).coordinator;
  }

  /** Lets it happen, and end; the group must get on during it and after it. Answers the longest pause of any partition. */
  async strike({ name, holdMs, stopsAll = false, begin, end }: Fault): Promise<number> {
    const { workers, load } = this;
    const coordinator = await this.coordinator();
    const fromMs = machineMs();
    await begin();
    if (stopsAll)
      await new Promise((resolve) => setTimeout(resolve, holdMs)); // There is no state to wait for.
    else
      do await load.getsThrough(workers, `during ${name}`);
      while (machineMs() < fromMs + holdMs);
    await end();
    await load.getsThrough(workers, `after ${name}`);
    const partitions = [...Array(PARTITIONS).keys()];
    const pauseMs = Math.round(longestPauseMs(workers.all, fromMs, machineMs(), partitions));
    process.stdout.write(`${name} (coordinator ${coordinator}): longest pause of a partition ${pauseMs} ms\n`);
    return pauseMs;
  }

  /**
   * Ends load and workers, and proves what group-history.ts says; nobody was taken for dead. Answers why workers said that they stalled,
   * with N for figures.
   */
  async finish(): Promise<string[]> {
    const { workers, load, observer } = this;
    await load.finish(workers);
    await observer.stop();
    expect(workers.running).toHaveLength(WORKERS);
    await workers.close();
    expect(observer.violations).toEqual([]);
    const proof = prove(workers.all, load, observer.seen);
    const stalls = workers.all.flatMap((worker) => worker.of("stalled").map(({ reason }) => reason));
    expect(stalls.filter((reason) => reason === "")).toEqual([]);
    const reasons = [...new Set(stalls.map((reason) => reason.replaceAll(/\d+(\.\d+)?/g, "N")))];
    process.stdout.write(`${JSON.stringify({ ...proof, stalls: stalls.length, reasons })}\n`);
    return reasons;
  }

  /** Ends everything at once. */
  async kill(): Promise<void> {
    await this.load.close();
    await this.observer.stop().catch(() => {}); // The cluster may be gone; what matters was proven before.
    await this.workers.kill();
  }
}

/** kill -9; the broker is started again once the group gets on without it. */
export function killed(cluster: SdkCluster, client: Varve, id: number): Fault {
  return {
    name: `kill -9 of broker ${id}`,
    holdMs: 0,
    begin: () => cluster.signal(id, "SIGKILL"),
    end: async () => {
      await cluster.brokers.restart(id);
      await cluster.isHealthy(client);
    },
  };
}

/** SIGSTOP of a majority: nothing can be fetched or committed, and whoever coordinates says nothing. */
export function freezeMost(cluster: SdkCluster, client: Varve, holdMs: number): Fault {
  const [, ...most] = cluster.ids;
  return {
    name: `${holdMs} ms SIGSTOP of brokers ${most.join(", ")}`,
    holdMs,
    stopsAll: true,
    begin: () => most.forEach((id) => void cluster.signal(id, "SIGSTOP")),
    end: async () => {
      for (const id of most) cluster.signal(id, "SIGCONT");
      await cluster.isHealthy(client);
    },
  };
}

/** SIGSTOP: its connections stay open, and nothing answers on them. */
export function freeze(cluster: SdkCluster, client: Varve, id: number, holdMs: number): Fault {
  return {
    name: `${holdMs} ms SIGSTOP of broker ${id}`,
    holdMs,
    begin: () => cluster.signal(id, "SIGSTOP"),
    end: async () => {
      cluster.signal(id, "SIGCONT");
      await cluster.isHealthy(client);
    },
  };
}

/** Its links to the other brokers are cut; clients still reach it, and it does not know at first that it leads no more. */
export function cutOff(cluster: TestCluster, client: Varve, id: number, holdMs: number): Fault {
  const others = cluster.brokerIds.filter((other) => other !== id);
  return {
    name: `${holdMs} ms of broker ${id} cut off`,
    holdMs,
    begin: () => cluster.partition([id], others),
    end: async () => {
      cluster.heal();
      await waitUntil("the cluster is healthy", HEALTHY_MS, async () => (await client.admin.clusterHealth()).healthy);
    },
  };
}
