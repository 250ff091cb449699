/**
 * calm-world.ts: a simulated cluster in which nothing happens but what a test does: for measurements on simulated time, which other work on the
 * machine does not disturb.
 */
import { Prng, SimClock } from "@varve/base/testing";
import { SimNetwork } from "@varve/peer/testing";
import { SimRpcNetwork } from "@varve/rpc/testing";
import { breakageOf } from "./breakage.js";
import { Checks, type LiveLeader } from "./checks.js";
import { ClientProcess } from "./client-process.js";
import { Hooks } from "./hooks.js";
import { type ClusterWorld, grpcAddress, Machine } from "./machine.js";
import { NetworkFaults } from "./network-faults.js";
import { drawPlan, type Plan } from "./plan.js";
import { Time } from "./time.js";
import { Trace } from "./trace.js";

const BOOT_MS = 20_000;
const MIB = 2 ** 20;
/** As the product is configured by default, on a machine and a network that are neither fast nor slow. */
const PLAN: Partial<Plan> = {
  brokers: 3,
  replicas: 3,
  groupShards: 1,
  heartbeatMs: 100,
  electionTimeoutMs: 1_000,
  segmentBytes: MIB,
  retentionBytes: -1,
  walFileBytes: MIB,
  checkpointIntervalBytes: MIB,
  tailCacheBytesMax: MIB,
  undrainedBytesMax: 64 * MIB,
  moveBytesPerSecond: 64 * MIB,
  appendBytesMax: MIB,
  syncMs: { least: 0.5, most: 8 },
  driftMax: 0.001,
  wallOffsetMsMax: 500,
};
const NO_OBSERVER = { unary: () => null, received() {} };

export class CalmWorld implements ClusterWorld {
  readonly clock = new SimClock();
  readonly prng: Prng;
  readonly plan: Plan;
  readonly checks = new Checks((groupId) => this.leadersOf(groupId));
  readonly trace = new Trace(() => this.clock.monotonicMs(), null);
  readonly network: SimNetwork;
  readonly networkFaults: NetworkFaults;
  readonly rpc: SimRpcNetwork;
  readonly names: readonly string[];
  readonly hooks = new Hooks();
  readonly breakage = breakageOf(null);
  readonly machines: readonly Machine[];
  readonly time = new Time(this.clock, this.checks);

  /** @param changes to the plan. */
  constructor(seed: number, changes: Partial<Plan> = {}) {
    this.prng = new Prng(seed);
    this.plan = { ...drawPlan(this.prng.fork()), ...PLAN, ...changes };
    this.names = Array.from({ length: this.plan.brokers }, (_, at) => `b${at + 1}`);
    this.network = new SimNetwork({ clock: this.clock, prng: this.prng.fork() });
    this.networkFaults = new NetworkFaults(this.network, this.prng.fork());
    const latency = this.prng.fork();
    this.rpc = new SimRpcNetwork({ clock: this.clock, latencyMs: () => 0.1 + latency.ratio(), fate: () => "pass" });
    this.machines = this.names.map((_, at) => new Machine(at + 1, this));
  }

  /** The brokers run. */
  async boot(): Promise<void> {
    for (const machine of this.machines) machine.start();
    await this.time.until("all brokers are ready", BOOT_MS, () => this.machines.every(({ isReady }) => isReady));
  }

  /** The machine that leads a group; null: none does. */
  leaderOf(groupId: number): Machine | null {
    return this.machines.find((machine) => machine.replica(groupId)?.isLeader() === true) ?? null;
  }

  /** A program that uses the SDK. */
  client(): ClientProcess {
    const { clock, prng, names, rpc } = this;
    const bootstrap = names.map(grpcAddress);
    return new ClientProcess(
      { clock, transport: rpc.transport() },
      { prng: prng.fork(), bootstrap, observer: NO_OBSERVER },
    );
  }

  private leadersOf(groupId: number): LiveLeader[] {
    return this.machines.flatMap((machine) => {
      const replica = machine.replica(groupId);
      return replica?.isLeader() ? [{ log: replica.log, term: replica.node.term }] : [];
    });
  }
}
