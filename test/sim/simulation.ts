/**
 * simulation.ts: one seed from beginning to end: whole brokers, the shipped SDK and a group at work in one process, on one clock.
 *
 * 1. The brokers start, the topic is made.  2. Faults and traffic.  3. A random quorum is healed, the others are kept away: it must serve
 * again in time, and keep its leaders.  4. All is healed; replicas come to the same logs, the group comes to rest.  5. A last look at everything.
 * 6. In some runs more replicas of a partition are damaged than it can lose, and it must refuse to serve.
 */
import { CONTROLLER_GROUP } from "@varve/base";
import { Prng, SimClock } from "@varve/base/testing";
import { SimNetwork } from "@varve/peer/testing";
import { SimRpcNetwork } from "@varve/rpc/testing";
import { breakageOf, type Variant } from "./breakage.js";
import { Checks } from "./checks.js";
import { type Decision, drawDecisions, FAULTS_MS, isFault } from "./decisions.js";
import { DiskFaults } from "./disk-faults.js";
import { Faults } from "./faults.js";
import { checkReplicas } from "./final-read.js";
import { Hooks } from "./hooks.js";
import { checkQuorumServes, drawCore, haveController, keepAway } from "./liveness.js";
import { type ClusterWorld, grpcAddress, Machine } from "./machine.js";
import { NetworkFaults } from "./network-faults.js";
import { drawPlan, type Plan } from "./plan.js";
import { checkRefusal } from "./refusal.js";
import { Time } from "./time.js";
import { Trace, type TraceEvent } from "./trace.js";
import { Workload, type WorkloadCounts } from "./workload.js";

export interface RunOptions {
  readonly seed: number;
  readonly variant?: Variant | null;
  /** Changes to the drawn plan. */
  readonly plan?: Partial<Plan>;
  /** What is done to the cluster, instead of what the seed draws. */
  readonly decisions?: readonly Decision[];
  /** Gets every event of the trace. */
  readonly tell?: (event: TraceEvent) => void;
}

export interface RunReport {
  readonly seed: number;
  readonly hash: string;
  readonly simulatedMs: number;
  readonly counts: WorkloadCounts;
  readonly faults: Readonly<Record<string, number>>;
  readonly hooks: Readonly<Record<string, number>>;
  /** What became of damage beyond what a partition can lose; null: there was none. */
  readonly refusal: "refused" | "not possible" | null;
  readonly violation: { readonly invariant: string; readonly message: string; readonly atMs: number } | null;
}

/** What a seed draws before its run. */
export function drawRun(seed: number, changes: Partial<Plan> = {}): { prng: Prng; plan: Plan; decisions: Decision[] } {
  const prng = new Prng(seed);
  const plan = { ...drawPlan(prng.fork()), ...changes };
  return { prng, plan, decisions: drawDecisions(plan, prng.fork()) };
}

/** What a seed must have seen to count. */
export const SEED_MIN = { simulatedMs: 60_000, acked: 200, faults: 3 } as const;

const BOOT_MS = 20_000;
const READY_MS = 30_000;
const SETTLE_MS = 60_000;
/** Longer than a session lasts, and a rebalance after it. */
const LATE_MS_MAX = 15_000;

/** Runs one seed. Never throws for what the code under test does: that is a violation in the report. */
export async function runSeed(options: RunOptions): Promise<RunReport> {
  const simulation = new Simulation(options);
  const fail = (error: unknown): void => simulation.checks.fail(error);
  // A rejection that nobody handles ends a program that uses the SDK, and a broker.
  process.on("unhandledRejection", fail);
  try {
    await simulation.run();
  } catch (error) {
    fail(error);
  } finally {
    process.off("unhandledRejection", fail);
  }
  return simulation.report();
}

class Simulation implements ClusterWorld {
  readonly clock = new SimClock();
  readonly prng: Prng;
  readonly plan: Plan;
  readonly checks: Checks;
  readonly trace: Trace;
  readonly network: SimNetwork;
  readonly networkFaults: NetworkFaults;
  readonly rpc: SimRpcNetwork;
  readonly names: readonly string[];
  readonly hooks = new Hooks();
  readonly breakage: ClusterWorld["breakage"];
  readonly machines: readonly Machine[];
  private readonly options: RunOptions;
  private readonly decisions: readonly Decision[];
  private readonly faults: Faults;
  private readonly workload: Workload;
  private readonly time: Time;
  private callTrouble: number;
  private lateCommits = 0;
  private refusal: RunReport["refusal"] = null;

  constructor(options: RunOptions) {
    const { seed, variant, tell } = options;
    this.options = options;
    const { prng, plan, decisions } = drawRun(seed, options.plan);
    this.prng = prng;
    this.plan = plan;
    this.decisions = options.decisions ?? decisions;
    this.trace = new Trace(() => this.clock.monotonicMs(), tell ?? null);
    this.breakage = breakageOf(variant ?? null);
    this.checks = new Checks((groupId) => this.leadersOf(groupId));
    this.time = new Time(this.clock, this.checks);
    this.names = Array.from({ length: this.plan.brokers }, (_, at) => `b${at + 1}`);
    this.network = new SimNetwork({ clock: this.clock, prng: this.prng.fork() });
    this.networkFaults = new NetworkFaults(this.network, this.prng.fork());
    this.callTrouble = this.plan.rpcTrouble;
    this.rpc = this.createRpc();
    this.machines = this.names.map((_, at) => new Machine(at + 1, this));
    this.faults = new Faults({
      clock: this.clock,
      machines: this.machines,
      network: this.networkFaults,
      disks: new DiskFaults(
        { clock: this.clock, machines: this.machines, note: (what) => this.trace.note("world", what) },
        this.prng.fork(),
      ),
      hooks: this.hooks,
      leaderBias: this.plan.leaderBias,
      wipedKeepIdentity: this.breakage.variant === "wiped-disk-keeps-identity",
      leaders: () => this.machines.filter((machine) => this.leads(machine)),
      reset: (one, other) => this.network.reset(one.name, other.name),
      replace: (machine) => this.workload.replace(machine),
      setCallTrouble: (ratio) => {
        this.callTrouble = ratio ?? this.plan.rpcTrouble;
      },
      breakCalls: ({ name }) => this.rpc.breakConnections(grpcAddress(name)),
      setLateCommits: (ratio) => {
        this.lateCommits = ratio ?? 0;
      },
      note: (what) => this.trace.note("world", what),
    });
    const leaves = (brokerId: number): void => {
      const machine = this.machines[brokerId - 1];
      if (machine !== undefined) machine.isLeaving = true;
    };
    this.workload = new Workload({ world: this, transport: this.rpc.transport(), time: this.time, leaves });
  }

  async run(): Promise<void> {
    const { machines, time, workload } = this;
    for (const machine of machines) machine.start();
    await time.until("all brokers are ready", BOOT_MS, () => machines.every((machine) => machine.isReady));
    await workload.begin();
    await this.faultsAndTraffic();
    await this.quorumServes();
    this.heal(machines);
    await time.until("every broker is ready again", READY_MS, () => machines.every(({ isWell }) => isWell));
    // A run that was made shorter by hand need not come to what a seed needs to count.
    await workload.end(this.options.decisions === undefined ? SEED_MIN.acked : 0);
    await time
      .until("all replicas agree", SETTLE_MS, () => this.disagreement() === null)
      .catch((error: unknown) => {
        this.trace.note("world", `no agreement: ${this.disagreement()}`);
        throw error;
      });
    await checkReplicas(machines, this.checks, time);
    await workload.lastLook();
    if (this.plan.expectsRefusal)
      this.refusal = await checkRefusal({ machines, workload, checks: this.checks, time, prng: this.prng });
  }

  report(): RunReport {
    const { violation } = this.checks;
    return {
      seed: this.options.seed,
      hash: this.trace.hash,
      simulatedMs: this.clock.monotonicMs(),
      counts: this.workload.counts(),
      faults: Object.fromEntries(this.faults.counts),
      hooks: Object.fromEntries(this.hooks.fired),
      refusal: this.refusal,
      violation:
        violation === null
          ? null
          : {
              invariant: violation.invariant,
              message: violation.stack ?? violation.message,
              atMs: this.time.violationAtMs,
            },
    };
  }

  private async faultsAndTraffic(): Promise<void> {
    const startMs = this.clock.monotonicMs();
    for (const decision of this.decisions) {
      this.clock.setTimer(startMs + decision.atMs - this.clock.monotonicMs(), () => {
        const { kind } = decision;
        if (isFault(kind)) this.faults.strike({ ...decision, kind });
        else this.workload.act({ ...decision, kind });
      });
    }
    await this.time.pass(FAULTS_MS);
  }

  /** The liveness phase. */
  private async quorumServes(): Promise<void> {
    const core = drawCore(this.machines, this.prng);
    const rest = this.machines.filter((machine) => !core.includes(machine));
    const healedAtMs = this.clock.monotonicMs();
    const stallMs = this.heal(core);
    const release = keepAway(core, rest, this.networkFaults, this.prng);
    this.trace.note("world", `heals the quorum ${core.map(({ name }) => name).join(" ")}`);
    // A change of the controller's voters that was begun before may come to count, and then asks for others.
    const isQuorum = (): boolean => rest.length === 0 || haveController(core, this.machines);
    const isReady = (): boolean => core.every(({ isWell }) => isWell);
    await this.time.until("a healed quorum is ready", READY_MS, () => isReady() || !isQuorum());
    if (!isQuorum()) return release();
    await this.time.pass(Math.max(0, healedAtMs + stallMs - this.clock.monotonicMs()));
    const { checks, time, workload } = this;
    await checkQuorumServes({ core, checks, time, workload, electionTimeoutMs: this.plan.electionTimeoutMs });
    release();
  }

  /** @returns how long disks may still be busy with what had stalled. */
  private heal(machines: readonly Machine[]): number {
    this.trace.note("world", "heal");
    this.faults.heal();
    this.hooks.disarm();
    const stalls = this.machines.map((machine) => machine.healDisk());
    for (const machine of machines) {
      machine.resume();
      machine.start();
    }
    this.callTrouble = 0;
    return Math.max(...stalls);
  }

  /** Which replica does not have all, or more than all, that is committed, or is out of service and was not made anew; null: none. */
  private disagreement(): string | null {
    for (const { name, isRetired, broker } of this.machines) {
      const damaged = isRetired ? undefined : broker?.storage.groups().find(({ quarantine }) => quarantine !== null);
      if (damaged !== undefined) return `${name} has a damaged replica of group ${damaged.spec.groupId}`;
    }
    for (const [groupId, truth] of this.checks.truth.groups) {
      for (const machine of this.machines) {
        const log = machine.isRetired ? undefined : machine.replica(groupId)?.log;
        if (log === undefined || log.quarantine !== null) continue;
        const { appliedIndex } = log.pointers();
        if (appliedIndex !== truth.lastIndex || log.lastIndex() !== truth.lastIndex)
          return `${machine.name} has ${appliedIndex} applied of ${log.lastIndex()} of group ${groupId}, ${truth.lastIndex} are committed`;
      }
      const missing = this.missingReplica(groupId);
      if (missing !== null) return `no broker has replica ${missing} of group ${groupId}`;
    }
    return null;
  }

  /** A replica of the group's newest configuration that no broker holds, or not yet: it is lost and being made anew. Null: there is none. */
  private missingReplica(groupId: number): number | null {
    // A voter of the controller that is gone is let go of only when it has been away for long.
    if (groupId === CONTROLLER_GROUP || !this.machines.every(({ isReady, isRetired }) => isReady || isRetired))
      return null;
    // Whoever was let go of may still hold a replica of a topic that was deleted since.
    const logs = this.machines.flatMap((machine) => (machine.isRetired ? [] : (machine.replica(groupId)?.log ?? [])));
    const [newest] = logs.sort((left, right) => right.pointers().appliedIndex - left.pointers().appliedIndex);
    const here = new Set(logs.map(({ spec }) => spec.replicaId));
    return newest?.replicas.voters.find((replicaId) => !here.has(replicaId)) ?? null;
  }

  private leads(machine: Machine): boolean {
    if (machine.broker === null) return false;
    for (const replica of machine.broker.host.all()) if (replica.isLeader()) return true;
    return false;
  }

  private leadersOf(groupId: number): { log: NonNullable<ReturnType<Machine["replica"]>>["log"]; term: number }[] {
    return this.machines.flatMap((machine) => {
      const replica = machine.replica(groupId);
      return replica?.isLeader() ? [{ log: replica.log, term: replica.node.term }] : [];
    });
  }

  private createRpc(): SimRpcNetwork {
    const latency = this.prng.fork();
    const fate = this.prng.fork();
    return new SimRpcNetwork({
      clock: this.clock,
      latencyMs: () => 0.1 + latency.ratio(),
      fate: (method) => {
        if (this.lateCommits > 0 && method === "CommitOffsets" && fate.chance(this.lateCommits))
          return { lateMs: fate.ratio() * LATE_MS_MAX };
        return fate.chance(this.callTrouble) ? fate.pick(["refuse", "loseRequest", "loseAnswer"] as const) : "pass";
      },
    });
  }
}
