/**
 * workload.ts: what clients do to the cluster: they produce, read, ask for offsets, work as a group, make and delete topics, move leaders.
 */
import { delay, isVarveError } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import type { RpcTransport } from "@varve/rpc";
import { FrameKind, type GroupLog } from "@varve/storage";
import { ClientProcess } from "./client-process.js";
import { type Decision, drawsOf, type OperationKind } from "./decisions.js";
import { groupObserver } from "./group-observer.js";
import { GroupTruth } from "./group-truth.js";
import { type ClusterWorld, grpcAddress, type Machine } from "./machine.js";
import { Members } from "./members.js";
import { type Acks, SimProducer, type Target } from "./producers.js";
import { askLatest, type ReadScope, readAll } from "./readers.js";
import type { Time } from "./time.js";
import { Topics } from "./topics.js";
import { hold } from "./violation.js";

export interface WorkloadCounts {
  readonly sent: number;
  readonly acked: number;
  readonly read: number;
  readonly asked: number;
  readonly handled: number;
  readonly commits: number;
  readonly fetches: number;
  readonly seeks: number;
  readonly topicsMade: number;
  readonly topicsDeleted: number;
  readonly topicsAltered: number;
  readonly transfers: number;
  readonly moves: number;
}

export const TOPIC = "orders";
export const GROUP = "billing";
const BURST_MAX = 24;
const BOOT_MS = 20_000;
const END_MS = 60_000;
const PROBE_RETRY_MS = 50;
const PROBE_TIMEOUT_MS = 1_000;
const DELIVERY_TIMEOUT_MS = 5_000;
const REPLACE_RETRY_MS = 300;
const DECOMMISSION_MS_MAX = 10_000;
const ACKS: readonly Acks[] = ["quorum", "quorum", "leader", "none"];

export interface WorkloadOptions {
  readonly world: ClusterWorld;
  readonly transport: RpcTransport;
  readonly time: Time;
  /** A broker is asked to leave for good. */
  readonly leaves: (brokerId: number) => void;
}

export class Workload {
  readonly groupTruth = new GroupTruth();
  private readonly options: WorkloadOptions;
  private readonly world: ClusterWorld;
  private readonly admin: ClientProcess;
  private readonly producers: SimProducer[];
  private readonly topics: Topics;
  private readonly members: Members;
  private topicId = "";
  private read = 0;
  private asked = 0;
  private transfers = 0;
  /** Transfers that were asked for and have not been answered: each may still change a leader. */
  openTransfers = 0;
  private moves = 0;
  /** The one broker that may leave in a run. */
  private decommissioned: number | null = null;

  constructor(options: WorkloadOptions) {
    const { world } = options;
    this.options = options;
    this.world = world;
    this.admin = this.client();
    this.producers = ACKS.map((acks, at) => this.producer(`p${at}`, acks));
    this.topics = new Topics(this.client(), world.checks);
    this.members = new Members({
      world,
      truth: this.groupTruth,
      group: GROUP,
      topic: TOPIC,
      client: () => this.client(),
    });
  }

  counts(): WorkloadCounts {
    const { deliveries, commits, fetches, seeks } = this.groupTruth;
    return {
      sent: this.producers.reduce((sum, { sent }) => sum + sent, 0),
      acked: this.world.checks.answers.acked.size,
      read: this.read,
      asked: this.asked,
      handled: deliveries,
      commits,
      fetches,
      seeks,
      topicsMade: this.topics.created,
      topicsDeleted: this.topics.deleted,
      topicsAltered: this.topics.altered,
      transfers: this.transfers,
      moves: this.moves,
    };
  }

  async begin(): Promise<void> {
    const { partitions, replicas } = this.world.plan;
    const made = this.admin.varve.admin.createTopic({ topic: TOPIC, partitions, replicas });
    this.topicId = (await this.options.time.finish("the topic is made", BOOT_MS, made)).topicId;
    if (this.world.plan.retentionBytes > 0) {
      const side = this.topics.create(this.world.prng.fork(), replicas);
      await this.options.time.finish("a topic with retention is made", END_MS, side);
    }
    for (let at = 0; at < 2; at++) this.members.join(this.world.prng.fork());
  }

  act(decision: Decision & { readonly kind: OperationKind }): void {
    const prng = drawsOf(decision);
    this.operations[decision.kind](prng).catch((error: unknown) => {
      if (!isVarveError(error)) this.world.checks.fail(error);
    });
  }

  private readonly operations: Readonly<Record<OperationKind, (prng: Prng) => Promise<unknown>>> = {
    produce: (prng) => {
      const isMain = prng.chance(this.world.plan.mainShare);
      const target = isMain ? this.main() : this.topics.pick(prng);
      return prng.pick(this.producers).burst(target, prng.between(2, BURST_MAX), prng);
    },
    read: async (prng) => {
      const scope = this.readScope(prng);
      if (scope !== null) this.read += (await readAll(this.admin, this.world.checks, scope)) ?? 0;
    },
    offsets: async (prng) => {
      const scope = this.readScope(prng);
      if (scope !== null && (await askLatest(this.admin, this.world.checks, scope))) this.asked++;
    },
    fetchCommitted: () => this.fetchCommitted(),
    join: async (prng) => this.members.join(prng),
    leave: (prng) => this.members.leave(prng),
    killMember: async (prng) => this.members.kill(prng),
    pauseMember: async (prng) => this.members.pause(prng),
    seek: (prng) => this.seek(prng),
    createTopic: (prng) => this.topics.create(prng, this.world.plan.replicas),
    deleteTopic: (prng) => this.topics.delete(prng),
    alterTopic: (prng) => this.topics.alter(prng),
    transfer: async (prng) => {
      const partition = prng.between(0, this.world.plan.partitions - 1);
      const to = prng.between(1, this.world.names.length);
      this.openTransfers++;
      try {
        await this.admin.varve.admin.transferLeadership({ topic: TOPIC, partition, to });
        this.transfers++;
      } finally {
        this.openTransfers--;
      }
    },
    move: async (prng) => {
      const { plan, names } = this.world;
      const partition = prng.between(0, plan.partitions - 1);
      const brokers = shuffled(
        names.map((_, at) => at + 1),
        prng,
      ).slice(0, plan.replicas);
      await this.admin.varve.admin.movePartition({ topic: TOPIC, partition, brokers });
      this.moves++;
    },
    drain: async (prng) => {
      const broker = prng.between(1, this.world.names.length);
      await this.admin.varve.admin.drainBroker({ broker });
      await delay(this.world.clock, prng.ratio() * DECOMMISSION_MS_MAX);
      await this.admin.varve.admin.drainBroker({ broker, undo: true });
    },
    decommission: async (prng) => {
      if (this.decommissioned !== null) return;
      const broker = prng.between(1, this.world.names.length);
      this.decommissioned = broker;
      this.options.leaves(broker);
      await this.admin.varve.admin.decommissionBroker({ broker });
      if (prng.chance(0.5)) return;
      await delay(this.world.clock, prng.ratio() * DECOMMISSION_MS_MAX);
      await this.admin.varve.admin.decommissionBroker({ broker, cancel: true });
    },
  };

  /** Tells the cluster, until it knows, that a broker's data is lost, and starts it again; one that was decommissioned meanwhile stays away. */
  replace(machine: Machine): void {
    const tell = async (): Promise<void> => {
      for (;;) {
        try {
          await this.admin.varve.admin.replaceBroker({ broker: machine.id });
          break;
        } catch (error) {
          if (!isVarveError(error)) throw error;
          if (machine.isLeaving && error.message.startsWith("there is no broker")) {
            machine.retire();
            return;
          }
          await delay(this.world.clock, REPLACE_RETRY_MS);
        }
      }
      machine.isAway = false;
      machine.start();
    };
    tell().catch((error: unknown) => this.world.checks.fail(error));
  }

  /**
   * Partitions of the topic with a majority, of both halves of a joint configuration, on these machines. None with a change of the configuration that
   * was begun and is not decided: it may come to count, and then asks for others.
   */
  partitionsWithin(machines: readonly Machine[]): number[] {
    const all = [...Array(this.world.plan.partitions).keys()];
    return all.filter((partition) => {
      const groupId = this.world.checks.truth.ofPartition(this.topicId, partition)?.spec.groupId;
      if (groupId === undefined) return false;
      const logs = machines.flatMap((machine) => machine.replica(groupId)?.log ?? []);
      const here = new Set(logs.filter(({ quarantine }) => quarantine === null).map(({ spec }) => spec.replicaId));
      const newest = logs.reduce(
        (one, log) => (log.pointers().appliedIndex > one.pointers().appliedIndex ? log : one),
        logs[0] as (typeof logs)[number],
      );
      if (newest === undefined || logs.some(hasUndecidedChange)) return false;
      const { voters, votersOutgoing } = newest.replicas;
      const has = (ids: readonly number[]): boolean =>
        ids.length === 0 || ids.filter((id) => here.has(id)).length * 2 > ids.length;
      return has(voters) && has(votersOutgoing);
    });
  }

  get partitions(): number {
    return this.world.plan.partitions;
  }

  /** Of the topic that stays; 0: nothing was ever committed there. */
  groupIdOf(partition: number): number {
    return this.world.checks.truth.ofPartition(this.topicId, partition)?.spec.groupId ?? 0;
  }

  /** Where every machine keeps its replica of the partition, but for the replica's id. */
  folderOf(partition: number): string {
    return `/topics/${this.topicId}/${partition}_`;
  }

  /** Whether a record that is sent again and again is acknowledged within a time. */
  async isServed(partition: number, withinMs: number): Promise<boolean> {
    const producer = this.producer("refused", "quorum", this.client(), PROBE_TIMEOUT_MS);
    const { topicId } = this;
    let isServed = false;
    void producer.mustReach({ topic: TOPIC, partition, topicId }, PROBE_RETRY_MS).then(() => {
      isServed = true;
    });
    await this.options.time.pass(withinMs);
    return isServed;
  }

  /** Sends, as a client that was told of these brokers, until every one of these partitions has acknowledged a record. */
  async probe(brokers: readonly Machine[], partitions: readonly number[]): Promise<void> {
    const client = this.client(brokers.map(({ name }) => name));
    // A send that went to a leader which died in silence is given up and sent anew, as an impatient caller does.
    const producer = this.producer("probe", "quorum", client, PROBE_TIMEOUT_MS);
    const { topicId } = this;
    await Promise.all(
      partitions.map((partition) => producer.mustReach({ topic: TOPIC, partition, topicId }, PROBE_RETRY_MS)),
    );
    await producer.close();
  }

  /** The producers have said their last word, after `ackedMin` answers at least, and the group comes to rest with everything committed. */
  async end(ackedMin: number): Promise<void> {
    const { time } = this.options;
    await time.finish("enough is acknowledged", END_MS, this.topUp(ackedMin));
    for (const producer of this.producers) await time.finish("a producer is done", END_MS, producer.close());
    this.members.endOfFaults(this.world.prng);
    await time.until("every acknowledged record is processed", END_MS, () => this.unhandled().length === 0);
    await this.groupRests();
  }

  private async topUp(ackedMin: number): Promise<void> {
    const { checks, prng } = this.world;
    const producer = this.producers.find(({ acks }) => acks === "quorum");
    while (checks.answers.acked.size < ackedMin && checks.violation === null)
      await producer?.burst(this.main(), BURST_MAX, prng);
  }

  /** The topic, read through the SDK: what was acknowledged is there. */
  async lastLook(): Promise<void> {
    const scope = this.mainScope();
    const { time } = this.options;
    const count = await time.finish("the log is read", END_MS, readAll(this.admin, this.world.checks, scope));
    let expected = 0;
    for (let at = 0; at < scope.partitions; at++)
      expected += this.world.checks.truth.ofPartition(scope.topicId, at)?.endOffset ?? 0;
    hold("D1", count === expected, () => `${count} records are read, ${expected} are committed`);
  }

  private unhandled(): string[] {
    const { answers } = this.world.checks;
    return [...answers.acked].flatMap(([value, { topicId, partition, offset }]) =>
      topicId !== this.topicId || this.groupTruth.finished.get(partition)?.has(offset) === true ? [] : [value],
    );
  }

  private async groupRests(): Promise<void> {
    const { clock, plan, checks } = this.world;
    let isAtRest = false;
    const look = async (): Promise<void> => {
      while (!isAtRest && checks.violation === null) {
        const { state, offsets } = await this.admin.varve.admin.describeGroup(GROUP);
        const hasAll = offsets.length === plan.partitions && offsets.every(({ lagRecords }) => lagRecords === 0);
        // A partition without records may have no offset.
        const hasNothing = [...Array(plan.partitions).keys()].some(
          (at) => !checks.truth.ofPartition(this.topicId, at)?.endOffset,
        );
        isAtRest =
          state === "stable" && (hasAll || (hasNothing && offsets.every(({ lagRecords }) => lagRecords === 0)));
        if (!isAtRest) await delay(clock, 500);
      }
    };
    await this.options.time.finish("the group is stable and has committed everything", END_MS, look());
  }

  private async fetchCommitted(): Promise<void> {
    const mark = this.groupTruth.mark();
    const { offsets } = await this.admin.varve.admin.describeGroup(GROUP);
    const committed = new Map(offsets.map(({ partition, committed }) => [partition, committed ?? -1]));
    this.world.checks.note(() => this.groupTruth.onFetched(mark, committed));
  }

  private async seek(prng: Prng): Promise<void> {
    const partition = prng.chance(0.5) ? { partition: prng.between(0, this.world.plan.partitions - 1) } : {};
    this.groupTruth.seekBegins();
    try {
      await this.admin.varve.admin.seekGroup({ group: GROUP, topic: TOPIC, to: "earliest", ...partition });
      this.groupTruth.seekEnded(true);
    } catch (error) {
      this.groupTruth.seekEnded(isVarveError(error) && error.effect === "NOT_APPLIED");
      throw error;
    }
  }

  private main(): Target {
    return { topic: TOPIC, topicId: () => this.topicId };
  }

  private mainScope(): ReadScope {
    return { topic: TOPIC, topicId: this.topicId, partitions: this.world.plan.partitions, isStill: () => true };
  }

  private readScope(prng: Prng): ReadScope | null {
    if (prng.chance(this.world.plan.mainShare)) return this.mainScope();
    const { topic, topicId } = this.topics.pick(prng);
    const id = topicId();
    return id === null ? null : { topic, topicId: id, partitions: 2, isStill: () => topicId() === id };
  }

  private producer(
    name: string,
    acks: Acks,
    process = this.client(),
    deliveryTimeoutMs = DELIVERY_TIMEOUT_MS,
  ): SimProducer {
    const { batchBytes, valueBytesMax } = this.world.plan;
    const { checks } = this.world;
    return new SimProducer({ process, name, acks, batchBytes, valueBytesMax, checks, deliveryTimeoutMs });
  }

  private client(names: readonly string[] = this.world.names): ClientProcess {
    const { clock, prng, checks, trace } = this.world;
    const observer = groupObserver(this.groupTruth, checks, trace);
    return new ClientProcess(
      { clock, transport: this.options.transport },
      { prng: prng.fork(), bootstrap: names.map(grpcAddress), observer },
    );
  }
}

function shuffled<T>(items: readonly T[], prng: Prng): T[] {
  const left = [...items];
  return items.map(() => left.splice(prng.between(0, left.length - 1), 1)[0] as T);
}

function hasUndecidedChange(log: GroupLog): boolean {
  const { appliedIndex, lastIndex } = log.pointers();
  if (lastIndex === appliedIndex) return false;
  const frames = log.entries(appliedIndex + 1, lastIndex + 1, Number.MAX_SAFE_INTEGER);
  return typeof frames === "string" || frames.some(({ kind }) => kind === FrameKind.conf);
}
