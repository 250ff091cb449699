/**
 * change-world.ts: a simulated cluster of five brokers under load whose membership is changed, with one fault at one chosen step of the change.
 *
 * A step is a configuration that takes effect in any group: a learner that is added, the joint configuration, the one after it. All
 * invariants of the simulator look on. Source: Raft thesis 4.3 (a change may be met by a crash between any two of its entries).
 */
import { delay, isVarveError } from "@varve/base";
import type { ReplicaSet } from "@varve/storage";
import { CalmWorld } from "./calm-world.js";
import type { ClientProcess } from "./client-process.js";
import { checkReplicas } from "./final-read.js";
import type { Machine } from "./machine.js";
import { between } from "./network-faults.js";
import { SimProducer } from "./producers.js";
import { Violation } from "./violation.js";
import { wrap } from "./wrap.js";

/** What happens at the chosen step. */
export const STRIKES = [
  "leader dies",
  "leader is cut off",
  "newcomer dies",
  "newcomer is cut off",
  "all lose power",
] as const;
export type Strike = (typeof STRIKES)[number];

const TOPIC = "orders";
const RUN_MS = 60_000;
const POLL_MS = 200;
const DOWN_MS = 1_500;
/** Longer than an election takes. */
const CUT_MS = 4_000;
const BURST = 10;

export class ChangeWorld extends CalmWorld {
  /** Configurations that have taken effect since `watch`. */
  steps = 0;
  /** What has struck, and whom. */
  struck: string | null = null;
  /** Of the partition that changes. */
  groupId = 0;
  readonly admin: ClientProcess["varve"]["admin"] = this.client().varve.admin;
  private topicId = "";
  private isLoaded = true;
  private producing: Promise<void> = Promise.resolve();
  private readonly producer: SimProducer;

  constructor(seed: number) {
    super(seed, { brokers: 5, replicas: 3, partitions: 1 });
    this.producer = new SimProducer({
      process: this.client(),
      name: "p",
      acks: "quorum",
      batchBytes: 4_096,
      valueBytesMax: 100,
      checks: this.checks,
      deliveryTimeoutMs: 30_000,
    });
  }

  /** The brokers run, the topic of one partition is made, and somebody produces to it. */
  async begin(): Promise<void> {
    await this.boot();
    const made = this.admin.createTopic({ topic: TOPIC, partitions: 1, replicas: 3 });
    this.topicId = (await this.time.finish("the topic is made", RUN_MS, made)).topicId;
    this.producing = this.produce();
    await this.time.until("records are acknowledged", RUN_MS, () => this.producer.acked > 2 * BURST);
    this.groupId = this.checks.truth.ofPartition(this.topicId, 0)?.spec.groupId ?? 0;
  }

  /** Brokers that hold the partition, its leader first. */
  async holders(): Promise<number[]> {
    const { partitions } = await this.asked("the topic is described", this.admin.describeTopic(TOPIC));
    const [{ replicas, leader } = { replicas: [], leader: null }] = partitions;
    return [...replicas].sort((left, right) => Number(right === leader) - Number(left === leader));
  }

  move(brokers: readonly number[]): Promise<void> {
    return this.admin.movePartition({ topic: TOPIC, partition: 0, brokers: [...brokers] });
  }

  machine(id: number): Machine {
    const machine = this.machines[id - 1];
    if (machine === undefined) throw new RangeError(`there is no machine ${id}`);
    return machine;
  }

  /** From now on steps count; at the one with this number it strikes. */
  watch(strikeAt: number, strike: Strike): void {
    const seen = new Set<string>();
    wrap(this.checks, "onReplicas", (inner) => (log, index, replicas) => {
      inner(log, index, replicas);
      const step = `${log.spec.groupId}/${index}`;
      if (seen.has(step)) return;
      seen.add(step);
      // Not on the stack of the code under test.
      if (++this.steps === strikeAt) this.clock.setTimer(0, () => this.strike(strike, log.spec.groupId, replicas));
    });
  }

  /** Lets time pass until a question to the cluster is answered so; an error asks again. */
  async until(what: string, ask: () => Promise<boolean>): Promise<void> {
    const asking = async (): Promise<void> => {
      for (;;) {
        if (await ask().catch((error: unknown) => (isVarveError(error) ? false : Promise.reject(error)))) return;
        await delay(this.clock, POLL_MS);
      }
    };
    await this.asked(what, asking());
  }

  asked<T>(what: string, promise: Promise<T>): Promise<T> {
    return this.time.finish(what, RUN_MS, promise);
  }

  /** Nothing moves, every broker but those that left is well, all that was acknowledged is in every replica. @throws Violation. */
  async finish(): Promise<void> {
    await this.until("no change is under way", async () => (await this.admin.listMoves()).length === 0);
    await this.time.until("every broker is well", RUN_MS, () => this.machines.every(({ isWell }) => isWell));
    await this.until("the cluster is whole", async () => (await this.admin.clusterHealth()).healthy);
    const { acked } = this.producer;
    await this.time.until("records are acknowledged at the end", RUN_MS, () => this.producer.acked > acked + BURST);
    this.isLoaded = false;
    await this.asked("the producer is done", this.producing);
    await this.asked("the producer closes", this.producer.close());
    await this.time.until("all replicas agree", RUN_MS, () => this.haveAll());
    await checkReplicas(this.machines, this.checks, this.time);
  }

  private haveAll(): boolean {
    const { lastIndex } = this.checks.truth.groups.get(this.groupId) ?? { lastIndex: 0 };
    const logs = this.machines.flatMap(({ isRetired, broker }) => (isRetired ? [] : (broker?.storage.groups() ?? [])));
    if (logs.some(({ quarantine }) => quarantine !== null)) return false;
    return logs.every((log) => log.spec.groupId !== this.groupId || log.pointers().appliedIndex === lastIndex);
  }

  private async produce(): Promise<void> {
    const prng = this.prng.fork();
    while (this.isLoaded) await this.producer.burst({ topic: TOPIC, topicId: () => this.topicId }, BURST, prng);
  }

  private strike(strike: Strike, groupId: number, { voters, learners }: ReplicaSet): void {
    const newest = Math.max(...voters, ...learners);
    const newcomer = this.machines.find((machine) => machine.replica(groupId)?.id === newest);
    const victim = strike.startsWith("leader") ? this.leaderOf(groupId) : newcomer;
    this.struck = `${strike} at step ${this.steps}, in group ${groupId}: ${victim?.name ?? "nobody"}`;
    if (strike === "all lose power") for (const machine of this.machines) this.powerCut(machine);
    else if (victim == null) return;
    else if (strike.endsWith("dies")) this.powerCut(victim);
    else {
      const others = this.names.filter((name) => name !== victim.name);
      this.clock.setTimer(CUT_MS, this.networkFaults.cut(between([victim.name], others)));
    }
  }

  private powerCut(machine: Machine): void {
    if (!machine.isUp) return;
    machine.crash(false);
    this.clock.setTimer(DOWN_MS, () => machine.start());
  }
}

/** @throws Violation when it does not hold. */
export function mustBe(what: string, isTrue: boolean): void {
  if (!isTrue) throw new Violation("membership", what);
}
