/**
 * start-cluster.ts: real brokers in this process, for tests: the broker's own composition root, real sockets on loopback, disks in memory.
 *
 * A killed broker loses what it had not synced, as at a power cut; its disk stays for `restart`.
 */
import { type BrokerId, type Logger, silentLogger, VarveError } from "@varve/base";
import { type MemoryKeyValue, memoryKeyValue } from "@varve/base/testing";
import { parseConfig } from "@varve/broker";
import { type RunningBroker, runBroker } from "@varve/broker/node";
import { Varve, type VarveOptions } from "@varve/client";
import { nodeLink } from "@varve/peer/node";
import { partitionableLink, Switchboard } from "@varve/peer/testing";
import { SimDisk } from "@varve/storage/testing";
import { freePorts } from "./free-ports.js";

export interface StartClusterOptions {
  /** 1 .. 9, default 3. Their ids are 1, 2, ... */
  readonly brokers?: number | undefined;
  /** Settings of every broker, shaped as in a broker's configuration file. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  /** Lines of all brokers; default: none. */
  readonly logger?: Logger | undefined;
  /** Give up when the brokers are not ready by then, milliseconds; default 30,000. */
  readonly timeoutMs?: number | undefined;
}

/** A running test cluster. Close it, or the process does not end. */
export interface TestCluster {
  /** Addresses of all brokers, for `new Varve({ bootstrap })`. */
  readonly bootstrap: string[];
  readonly brokerIds: readonly BrokerId[];
  /** A connected client; `close` closes it too. */
  varve(options?: Omit<VarveOptions, "bootstrap">): Varve;
  /** Ends a broker as a power cut does: unsynced bytes are gone. */
  kill(brokerId: BrokerId): Promise<void>;
  /** Ends a broker in order: leaderships move away first. */
  stop(brokerId: BrokerId): Promise<void>;
  /**
   * Starts a killed or stopped broker on its disk; resolves when it is ready. Where fewer than a majority of the brokers run, none can
   * be: then it resolves when the broker listens, and the brokers become ready as others follow.
   */
  restart(brokerId: BrokerId): Promise<void>;
  /** Nothing passes between the two sides, either way. Clients still reach everyone. */
  partition(left: readonly BrokerId[], right: readonly BrokerId[]): void;
  heal(): void;
  /** A broker's metrics, as its operators' port shows them. */
  metrics(brokerId: BrokerId): Promise<string>;
  close(): Promise<void>;
}

const PORTS_PER_BROKER = 3;

interface Member {
  readonly id: BrokerId;
  readonly disk: SimDisk;
  readonly keyValue: MemoryKeyValue;
  readonly ports: { readonly grpcPort: number; readonly peerPort: number; readonly opsPort: number };
  running: RunningBroker | null;
}

/** Starts brokers and resolves when all are ready. @throws VarveError TIMEOUT; nothing is left running. */
export async function startCluster(options: StartClusterOptions = {}): Promise<TestCluster> {
  const count = options.brokers ?? 3;
  if (!Number.isInteger(count) || count < 1 || count > 9) {
    throw new VarveError("INVALID_ARGUMENT", {
      message: `brokers must be 1 .. 9, not ${count}; nothing was started`,
      effect: "NONE",
    });
  }
  const ports = await freePorts(count * PORTS_PER_BROKER);
  const members: Member[] = Array.from({ length: count }, (_, at) => {
    const [grpcPort = 0, peerPort = 0, opsPort = 0] = ports.slice(at * PORTS_PER_BROKER, (at + 1) * PORTS_PER_BROKER);
    const listeners = { grpcPort, peerPort, opsPort };
    return { id: at + 1, disk: new SimDisk(), keyValue: memoryKeyValue(), ports: listeners, running: null };
  });
  const cluster = new Cluster(members, options);
  try {
    await Promise.all(members.map((member) => cluster.restart(member.id)));
    cluster.started = true;
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

class Cluster implements TestCluster {
  private readonly members: readonly Member[];
  private readonly options: StartClusterOptions;
  private readonly switchboard = new Switchboard();
  private readonly clients: Varve[] = [];
  /** All were ready once; before that, each waits for all. */
  started = false;

  constructor(members: readonly Member[], options: StartClusterOptions) {
    this.members = members;
    this.options = options;
  }

  get bootstrap(): string[] {
    return this.members.map(({ ports }) => `127.0.0.1:${ports.grpcPort}`);
  }

  get brokerIds(): readonly BrokerId[] {
    return this.members.map(({ id }) => id);
  }

  varve(options: Omit<VarveOptions, "bootstrap"> = {}): Varve {
    const client = new Varve({ ...options, bootstrap: this.bootstrap });
    this.clients.push(client);
    return client;
  }

  async kill(brokerId: BrokerId): Promise<void> {
    const member = this.member(brokerId);
    const { running } = member;
    member.running = null;
    member.disk.crash("lose");
    await running?.kill();
  }

  async stop(brokerId: BrokerId): Promise<void> {
    const member = this.member(brokerId);
    const { running } = member;
    member.running = null;
    await running?.stop();
  }

  async restart(brokerId: BrokerId): Promise<void> {
    const member = this.member(brokerId);
    if (member.running !== null) return;
    const { disk, keyValue, ports } = member;
    const running = await runBroker(this.configOf(member), {
      logger: this.options.logger ?? silentLogger,
      disk: disk.process(),
      walThread: disk.walThread(),
      keyValue,
      link: partitionableLink(nodeLink, brokerId, this.switchboard),
      watchProcess: false,
    });
    member.running = running;
    running.ready.catch(() => {});
    const up = this.members.filter((other) => other.running !== null).length;
    if (this.started && up * 2 <= this.members.length) return;
    await this.inTime(running.ready, `broker ${brokerId} on port ${ports.grpcPort}`);
  }

  partition(left: readonly BrokerId[], right: readonly BrokerId[]): void {
    this.switchboard.partition(left, right);
  }

  heal(): void {
    this.switchboard.heal();
  }

  async metrics(brokerId: BrokerId): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.member(brokerId).ports.opsPort}/metrics`);
    return response.text();
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.splice(0).map((client) => client.close()));
    await Promise.all(
      this.members.map(async (member) => {
        const { running } = member;
        member.running = null;
        await running?.kill();
      }),
    );
  }

  private member(brokerId: BrokerId): Member {
    const member = this.members.find(({ id }) => id === brokerId);
    if (member !== undefined) return member;
    throw new VarveError("INVALID_ARGUMENT", {
      message: `there is no broker ${brokerId} in this cluster`,
      effect: "NONE",
    });
  }

  private configOf({ id, ports }: Member): ReturnType<typeof parseConfig> {
    return parseConfig({
      ...this.options.config,
      brokerId: id,
      dataDir: `/broker-${id}`,
      cluster: { seeds: this.members.map((member) => `127.0.0.1:${member.ports.peerPort}`) },
      listen: ports,
    });
  }

  private async inTime(ready: Promise<void>, what: string): Promise<void> {
    const timeoutMs = this.options.timeoutMs ?? 30_000;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () =>
          reject(
            new VarveError("TIMEOUT", { message: `${what} was not ready within ${timeoutMs} ms`, effect: "NONE" }),
          ),
        timeoutMs,
      );
    });
    try {
      await Promise.race([ready, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
