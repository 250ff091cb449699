/** sdk-cluster.ts: three broker processes, clients of them and a load on them, for the tests that break such a cluster. */
import { type PartitionDetails, Varve } from "@varve/client";
import { LocalBrokers } from "varve";
import { expect } from "vitest";
import { SdkLoad, waitUntil } from "./sdk-load.js";
import { isAlive } from "./varve-process.js";

const REPLICAS = 3;
const HEALTHY_MS = 30_000;

export const TOPIC = "orders";
export const PARTITIONS = 6;

export class SdkCluster {
  readonly brokers: LocalBrokers;
  private readonly clients: Varve[] = [];
  private readonly loads: SdkLoad[] = [];
  private readonly pids = new Set<number>();

  private constructor(brokers: LocalBrokers) {
    this.brokers = brokers;
  }

  /** Three brokers, or more, with a topic whose partitions have three replicas each and are all led and fully replicated. */
  static async start(brokers = REPLICAS): Promise<SdkCluster> {
    const cluster = new SdkCluster(await LocalBrokers.start(brokers));
    const client = cluster.client();
    await client.admin.createTopic({ topic: TOPIC, partitions: PARTITIONS, replicas: REPLICAS });
    await cluster.isHealthy(client);
    return cluster;
  }

  get ids(): number[] {
    return this.brokers.places().map(({ id }) => id);
  }

  /** A client of its own, which asks the broker `first` first. */
  client(first = 1): Varve {
    const addresses = this.brokers.bootstrap.split(",");
    const bootstrap = [...addresses.slice(first - 1), ...addresses.slice(0, first - 1)];
    const client = new Varve({ bootstrap });
    this.clients.push(client);
    return client;
  }

  load(client: Varve): SdkLoad {
    const load = new SdkLoad(client, TOPIC, PARTITIONS);
    this.loads.push(load);
    return load;
  }

  signal(id: number, signal: NodeJS.Signals): void {
    this.notePids();
    const broker = this.brokers.places().find((place) => place.id === id);
    if (broker === undefined) throw new Error(`there is no broker ${id}`);
    process.kill(broker.pid, signal);
  }

  /** Resolves when every broker is ready and every partition is led and fully replicated. */
  async isHealthy(client: Varve): Promise<void> {
    await waitUntil("the cluster is healthy", HEALTHY_MS, async () => (await client.admin.clusterHealth()).healthy);
  }

  async partitions(client: Varve): Promise<PartitionDetails[]> {
    return (await client.admin.describeTopic(TOPIC)).partitions;
  }

  /** The broker that leads most partitions. */
  async busiestLeader(client: Varve): Promise<number> {
    const leaders = (await this.partitions(client)).map(({ leader }) => leader);
    const led = (id: number): number => leaders.filter((leader) => leader === id).length;
    return this.ids.reduce((busiest, id) => (led(id) > led(busiest) ? id : busiest));
  }

  /** Ends loads, clients and brokers; no process is left. */
  async stop(): Promise<void> {
    this.notePids();
    await Promise.all(this.loads.map((load) => load.close()));
    // A client whose cluster is broken waits for its deliveries; the brokers need not wait for it.
    const closed = Promise.all(this.clients.map((client) => client.close()));
    await this.brokers.stop({ keepFiles: false });
    await closed;
    expect([...this.pids].filter(isAlive)).toEqual([]);
  }

  private notePids(): void {
    for (const { pid } of this.brokers.places()) this.pids.add(pid);
  }
}

/**
 * Freezes the leader of most partitions for `frozenMs`, under load: its connections stay open and nothing answers on them. Checks that
 * the load gets on all the while, and afterwards that nothing was lost; also for a client that starts meanwhile and asks it first.
 */
export async function freezeLeader(cluster: SdkCluster, frozenMs: number): Promise<void> {
  const client = cluster.client();
  const load = cluster.load(client);
  await load.getsOn("before the freeze");
  const leader = await cluster.busiestLeader(client);
  cluster.signal(leader, "SIGSTOP");
  const endMs = performance.now() + frozenMs;
  const partitions = await cluster.partitions(cluster.client(leader));
  expect(partitions).toHaveLength(PARTITIONS);
  while (performance.now() < endMs) await load.getsOn("while a broker is frozen");
  expect((await cluster.partitions(client)).map((partition) => partition.leader)).not.toContain(leader);
  cluster.signal(leader, "SIGCONT");
  await cluster.isHealthy(client);
  await load.getsOn("after the freeze");
  await load.finish();
}
