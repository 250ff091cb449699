/**
 * partition-set.ts: the partitions that have a replica on this broker, kept as the controller's state says: of users' topics, and of the
 * internal one whose partitions coordinate groups.
 *
 * Rounds follow one after another, and in one round each log is touched once, so that creating, reconfiguring and deleting one log never
 * overlap.
 * Invariants:
 *   S1  a log is deleted only when the controller's log, applied here, says that its topic or replica is gone
 *   S2  a quarantined log stays on disk and runs no replica
 */
import type { BrokerId, Clock, Codec, GroupId, Logger, PartitionId, TopicId } from "@varve/base";
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
  /** Replica ids of the group when it was made, this one among them. */
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
  /** What runs on a log that coordinates groups. */
  readonly coordinator: (wanted: WantedReplica, log: GroupLog) => Coordinator;
}

/** Logs that are made at once. */
const ENSURED_AT_ONCE = 8;

/** What runs on a log here. */
interface Hosted extends StateMachine {
  attach(replica: Replica): void;
}

export class PartitionSet {
  private readonly options: PartitionSetOptions;
  private readonly partitions = new Map<GroupId, Partition>();
  private readonly coordinators = new Map<GroupId, Coordinator>();
  private work: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(options: PartitionSetOptions) {
    this.options = options;
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
   * Brings this broker to what is wanted. `isGone` says of a group that the controller handed its id out and has deleted it since.
   * Resolves when done; what fails is logged and tried at the next call.
   */
  reconcile(wanted: readonly WantedReplica[], isGone: (groupId: GroupId) => boolean): Promise<void> {
    this.work = this.work
      .then(() => this.apply(wanted, isGone))
      .catch((error: unknown) => {
        this.options.logger.error(
          { err: error },
          "the partitions of this broker could not be brought to what the controller wants",
        );
      });
    return this.work;
  }

  private async apply(wanted: readonly WantedReplica[], isGone: (groupId: GroupId) => boolean): Promise<void> {
    for (const log of [...this.options.storage.groups()])
      if (isGone(log.spec.groupId)) await this.drop(log.spec.groupId);
    await this.ensureAll(wanted.filter(({ groupId }) => !isGone(groupId)));
  }

  /** Several at a time: making a log waits for the disk, and two logs have nothing to do with each other. */
  private async ensureAll(wanted: readonly WantedReplica[]): Promise<void> {
    const left = wanted.values();
    const worker = async (): Promise<void> => {
      for (const replica of left) if (!this.closed) await this.ensure(replica);
    };
    const ends = await Promise.allSettled(Array.from({ length: ENSURED_AT_ONCE }, worker));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  private async ensure(wanted: WantedReplica): Promise<void> {
    const { groupId, config } = wanted;
    const running = this.partitions.get(groupId);
    running?.log.setConfig(config);
    running?.setSettings(this.settingsOf(wanted));
    if (running !== undefined || this.coordinators.has(groupId)) return;
    const existing = this.options.storage.group(groupId);
    const log = existing ?? (await this.create(wanted));
    log.setConfig(config);
    const hosted = wanted.coordinates ? this.coordinate(wanted, log) : this.hold(wanted, log);
    if (log.quarantine !== null) {
      const { topic, partition } = wanted;
      this.options.logger.error(
        { topic, partition, why: log.quarantine },
        "a replica is quarantined: it does not serve or vote",
      );
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

  /** Ends every wait; no more logs are made. Resolves when what coordinators materialise is in the store. */
  async close(): Promise<void> {
    this.closed = true;
    for (const partition of this.partitions.values()) partition.close();
    await Promise.all([...this.coordinators.values()].map((coordinator) => coordinator.close()));
  }

  /** Ends every wait, as the end of the process does: what coordinators have not begun to materialise never is. */
  abandon(): void {
    this.closed = true;
    for (const partition of this.partitions.values()) partition.close();
    for (const coordinator of this.coordinators.values()) coordinator.abandon();
  }
}
