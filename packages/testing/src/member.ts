/**
 * member.ts: one broker of a test cluster through its lives, with what stays of it in between: its disk, its store, its ports, its relay.
 *
 * Invariant M1: what a killed broker had not synced is gone before anything of its end can be seen.
 */
import type { BrokerId } from "@varve/base";
import { memoryKeyValue, type Prng } from "@varve/base/testing";
import { parseConfig } from "@varve/broker";
import { type PortOverrides, type RunningBroker, runBroker } from "@varve/broker/node";
import { SimDisk } from "@varve/storage/testing";
import { Relay } from "./relay.js";

export interface MemberPorts {
  /** Where clients find the broker, that is its relay. */
  readonly clientPort: number;
  readonly peerPort: number;
}

/** What all members have in common. */
export interface MemberSettings {
  readonly config: Readonly<Record<string, unknown>>;
  readonly seeds: readonly string[];
}

export class Member {
  readonly id: BrokerId;
  readonly ports: MemberPorts;
  readonly relay: Relay;
  /** Draws how many of the store's newest transactions a kill takes. */
  private readonly random: Prng;
  private readonly disk = new SimDisk();
  private readonly keyValue = memoryKeyValue();
  private running: RunningBroker | null = null;

  constructor(id: BrokerId, ports: MemberPorts, random: Prng) {
    this.id = id;
    this.ports = ports;
    this.relay = new Relay(ports.clientPort);
    this.random = random;
  }

  get isRunning(): boolean {
    return this.running !== null;
  }

  /** Where it tells operators how it is; null while it is down. */
  get opsPort(): number | null {
    return this.running?.opsPort ?? null;
  }

  /** Resolves when it listens; then `ready` tells when it serves. It must not be running. */
  async start(settings: MemberSettings, overrides: PortOverrides): Promise<{ readonly ready: Promise<void> }> {
    const { disk, keyValue } = this;
    const running = await runBroker(this.config(settings), {
      ...overrides,
      disk: disk.process(),
      walThread: disk.walThread(),
      keyValue,
      watchProcess: false,
    });
    running.ready.catch(() => {});
    try {
      await this.relay.open(running.grpcPort);
    } catch (error) {
      await running.kill();
      throw error;
    }
    this.running = running;
    return running;
  }

  /** As a power cut does. */
  async kill(): Promise<void> {
    const { running } = this;
    this.running = null;
    this.disk.crash("lose");
    this.keyValue.crash(this.random);
    const killed = running?.kill();
    this.relay.shut();
    await killed;
  }

  /** In order: leaderships move away first. */
  async stop(): Promise<void> {
    const { running } = this;
    this.running = null;
    await running?.stop();
    this.relay.shut();
  }

  /** Ends everything at once; nothing of it is needed any more. */
  async close(): Promise<void> {
    const { running } = this;
    this.running = null;
    this.relay.close();
    await running?.kill();
  }

  private config({ config, seeds }: MemberSettings): ReturnType<typeof parseConfig> {
    return parseConfig({
      ...config,
      brokerId: this.id,
      dataDir: `/broker-${this.id}`,
      cluster: { seeds },
      listen: { grpcPort: 0, peerPort: this.ports.peerPort, opsPort: 0 },
      advertised: { grpcAddress: this.relay.address },
    });
  }
}
