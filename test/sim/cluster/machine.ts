/**
 * machine.ts: one machine of a simulated cluster: a disk and stores that outlive crashes, and on them the shipped broker, put together as
 * `runBroker` does it, with simulated ports.
 */
import type { Logger } from "@varve/base";
import { memoryKeyValue, type Prng, type SimClock } from "@varve/base/testing";
import { type BrokerConfig, parseConfig } from "@varve/broker";
import { Broker, type BrokerSettings, brokerServices, settingsFrom } from "@varve/broker/testing";
import type { SimNetwork } from "@varve/peer/testing";
import { nodeCodec } from "@varve/records/node";
import type { SimRpcNetwork } from "@varve/rpc/testing";
import { SimDisk } from "@varve/storage/testing";
import { ProcessClock } from "../process-clock.js";
import { processLink } from "../process-link.js";

/** What all machines share. */
export interface ClusterWorld {
  readonly clock: SimClock;
  readonly prng: Prng;
  readonly network: SimNetwork;
  readonly rpc: SimRpcNetwork;
  readonly names: readonly string[];
  note(who: string, what: string): void;
  fail(error: unknown): void;
}

const PEER_PORT = 7_651;
const GRPC_PORT = 7_650;
const KIB = 1_024;
const SYNC_MS_MIN = 0.1;
const SYNC_MS_MAX = 3;
const METER = { produced() {}, fetched() {}, committed() {}, leaderChanged() {} };

export function grpcAddress(name: string): string {
  return `${name}:${GRPC_PORT}`;
}

interface Process {
  readonly clock: ProcessClock;
  broker: Broker | null;
  isReady: boolean;
}

export class Machine {
  readonly id: number;
  readonly name: string;
  private readonly world: ClusterWorld;
  private readonly prng: Prng;
  private readonly disk: SimDisk;
  private readonly keyValue = memoryKeyValue();
  private process: Process | null = null;

  constructor(id: number, world: ClusterWorld) {
    this.id = id;
    this.name = world.names[id - 1] ?? "";
    this.world = world;
    this.prng = world.prng.fork();
    const latency = this.prng.fork();
    this.disk = new SimDisk({
      // The disk outlives its processes: each call's wait belongs to the process that made it.
      clock: {
        monotonicMs: () => world.clock.monotonicMs(),
        wallMs: () => world.clock.wallMs(),
        setTimer: (delayMs, callback) => (this.process?.clock ?? world.clock).setTimer(delayMs, callback),
        defer: (callback) => (this.process?.clock ?? world.clock).defer(callback),
      },
      latencyMs: (kind) => (kind === "sync" ? SYNC_MS_MIN + latency.ratio() * (SYNC_MS_MAX - SYNC_MS_MIN) : 0),
    });
  }

  get isUp(): boolean {
    return this.process !== null;
  }

  get isReady(): boolean {
    return this.process?.isReady === true && !this.process.clock.isPaused;
  }

  start(): void {
    if (this.process !== null) return;
    const process: Process = { clock: new ProcessClock(this.world.clock), broker: null, isReady: false };
    this.process = process;
    this.world.note(this.name, "start");
    this.boot(process).catch((error: unknown) => {
      if (this.process === process) this.world.fail(error);
    });
  }

  /** The power goes: the process, and any of the writes that were not synced. */
  crash(isSilent: boolean): void {
    const { process } = this;
    if (process === null) return;
    this.world.note(this.name, "crash");
    this.process = null;
    process.clock.kill();
    this.world.rpc.stop(grpcAddress(this.name));
    this.world.network.crash(this.name, { silent: isSilent });
    this.disk.crash(this.prng);
    this.keyValue.crash(this.prng);
    if (this.prng.chance(0.1)) this.keyValue.loseAll();
  }

  pause(): void {
    this.process?.clock.pause();
    this.world.rpc.silence(grpcAddress(this.name));
  }

  resume(): void {
    this.process?.clock.resume();
    this.world.rpc.resume(grpcAddress(this.name));
  }

  private async boot(process: Process): Promise<void> {
    const { clock } = process;
    const random = this.prng.fork();
    const config = this.config();
    const broker = await Broker.start(this.settings(config), {
      clock,
      random,
      logger: this.logger(process),
      disk: this.disk,
      walThread: this.disk.walThread(),
      codec: nodeCodec,
      keyValue: this.keyValue,
      link: processLink(this.world.network.host(this.name), clock),
      meter: METER,
      onFlush() {},
      onFatal: (error) => this.world.fail(error),
    });
    process.broker = broker;
    const services = brokerServices(broker, { config, random, failed() {} });
    const address = grpcAddress(this.name);
    this.world.rpc.serve(address, { log: services.log, group: services.group, admin: services.admin });
    await broker.becomeReady({ grpcAddress: address, opsAddress: `${this.name}:7652` });
    process.isReady = true;
    this.world.note(this.name, "ready");
  }

  private config(): BrokerConfig {
    return parseConfig({ brokerId: this.id, dataDir: "/data", cluster: { seeds: this.seeds() } });
  }

  private settings(config: BrokerConfig): BrokerSettings {
    return {
      ...settingsFrom(config, this.name),
      listenHost: this.name,
      peerPort: PEER_PORT,
      peerAddress: `${this.name}:${PEER_PORT}`,
      walFileBytes: this.prng.pick([256 * KIB, 1_024 * KIB]),
      checkpointIntervalBytes: this.prng.pick([16 * KIB, 256 * KIB]),
      diskReserveBytes: 0,
    };
  }

  private seeds(): string[] {
    return this.world.names.map((name) => `${name}:${PEER_PORT}`);
  }

  /** No disk fails and nothing is damaged here: an error in the log is one of the code. */
  private logger(process: Process): Logger {
    const nothing = (): void => {};
    return {
      debug: nothing,
      info: nothing,
      warn: nothing,
      error: (fields, message) => {
        if (this.process !== process) return;
        const cause = "err" in fields ? fields.err : JSON.stringify(fields);
        const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
        this.world.fail(new Error(`${this.name}: ${message}: ${text}`));
      },
    };
  }
}
