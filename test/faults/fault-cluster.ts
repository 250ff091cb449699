/** fault-cluster.ts: brokers under fault control (`fault-broker.ts`) that form a cluster, with a client of it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Varve } from "@varve/client";
import { freeBasePort } from "../integration/ports.js";
import { until } from "../integration/varve-process.js";
import { FaultBroker } from "./fault-broker.js";
import { buildPreload } from "./preload.js";

export interface FaultClusterOptions {
  readonly brokers: number;
  /** Whether the processes load the fault library. */
  readonly withFaults: boolean;
  readonly power?: boolean;
  /** Where the data of a broker lies; default: in the cluster's folder. */
  readonly dataDir?: (id: number) => string | undefined;
  /** More settings, as variables. */
  readonly settings?: Readonly<Record<string, string>>;
}

export class FaultCluster {
  readonly folder: string;
  readonly brokers: readonly FaultBroker[];
  readonly client: Varve;

  private constructor(folder: string, brokers: readonly FaultBroker[]) {
    this.folder = folder;
    this.brokers = brokers;
    this.client = new Varve({ bootstrap: brokers.map(({ grpc }) => grpc) });
  }

  /** Resolves when all brokers are ready. */
  static async start(options: FaultClusterOptions): Promise<FaultCluster> {
    const folder = mkdtempSync(join(tmpdir(), "varve-fault-cluster-"));
    const library = options.withFaults ? buildPreload(folder) : null;
    const base = await freeBasePort(options.brokers);
    const ids = Array.from({ length: options.brokers }, (_, at) => at + 1);
    const portsOf = (id: number) => {
      const grpc = base + 10 * (id - 1);
      return { grpc, peer: grpc + 1, ops: grpc + 2 };
    };
    const seeds = ids.map((id) => `127.0.0.1:${portsOf(id).peer}`);
    const brokers = ids.map((id) => {
      const dataDir = options.dataDir?.(id);
      const { power = false, settings = {} } = options;
      const place = dataDir === undefined ? {} : { dataDir };
      return new FaultBroker({ id, folder, ...place, ports: portsOf(id), seeds, library, power, settings });
    });
    const cluster = new FaultCluster(folder, brokers);
    try {
      await cluster.startAll();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  broker(id: number): FaultBroker {
    const found = this.brokers.find((broker) => broker.id === id);
    if (found === undefined) throw new Error(`there is no broker ${id}`);
    return found;
  }

  /** Starts all brokers, which must not run; resolves when they are ready. */
  async startAll(): Promise<void> {
    for (const broker of this.brokers) broker.start();
    await Promise.all(this.brokers.map((broker) => broker.ready()));
  }

  /** Resolves when every partition is led and has all its replicas. */
  async healthy(): Promise<void> {
    await until("the cluster is healthy", async () => {
      const health = await this.client.admin.clusterHealth().catch(() => null);
      return health?.healthy === true ? true : null;
    });
  }

  /** The broker that leads a partition; waits for one. */
  async leaderOf(topic: string, partition = 0): Promise<FaultBroker> {
    const id = await until(`${topic}-${partition} has a leader`, async () => {
      const details = await this.client.admin.describeTopic(topic).catch(() => null);
      return details?.partitions[partition]?.leader ?? null;
    });
    return this.broker(id);
  }

  /** All values of a topic's partition, in order, read to its end. */
  async values(topic: string): Promise<string[]> {
    const values: string[] = [];
    for await (const { value } of this.client.reader({ topic, to: "end" })) values.push(String(value));
    return values;
  }

  /** Ends everything; nothing is left on disk. */
  async stop(): Promise<void> {
    for (const broker of this.brokers) broker.faults?.clear();
    const closed = this.client.close();
    await Promise.all(this.brokers.map((broker) => broker.kill().catch(() => undefined)));
    await closed;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
