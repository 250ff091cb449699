/**
 * partition-set.ts: the partitions that have a replica on this broker, kept as the controller's state says: of users' topics, and of the
 * internal one whose partitions coordinate groups.
 *
 * Rounds follow one after another, and in one round each log is touched once, so that creating, reconfiguring and deleting one log never
 * overlap. A round in which something failed, for want of space say, is followed by another after a wait that doubles: metadata that would
 * bring one may not change for days.
 * Invariants:
 *   S1  a log is deleted only when the controller's log, applied here, says that its topic is gone or its replica has left its group
 *   S2  a quarantined log stays on disk and runs no replica, until S1
 *   S3  a directory holds one replica of a group at a time: its successor waits until it has left
 */
import {
  type BrokerId,
  type Clock,
  CONTROLLER_GROUP,
  type Codec,
  type GroupId,
  isVarveError,
  type Logger,
  type PartitionId,
  type ReplicaId,
  type TimerHandle,
  type TopicId,
} from "@varve/base";
import type { GroupLog, LogConfig, Storage } from "@varve/storage";
import type { Coordinator } from "../groups/coordinator.js";
import type { ReplicaHost } from "../replica/host.js";
import type { Replica, Role, StateMachine } from "../replica/replica.js";
import type { ByteBudget } from "./byte-budget.js";
import type { PartitionMeter } from "./meter.js";
import { Partition, type PartitionSettings } from "./partition.js";

/** A replica that this broker must run, from the controller's state. */
export interface WantedReplica {
  readonly groupId: GroupId;
  readonly replicaId: number;
  readonly topicId: TopicId;
  readonly topic: string;
  readonly partition: PartitionId;
  /** Replica ids of the group when it was made: the configuration before its first entry. */
  readonly voters: readonly number[];
  readonly config: LogConfig;
  readonly batchBytesMax: number;
  /** Of an internal topic: its log holds commands of groups. */
  readonly coordinates: boolean;
  /** This replica stands first when its group is new. */
  readonly preferred: boolean;
}

export interface PartitionSetOptions {
  readonly storage: Storage;
  readonly host: ReplicaHost;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly codec: Codec;
  readonly inFlight: ByteBudget;
  readonly uncommittedBytesMax: number;
  readonly undrainedBytesMax: number;
  /** Of this broker; a topic can have a smaller `batchBytesMax` of its own. */
  readonly batchLimits: PartitionSettings;
  readonly meter: PartitionMeter;
  readonly brokerOf: (groupId: GroupId, replicaId: number) => BrokerId | null;
  readonly onRole: (groupId: GroupId, role: Role) => void;
  /** A replica here is quarantined, or lost: it has to be made anew, under another id. Told at every attempt to run it. */
  readonly onDamaged: (groupId: GroupId, replicaId: ReplicaId) => void;
  /** What runs on a log that coordinates groups. */
  readonly coordinator: (wanted: WantedReplica, log: GroupLog) => Coordinator;
}

export type HasLeft = (groupId: GroupId, replicaId: ReplicaId) => boolean;

/** Logs that are made at once. */
const ENSURED_AT_ONCE = 8;
/** First and longest wait before a round that failed is made again. */
const RETRY_MS = 500;
const RETRY_MS_MAX = 15_000;

/** What runs on a log here. */
interface Hosted extends StateMachine {
  attach(replica: Replica): void;
}

export class PartitionSet {
  private readonly options: PartitionSetOptions;
  private readonly partitions = new Map<GroupId, Partition>();
  private readonly coordinators = new Map<GroupId, Coordinator>();
  /** Replicas that this directory has lost so much of that they cannot even be opened. */
  private readonly lost = new Map<GroupId, ReplicaId>();
  private work: Promise<void> = Promise.resolve();
  private latest: { readonly wanted: readonly WantedReplica[]; readonly hasLeft: HasLeft };
  private retry: TimerHandle | null = null;
  private retryMs = RETRY_MS;
  private closed = false;

  constructor(options: PartitionSetOptions) {
    this.options = options;
    this.latest = { wanted: [], hasLeft: () => false };
  }

  get(groupId: GroupId): Partition | null {
    return this.partitions.get(groupId) ?? null;
  }

  all(): IterableIterator<Partition> {
    return this.partitions.values();
  }

  coordinator(groupId: GroupId): Coordinator | null {
    return this.coordinators.get(groupId) ?? null;
  }

  allCoordinators(): IterableIterator<Coordinator> {
    return this.coordinators.values();
  }

  /**
   * Brings this broker to what is wanted. `hasLeft` says of a replica that the controller handed its id out, and that it has left since.
   * Resolves when done; what fails is logged, and tried at the next call or soon by itself.
   */
  reconcile(wanted: readonly WantedReplica[], hasLeft: HasLeft): Promise<void> {
    this.latest = { wanted, hasLeft };
    this.retry?.cancel();
    this.retry = null;
    this.work = this.work
      .then(() => this.apply(wanted, hasLeft))
      .then(
        () => {
          this.retryMs = RETRY_MS;
        },
        (error: unknown) => this.tryAgain(error),
      );
    return this.work;
  }

  private tryAgain(error: unknown): void {
    const { clock, logger } = this.options;
    logger.error(
      { err: error, againInMs: this.retryMs },
      "the partitions of this broker could not be brought to what the controller wants",
    );
    if (this.closed) return;
    this.retry?.cancel();
    // By then what failed may not be wanted any more, and a replica that has left must not come back.
    this.retry = clock.setTimer(this.retryMs, () => void this.reconcile(this.latest.wanted, this.latest.hasLeft));
    this.retryMs = Math.min(2 * this.retryMs, RETRY_MS_MAX);
  }

  private async apply(wanted: readonly WantedReplica[], hasLeft: HasLeft): Promise<void> {
    const { storage } = this.options;
    for (const { spec } of [...storage.groups()])
      if (spec.groupId !== CONTROLLER_GROUP && hasLeft(spec.groupId, spec.replicaId)) await this.drop(spec.groupId);
    for (const [groupId, replicaId] of [...this.lost]) {
      if (!hasLeft(groupId, replicaId)) continue;
      await storage.forgetLost(groupId, replicaId);
      this.lost.delete(groupId);
    }
    await this.ensureAll(wanted.filter(({ groupId, replicaId }) => !hasLeft(groupId, replicaId)));
  }

  /** Damage was found in a log that is open: its replica stops at once, and is made anew as one that was damaged at the start. */
  quarantined(groupId: GroupId): void {
    const log = this.options.storage.group(groupId);
    if (log === null || groupId === CONTROLLER_GROUP) return;
    this.options.host.remove(groupId);
    this.partitions.get(groupId)?.close();
    this.options.onDamaged(groupId, log.spec.replicaId);
  }

  /** Several at a time: making a log waits for the disk, and two logs have nothing to do with each other. */
  private async ensureAll(wanted: readonly WantedReplica[]): Promise<void> {
    const left = wanted.values();
    const failures: unknown[] = [];
    const worker = async (): Promise<void> => {
      for (const replica of left)
        if (!this.closed) await this.ensure(replica).catch((error: unknown) => failures.push(error));
    };
    await Promise.all(Array.from({ length: ENSURED_AT_ONCE }, worker));
    if (failures.length > 0) throw failures[0];
  }

  private async ensure(wanted: WantedReplica): Promise<void> {
    const { groupId, config } = wanted;
    const running = this.partitions.get(groupId);
    running?.log.setConfig(config);
    running?.setSettings(this.settingsOf(wanted));
    const existing = this.options.storage.group(groupId);
    if (running !== undefined || this.coordinators.has(groupId)) {
      if (existing !== null && existing.quarantine !== null) this.options.onDamaged(groupId, existing.spec.replicaId);
      return;
    }
    const log = existing ?? (await this.createUnlessLost(wanted));
    // S3: what is known here is behind what made the log.
    if (log === null || log.spec.replicaId !== wanted.replicaId) return;
    log.setConfig(config);
    const hosted = wanted.coordinates ? this.coordinate(wanted, log) : this.hold(wanted, log);
    if (log.quarantine !== null) {
      const { topic, partition } = wanted;
      this.options.logger.error(
        { topic, partition, why: log.quarantine },
        "a replica is quarantined: it does not serve or vote; it is made anew from the others as soon as they have let it go",
      );
      this.options.onDamaged(groupId, log.spec.replicaId);
      return;
    }
    const replica = this.options.host.add(log, hosted);
    hosted.attach(replica);
    if (existing === null && wanted.preferred) this.options.host.standAtCreation(replica);
  }

  private coordinate(wanted: WantedReplica, log: GroupLog): Hosted {
    const coordinator = this.options.coordinator(wanted, log);
    this.coordinators.set(wanted.groupId, coordinator);
    return coordinator;
  }

  private hold(wanted: WantedReplica, log: GroupLog): Hosted {
    const { groupId, topic, partition: number } = wanted;
    const partition = new Partition({
      name: { topic, partition: number },
      log,
      storage: this.options.storage,
      clock: this.options.clock,
      codec: this.options.codec,
      settings: this.settingsOf(wanted),
      inFlight: this.options.inFlight,
      uncommittedBytesMax: this.options.uncommittedBytesMax,
      undrainedBytesMax: this.options.undrainedBytesMax,
      meter: this.options.meter,
      brokerOf: (replicaId) => this.options.brokerOf(groupId, replicaId),
      onRole: this.options.onRole,
    });
    this.partitions.set(groupId, partition);
    return partition;
  }

  private settingsOf(wanted: WantedReplica): PartitionSettings {
    const { batchBytesMax, batchRecordsMax, recordBytesMax } = this.options.batchLimits;
    return { batchBytesMax: Math.min(batchBytesMax, wanted.batchBytesMax), batchRecordsMax, recordBytesMax };
  }

  /** Null: this directory had a replica of the group and has lost it, which is told. */
  private async createUnlessLost(wanted: WantedReplica): Promise<GroupLog | null> {
    const { groupId, replicaId, topic, partition } = wanted;
    try {
      return await this.create(wanted);
    } catch (error) {
      if (!isVarveError(error) || error.code !== "REPLICA_QUARANTINED") throw error;
      this.options.logger.error({ err: error, topic, partition }, "a replica is lost: it is made anew from the others");
      this.lost.set(groupId, replicaId);
      this.options.onDamaged(groupId, replicaId);
      return null;
    }
  }

  private create(wanted: WantedReplica): ReturnType<Storage["createGroup"]> {
    return this.options.storage.createGroup(
      {
        groupId: wanted.groupId,
        replicaId: wanted.replicaId,
        topicId: wanted.topicId,
        partition: wanted.partition,
        kind: wanted.coordinates ? "state" : "data",
        initial: { voters: wanted.voters, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
      },
      wanted.config,
    );
  }

  private async drop(groupId: GroupId): Promise<void> {
    this.options.host.remove(groupId);
    this.partitions.get(groupId)?.close();
    this.partitions.delete(groupId);
    await this.coordinators.get(groupId)?.close();
    this.coordinators.delete(groupId);
    await this.options.storage.dropGroup(groupId);
  }

  /** Reads that wait for records are answered with what is there, from now on. */
  endWaits(): void {
    for (const partition of this.partitions.values()) partition.endWaits();
  }

  /** Ends every wait; no more logs are made. Resolves when what coordinators materialise is in the store. */
  async close(): Promise<void> {
    this.end();
    for (const partition of this.partitions.values()) partition.close();
    await Promise.all([...this.coordinators.values()].map((coordinator) => coordinator.close()));
  }

  /** Ends every wait, as the end of the process does: what coordinators have not begun to materialise never is. */
  abandon(): void {
    this.end();
    for (const partition of this.partitions.values()) partition.close();
    for (const coordinator of this.coordinators.values()) coordinator.abandon();
  }

  private end(): void {
    this.closed = true;
    this.retry?.cancel();
  }
}
