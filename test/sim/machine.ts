/**
 * machine.ts: one machine of a simulated cluster: a disk and stores that outlive crashes, and on them the shipped broker, put together as
 * `runBroker` does it, with simulated ports.
 */
import { type Logger, VarveError } from "@varve/base";
import { memoryKeyValue, type Prng, type SimClock } from "@varve/base/testing";
import { type BrokerConfig, parseConfig } from "@varve/broker";
import { Broker, type BrokerSettings, brokerServices, type Replica, settingsFrom } from "@varve/broker/testing";
import type { SimNetwork } from "@varve/peer/testing";
import { nodeCodec } from "@varve/records/node";
import type { SimRpcNetwork } from "@varve/rpc/testing";
import type { LogConfig } from "@varve/storage";
import { SimDisk } from "@varve/storage/testing";
import type { Breakage } from "./breakage.js";
import type { Checks } from "./checks.js";
import { type Hook, type Hooks, hookOfStep } from "./hooks.js";
import { FailedSyncEnds } from "./invariants/failed-sync-ends.js";
import { HungDiskEnds } from "./invariants/hung-disk-ends.js";
import { checkBounds } from "./invariants/s14-bounded-queues.js";
import { hookedKeyValue, hookedWalThread } from "./machine-ports.js";
import type { NetworkFaults } from "./network-faults.js";
import { observe } from "./observer.js";
import type { Plan } from "./plan.js";
import { type Oscillator, ProcessClock } from "./process-clock.js";
import { processLink } from "./process-link.js";
import type { Trace } from "./trace.js";
import { Violation } from "./violation.js";

/** What all machines share. */
export interface ClusterWorld {
  readonly clock: SimClock;
  readonly prng: Prng;
  readonly plan: Plan;
  readonly network: SimNetwork;
  readonly networkFaults: NetworkFaults;
  readonly rpc: SimRpcNetwork;
  readonly names: readonly string[];
  readonly checks: Checks;
  readonly trace: Trace;
  readonly hooks: Hooks;
  readonly breakage: Breakage;
}

const PEER_PORT = 7_651;
const GRPC_PORT = 7_650;
const RESTART_MS = 1_000;
const BOUNDS_EVERY_MS = 50;
/** Longer than a sync on a slow disk. */
const AFTER_HANG_MS = 3_000;
/** A process that was told to stop is killed after so long, as by a supervisor. */
const STOP_MS_MAX = 10_000;
/** Of that, for leaderships to move. */
const LEAVE_MS_MAX = 5_000;
const METER = { produced() {}, fetched() {}, committed() {}, leaderChanged() {} };

export function grpcAddress(name: string): string {
  return `${name}:${GRPC_PORT}`;
}

function portTaken(name: string): VarveError {
  return new VarveError("ADDRESS_UNUSABLE", { message: `port ${PEER_PORT} of ${name} is in use` });
}

interface Process {
  readonly clock: ProcessClock;
  readonly hungDisk: HungDiskEnds;
  readonly failedSync: FailedSyncEnds;
  broker: Broker | null;
  isReady: boolean;
  /** It was told to stop. */
  isStopping: boolean;
}

export class Machine {
  readonly id: number;
  readonly name: string;
  readonly oscillator: Oscillator;
  readonly disk: SimDisk;
  /** Makes every sync this much slower. */
  syncSlowdown = 1;
  /** No sync is faster than this. */
  syncMsMin = 0;
  /** Until then, in the world's time, no call of the disk ends. */
  private stalledUntilMs = 0;
  /** Until then its process may find out that the disk hangs, and end. */
  private hangsUntilMs = Number.NEGATIVE_INFINITY;
  private pausedAtMs = 0;
  /** Its disk has failed or was damaged on purpose: from now on it may refuse to start, or quarantine what is hurt. */
  isDamaged = false;
  /** A sync fails, or has failed, in the process that runs. */
  syncFails = false;
  /** Nearly nothing fits on its disk. */
  isFull = false;
  /** Somebody else has its port: its next start fails after its data directory was opened, and the one after that works. */
  isPortTaken = false;
  /** The cluster was asked to let this broker go. */
  isLeaving = false;
  /** Its disk was lost, and the cluster has not been told yet: it must not start. */
  isAway = false;
  private readonly world: ClusterWorld;
  private readonly prng: Prng;
  private readonly keyValue = memoryKeyValue();
  private process: Process | null = null;
  private refusal: string | null = null;
  private hasRetired = false;
  /** It was to start while its last process had not ended. */
  private startsAgain = false;
  private lastControllerReplicaId: number | null = null;
  /** The newest flush of the WAL: rot in it cannot be told from a torn end. */
  private lastFlush: { readonly path: string; readonly position: number } | null = null;

  constructor(id: number, world: ClusterWorld) {
    const { plan } = world;
    this.id = id;
    this.name = world.names[id - 1] ?? "";
    this.world = world;
    this.prng = world.prng.fork();
    this.oscillator = {
      rate: 1 + (2 * this.prng.ratio() - 1) * plan.driftMax,
      wallOffsetMs: Math.round((2 * this.prng.ratio() - 1) * plan.wallOffsetMsMax),
    };
    this.disk = this.createDisk();
  }

  get isUp(): boolean {
    return this.process !== null;
  }

  get isReady(): boolean {
    return this.process?.isReady === true && !this.process.clock.isPaused;
  }

  /** Ready, or out of service for a reason: its disk is damaged and it refuses to start, or it was decommissioned. */
  get isWell(): boolean {
    return this.isReady || this.isRetired || (this.refusal !== null && this.isDamaged);
  }

  /** Whether the cluster has let this broker go for good. */
  get isRetired(): boolean {
    return this.broker?.isDecommissioned === true || this.hasRetired;
  }

  /** The broker that runs, paused or not. */
  get broker(): Broker | null {
    return this.process?.broker ?? null;
  }

  /** Whether its process may end because of its disk; what began while that hung takes its own time, too. */
  private get mayFail(): boolean {
    return this.syncFails || this.isFull || this.world.clock.monotonicMs() < this.hangsUntilMs + AFTER_HANG_MS;
  }

  replica(groupId: number): Replica | null {
    return this.broker?.host.get(groupId) ?? null;
  }

  /** Of the controller's group, also while it is down; null: it never had one. */
  get controllerReplicaId(): number | null {
    return this.replica(0)?.id ?? this.lastControllerReplicaId;
  }

  start(): void {
    if (this.process?.isStopping === true) this.startsAgain = true;
    if (this.process !== null || this.isAway || this.hasRetired) return;
    const process: Process = {
      clock: new ProcessClock(this.world.clock, this.oscillator),
      failedSync: new FailedSyncEnds(this.name, this.disk.failedSyncs),
      hungDisk: new HungDiskEnds(this.name, this.world.plan.hungDiskMs, BOUNDS_EVERY_MS),
      broker: null,
      isReady: false,
      isStopping: false,
    };
    this.process = process;
    this.startsAgain = false;
    this.refusal = null;
    this.syncFails = false;
    this.disk.healSyncs();
    this.note("start");
    this.boot(process).catch((error: unknown) => {
      if (this.process === process && !process.isStopping) this.bootFailed(error);
    });
  }

  /** The process is asked to end: it hands its leaderships over and writes what waits; one that takes too long, or only begins, is killed. */
  stop(): void {
    const { process } = this;
    if (process === null || process.isStopping) return;
    this.note("stop");
    process.isStopping = true;
    process.isReady = false;
    const ended = (): void => {
      if (this.process !== process) return;
      const again = this.startsAgain;
      this.kill();
      if (again) this.start();
    };
    if (process.broker === null) {
      ended();
      return;
    }
    this.world.clock.setTimer(STOP_MS_MAX, ended);
    this.leave(process.broker).then(ended, (error: unknown) => {
      if (this.process === process && !this.isDamaged && !this.mayFail) this.world.checks.fail(error);
    });
  }

  /** As `runBroker` does it. */
  private async leave(broker: Broker): Promise<void> {
    await broker.leave(LEAVE_MS_MAX);
    this.world.rpc.stop(grpcAddress(this.name));
    await broker.stop();
  }

  /** The power goes: the process, and any of the writes that were not synced. */
  crash(isSilent: boolean): void {
    if (!this.end("crash", isSilent)) return;
    this.disk.crash(this.prng);
    this.keyValue.crash(this.prng);
  }

  /** The process ends and the system lives on: what it had written is there. */
  kill(): void {
    if (!this.end("kill", false)) return;
    this.disk.killProcess();
    this.keyValue.kill();
  }

  /** No call of the disk ends for so long. */
  stall(forMs: number): void {
    this.stalledUntilMs = Math.max(this.stalledUntilMs, this.world.clock.monotonicMs() + forMs);
  }

  /** The same, until the machine is switched off and on: its process is to notice and end. */
  hang(forMs: number): void {
    this.stall(forMs);
    this.hangsUntilMs = this.stalledUntilMs;
  }

  /**
   * The disk answers again, and fails no sync that has not begun; a process that waits for one that hung is started anew.
   * @returns how long calls that had begun before may still take, milliseconds.
   */
  healDisk(): number {
    const leftMs = Math.max(0, this.stalledUntilMs - this.world.clock.monotonicMs());
    const hangs = this.sawHangUntilMs() > this.world.clock.monotonicMs();
    if (hangs) this.kill();
    this.stalledUntilMs = 0;
    this.hangsUntilMs = Number.NEGATIVE_INFINITY;
    this.disk.healSyncs();
    return hangs ? 0 : leftMs;
  }

  /** The files of its stores are gone, when it is down. */
  loseStore(): void {
    if (!this.isUp) this.keyValue.loseAll();
  }

  /** The disk is lost; `isAway` until the cluster knows. `keepsIdentity`: it comes back with nothing but who it was. */
  wipe(keepsIdentity: boolean): void {
    this.crash(true);
    this.note("wipe");
    this.isDamaged = true;
    this.isAway = !keepsIdentity;
    this.disk.wipe((path) => keepsIdentity && (path === "/data" || path === "/data/node.json"));
    this.keyValue.loseAll();
    if (keepsIdentity) this.start();
  }

  /** The cluster has let it go while it was down: it stays down. */
  retire(): void {
    this.hasRetired = true;
  }

  /** How much of a file was durable before the newest flush began: what damage may hit. */
  safeEnd(path: string): number {
    const { length } = this.disk.contentOf(path);
    if (!path.endsWith(".wal") || this.lastFlush === null) return length;
    if (path === this.lastFlush.path) return Math.min(length, this.lastFlush.position);
    return path < this.lastFlush.path ? length : 0;
  }

  pause(): void {
    if (this.process === null) return;
    if (!this.process.clock.isPaused) this.pausedAtMs = this.world.clock.monotonicMs();
    this.process.clock.pause();
    this.world.rpc.silence(grpcAddress(this.name));
  }

  resume(): void {
    this.hangsUntilMs = this.sawHangUntilMs();
    this.process?.clock.resume();
    this.world.rpc.resume(grpcAddress(this.name));
  }

  /** A disk that hung when the process was paused hangs on for it: that it answers again is not the first thing it will learn. */
  private sawHangUntilMs(): number {
    if (this.process?.clock.isPaused !== true || this.pausedAtMs >= this.hangsUntilMs) return this.hangsUntilMs;
    return Math.max(this.hangsUntilMs, this.world.clock.monotonicMs() + 1);
  }

  private end(how: string, isSilent: boolean): boolean {
    const { process } = this;
    if (process === null) return false;
    this.note(how);
    this.lastControllerReplicaId = this.controllerReplicaId;
    this.process = null;
    process.clock.kill();
    this.world.rpc.stop(grpcAddress(this.name));
    this.world.network.crash(this.name, { silent: isSilent });
    return true;
  }

  private async boot(process: Process): Promise<void> {
    const { world, disk, keyValue } = this;
    const { clock } = process;
    const random = this.prng.fork();
    const config = this.config();
    const reached = (hook: Hook): boolean => this.reached(process, hook);
    const link = processLink(world.network.host(this.name), clock);
    const ports = world.breakage.ports({ disk: disk.process(), walThread: disk.walThread() });
    const broker = await Broker.start(this.settings(config), {
      clock,
      random,
      logger: this.logger(process),
      disk: ports.disk,
      walThread: hookedWalThread(ports.walThread, reached, (path, position) => {
        this.lastFlush = { path, position };
      }),
      codec: nodeCodec,
      keyValue: hookedKeyValue(keyValue, reached),
      link: this.isPortTaken ? { ...link, listen: () => Promise.reject(portTaken(this.name)) } : link,
      meter: METER,
      onFlush() {},
      onFatal: (error) => this.failed(process, error),
      faults: world.breakage.faults,
    });
    process.broker = broker;
    this.observe(process, broker);
    const services = brokerServices(broker, { config, random, failed() {}, groupShards: world.plan.groupShards });
    const address = grpcAddress(this.name);
    world.rpc.serve(address, { log: services.log, group: services.group, admin: services.admin });
    this.watchBounds(process, broker);
    await broker.becomeReady({ grpcAddress: address, opsAddress: `${this.name}:7652` });
    process.isReady = true;
    this.note("ready");
  }

  private observe(process: Process, broker: Broker): void {
    const { world } = this;
    observe({
      name: this.name,
      broker,
      checks: world.checks,
      logConfig: (config) => this.logConfig(config),
      mayBeDamaged: () => this.isDamaged,
      note: (what, ...numbers) => world.trace.note(this.name, what, ...numbers),
      onLog: (log) => world.breakage.onLog(log),
      onStateMachine: (stateMachine) => world.breakage.onStateMachine(stateMachine),
      onReplica: (replica) => world.breakage.onReplica(replica),
      onSend: (to, send) => {
        if (this.process !== process) return false;
        return world.networkFaults.send([this.name, world.names[to - 1] ?? ""], process.clock, send);
      },
      reached: (hook) => void this.reached(process, hook),
    });
  }

  /** A hook may act here: true when this process is no more. */
  private reached(process: Process, hook: Hook): boolean {
    if (this.process !== process) return true;
    const action = this.world.hooks.maybe(hook, this.name);
    if (action === null) return false;
    this.note(`${action} at ${hook}`);
    if (action === "pause") {
      this.pause();
      this.world.clock.setTimer(100 + this.prng.ratio() * 4_000, () => {
        if (this.process === process) this.resume();
      });
      return false;
    }
    // What is left of this turn must have no effect; the rest of the end follows when the code under test is not on the stack.
    process.clock.kill();
    this.disk.powerOff();
    this.world.network.crash(this.name);
    this.world.clock.setTimer(0, () => {
      if (this.process !== process) return;
      if (action === "kill") this.kill();
      else this.crash(false);
    });
    this.world.clock.setTimer(200 + this.prng.ratio() * 3_000, () => this.start());
    return true;
  }

  /** The process says that its disk has failed and ends, as the shipped one does. */
  private failed(process: Process, error: Error): void {
    if (this.process !== process) return;
    // A broker ends when it finds that the controller's log is damaged: its next start asks for a fresh replica.
    const isMet =
      this.mayFail || (this.isDamaged && error.message.includes("controller's log in this data directory is damaged"));
    if (!isMet) this.world.checks.fail(new Violation("no-failure", `${this.name}: ${error.stack ?? error.message}`));
    this.note(`ends: ${error.message}`);
    process.clock.kill();
    this.world.clock.setTimer(0, () => {
      if (this.process !== process) return;
      this.kill();
      this.healDisk();
    });
    this.world.clock.setTimer(500 + this.prng.ratio() * 2_000, () => this.start());
  }

  private bootFailed(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (this.isPortTaken) {
      this.note(`does not start: ${text}`);
      this.isPortTaken = false;
      this.kill();
      this.world.clock.setTimer(RESTART_MS, () => this.start());
      return;
    }
    const isRetired = this.broker?.isDecommissioned === true || (this.isLeaving && text.includes("decommissioned"));
    if (!this.isDamaged && !this.mayFail && !isRetired) this.world.checks.fail(error);
    this.note(`does not start: ${text}`);
    this.kill();
    if (isRetired) this.hasRetired = true;
    else if (this.mayFail) this.world.clock.setTimer(RESTART_MS, () => this.start());
    else this.refusal = text;
  }

  private watchBounds(process: Process, broker: Broker): void {
    process.clock.setTimer(BOUNDS_EVERY_MS, () => {
      this.world.checks.note(() => {
        checkBounds(this.name, broker);
        process.hungDisk.check(broker.storage.pendingWrite());
        process.failedSync.check(this.disk.failedSyncs);
      });
      this.watchBounds(process, broker);
    });
  }

  private config(): BrokerConfig {
    return parseConfig({ brokerId: this.id, dataDir: "/data", cluster: { seeds: this.seeds() } });
  }

  private settings(config: BrokerConfig): BrokerSettings {
    const { plan } = this.world;
    return {
      ...settingsFrom(config, this.name),
      listenHost: this.name,
      peerPort: PEER_PORT,
      peerAddress: `${this.name}:${PEER_PORT}`,
      heartbeatMs: plan.heartbeatMs,
      electionTimeoutMs: plan.electionTimeoutMs,
      appendBytesMax: plan.appendBytesMax,
      walFileBytes: plan.walFileBytes,
      tailCacheBytesMax: plan.tailCacheBytesMax,
      undrainedBytesMax: plan.undrainedBytesMax,
      moveBytesPerSecond: plan.moveBytesPerSecond,
      hungDiskMs: plan.hungDiskMs,
      checkpointIntervalBytes: plan.checkpointIntervalBytes,
      diskReserveBytes: 0,
    };
  }

  /** Topics that have a bound of bytes get the plan's; sizes of topics cannot be set as small as this. */
  private logConfig(config: LogConfig): LogConfig {
    const { segmentBytes, retentionBytes } = this.world.plan;
    return { ...config, segmentBytes, retentionBytes: config.retentionBytes < 0 ? -1 : retentionBytes };
  }

  private seeds(): string[] {
    return this.world.names.map((name) => `${name}:${PEER_PORT}`);
  }

  private createDisk(): SimDisk {
    const { world } = this;
    const { least, most } = world.plan.syncMs;
    const latency = this.prng.fork();
    const disk = new SimDisk({
      // The disk outlives its processes: each call's wait belongs to the process that made it.
      clock: {
        monotonicMs: () => world.clock.monotonicMs(),
        wallMs: () => world.clock.wallMs(),
        setTimer: (delayMs, callback) => (this.process?.clock ?? world.clock).setTimer(delayMs, callback),
        defer: (callback) => (this.process?.clock ?? world.clock).defer(callback),
      },
      latencyMs: (kind) => {
        const stallMs = Math.max(0, this.stalledUntilMs - world.clock.monotonicMs());
        if (kind !== "sync") return stallMs;
        const syncMs = (least + latency.ratio() * (most - least)) * this.syncSlowdown;
        return stallMs + Math.max(this.syncMsMin, syncMs);
      },
    });
    disk.onStep = (step) => {
      const hook = hookOfStep(step);
      if (hook !== null && this.process !== null) this.reached(this.process, hook);
    };
    return disk;
  }

  private note(what: string): void {
    this.world.trace.note(this.name, what);
  }

  /** An error in the log is one of the code, unless its disk has failed on purpose. */
  private logger(process: Process): Logger {
    const nothing = (): void => {};
    return {
      debug: nothing,
      info: nothing,
      warn: nothing,
      error: (fields, message) => {
        if (this.process !== process || this.isDamaged || this.mayFail) return;
        const cause = "err" in fields ? fields.err : JSON.stringify(fields);
        const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
        this.world.checks.fail(new Violation("no-failure", `${this.name}: ${message}: ${text}`));
      },
    };
  }
}
