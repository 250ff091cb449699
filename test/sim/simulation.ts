/**
 * simulation.ts: one seed from beginning to end: faults with traffic, then healing, agreement and a last look at everything.
 */
import { Prng, SimClock } from "@varve/base/testing";
import { MessageFaults, SimNetwork } from "@varve/peer/testing";
import { Checks, type LiveLeader } from "./checks.js";
import { type FaultKind, Faults } from "./faults.js";
import { checkAgreement } from "./final-read.js";
import { drawPlan, type Plan, type Variant } from "./plan.js";
import { Producer, type ProducerCounts } from "./producer.js";
import { SimNode, type World } from "./sim-node.js";
import { Trace } from "./trace.js";
import { Violation } from "./violation.js";

export interface RunOptions {
  readonly seed: number;
  readonly variant?: Variant;
  /** Changes to the drawn plan. */
  readonly plan?: Partial<Plan>;
  /** Gets every line of the trace. */
  readonly print?: (line: string) => void;
}

export interface RunReport {
  readonly seed: number;
  readonly hash: string;
  readonly simulatedMs: number;
  readonly counts: ProducerCounts;
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly violation: Violation | null;
}

/** What a seed must have seen to count. */
export const SEED_MIN = { simulatedMs: 60_000, acked: 200, faults: 3 } as const;

const SLICE_MS = 100;
const SETTLE_MS = 5_000;
const BOOT_MS = 10_000;
const LEADER_MS = 10_000;
const LATE_MS = 2_000;
const AGREE_MS = 20_000;
/** A seed that needs longer than this to count has found a cluster that stands still. */
const FAULTS_MS_MAX = 300_000;

/** Runs one seed. Never throws for what the code under test does: that is a violation in the report. */
export async function runSeed(options: RunOptions): Promise<RunReport> {
  const simulation = new Simulation(options);
  try {
    await simulation.run();
  } catch (error) {
    simulation.checks.fail(error);
  }
  return simulation.report();
}

class Simulation {
  readonly checks: Checks;
  private readonly seed: number;
  private readonly clock = new SimClock();
  private readonly world: World;
  private readonly nodes: SimNode[];
  private readonly producers: Producer[] = [];
  private readonly faults: Faults;

  constructor({ seed, variant, plan: changes, print }: RunOptions) {
    this.seed = seed;
    const prng = new Prng(seed);
    const plan = { ...drawPlan(prng.fork()), ...changes };
    const groupIds = Array.from({ length: plan.groupCount }, (_, at) => at + 1);
    const nodeIds = Array.from({ length: plan.nodeCount }, (_, at) => at + 1);
    const leadersOf = (groupId: number): LiveLeader[] =>
      this.nodes.map((node) => node.leader(groupId)).filter((leader) => leader !== null);
    this.checks = new Checks(groupIds, leadersOf);
    this.world = {
      clock: this.clock,
      prng,
      network: new SimNetwork({ clock: this.clock, prng: prng.fork() }),
      messageFaults: new MessageFaults(this.clock, prng.fork()),
      checks: this.checks,
      trace: new Trace(() => this.clock.monotonicMs(), print ?? null),
      plan,
      variant: variant ?? "none",
      groupIds,
      nodeIds,
    };
    print?.(`plan ${JSON.stringify(plan)}`);
    this.nodes = nodeIds.map((id) => new SimNode(id, this.world));
    this.faults = new Faults(this.world, this.nodes);
    let producerIds = 0;
    for (const groupId of groupIds) {
      for (let at = 0; at < plan.producersPerGroup; at++)
        this.producers.push(new Producer(this.world, this.nodes, groupId, () => ++producerIds));
    }
  }

  async run(): Promise<void> {
    for (const node of this.nodes) node.start();
    await this.until("all nodes are up", BOOT_MS, () => this.nodes.every((node) => node.isServing));
    await this.until("every group has a leader", LEADER_MS, () => this.hasLeaders());
    let producing = this.producers.length;
    for (const producer of this.producers) {
      producer
        .run()
        .catch((error: unknown) => this.checks.fail(error))
        .finally(() => {
          producing--;
        });
    }
    this.faults.start();
    while (!this.countsSoFar()) {
      await this.advance();
      if (this.clock.monotonicMs() > FAULTS_MS_MAX) throw new Violation("liveness", "the seed never counts");
    }
    this.faults.heal();
    await this.until("every group has a leader again", LEADER_MS, () => this.hasLeaders());
    const acked = this.producers.map((producer) => producer.counts.acked);
    await this.until("every producer is answered again", SETTLE_MS, () =>
      this.producers.every((producer, at) => producer.counts.acked > (acked[at] ?? 0)),
    );
    for (const producer of this.producers) producer.stop();
    await this.until("every producer is done", SETTLE_MS, () => producing === 0);
    // What was called unknown may still be on its way.
    const lateMs = this.clock.monotonicMs() + LATE_MS;
    await this.until("late requests are over", SETTLE_MS, () => this.clock.monotonicMs() >= lateMs);
    await this.until("all replicas agree", AGREE_MS, () => this.agree());
    await checkAgreement(this.world, this.nodes);
  }

  report(): RunReport {
    const counts: ProducerCounts = { attempts: 0, acked: 0, notApplied: 0, unknown: 0 };
    for (const producer of this.producers) {
      counts.attempts += producer.counts.attempts;
      counts.acked += producer.counts.acked;
      counts.notApplied += producer.counts.notApplied;
      counts.unknown += producer.counts.unknown;
    }
    return {
      seed: this.seed,
      hash: this.world.trace.hash,
      simulatedMs: this.clock.monotonicMs(),
      counts,
      faults: this.faults.counts,
      violation: this.checks.violation,
    };
  }

  private countsSoFar(): boolean {
    return (
      this.clock.monotonicMs() >= SEED_MIN.simulatedMs &&
      this.checks.acknowledgements.count >= SEED_MIN.acked &&
      this.faults.count >= SEED_MIN.faults
    );
  }

  private hasLeaders(): boolean {
    return this.world.groupIds.every((groupId) => this.nodes.some((node) => node.servesAsLeader(groupId)));
  }

  private agree(): boolean {
    return this.world.groupIds.every((groupId) => {
      const { lastIndex } = this.checks.truth(groupId);
      return this.nodes.every((node) => {
        const log = node.log(groupId);
        return log !== null && log.pointers().appliedIndex === lastIndex && log.lastIndex() === lastIndex;
      });
    });
  }

  private async until(what: string, withinMs: number, isThere: () => boolean): Promise<void> {
    const endMs = this.clock.monotonicMs() + withinMs;
    while (!isThere()) {
      if (this.clock.monotonicMs() >= endMs) throw new Violation("liveness", `not within ${withinMs} ms: ${what}`);
      await this.advance();
    }
  }

  private async advance(): Promise<void> {
    await this.clock.runUntil(this.clock.monotonicMs() + SLICE_MS);
    if (this.checks.violation !== null) throw this.checks.violation;
  }
}
