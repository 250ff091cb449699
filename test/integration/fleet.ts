/**
 * fleet.ts: brokers of this process on real sockets and simulated disks, one by one: each with its own id, disk and place, so that tests can
 * wipe, damage and exchange what they stand on.
 */
import { silentLogger } from "@varve/base";
import { parseConfig } from "@varve/broker";
import { type RunningBroker, runBroker } from "@varve/broker/node";
import { SimDisk } from "@varve/storage/testing";
import { freePorts } from "./ports.js";

export class Fleet {
  private readonly running: RunningBroker[] = [];

  /** Starts one broker; resolves before it is ready. */
  async start(
    brokerId: number,
    disk: SimDisk,
    peerPort: number,
    seedPorts: readonly number[],
    more: object = {},
  ): Promise<RunningBroker> {
    const config = parseConfig({
      brokerId,
      dataDir: dataDirOf(brokerId),
      cluster: { seeds: seedPorts.map((port) => `127.0.0.1:${port}`) },
      listen: { grpcPort: 0, peerPort, opsPort: 0 },
      ...more,
    });
    const broker = await runBroker(config, {
      logger: silentLogger,
      disk,
      walThread: disk.walThread(),
      watchProcess: false,
    });
    this.running.push(broker);
    broker.ready.catch(() => {});
    return broker;
  }

  /** Starts the brokers that found a cluster; resolves when all are ready. */
  async startSeeds(
    count: number,
    more: object = {},
  ): Promise<{ brokers: RunningBroker[]; ports: number[]; disks: SimDisk[] }> {
    const ports = await freePorts(count);
    const disks = ports.map(() => new SimDisk());
    const brokers = await Promise.all(
      ports.map((port, at) => this.start(at + 1, disks[at] ?? new SimDisk(), port, ports, more)),
    );
    await Promise.all(brokers.map(({ ready }) => ready));
    return { brokers, ports, disks };
  }

  async stop(broker: RunningBroker | undefined): Promise<void> {
    if (broker === undefined) return;
    this.running.splice(this.running.indexOf(broker), 1);
    await broker.stop();
  }

  /** Ends it as a killed process ends. */
  async kill(broker: RunningBroker | undefined): Promise<void> {
    if (broker === undefined) return;
    this.running.splice(this.running.indexOf(broker), 1);
    await broker.kill();
  }

  async killAll(): Promise<void> {
    await Promise.all(this.running.splice(0).map((broker) => broker.kill()));
  }
}

export function dataDirOf(brokerId: number): string {
  return `/broker-${brokerId}`;
}
