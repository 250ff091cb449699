/**
 * state.ts: the controller's state: a fold over the committed commands, in log order, the same on every broker.
 *
 * Pure: no I/O, clock, randomness or logging. The log, its replication and the duties that follow from a change are the broker's.
 * Invariants, beside T1-T4 of tables.ts and P1-P4 of placement.ts:
 *   S1  equal commands at equal indexes lead to equal bytes of `snapshot()`, also when a snapshot was restored in between
 *   S2  `apply` never throws for what a command says; a refused command leaves topics, brokers and ids as they were
 *   S3  `metadataVersion` is the index of the last command that changed something, and never goes back
 */
import {
  assert,
  type BrokerId,
  type ClusterId,
  CONTROLLER_GROUP,
  type DirectoryId,
  type GroupId,
  NUMBER_MAX,
  type ReplicaId,
  type TopicId,
  unreachable,
} from "@varve/base";
import { applyFounding, applyJoinBroker, applyRegisterBroker } from "./apply-brokers.js";
import {
  applyControllerReplicasLeft,
  applyDecommissionBroker,
  applyDrainBroker,
  applyRenewControllerReplica,
  applyRenewReplica,
  applyReplaceBroker,
  applyReplicasLeft,
  applySetReplicas,
} from "./apply-replicas.js";
import { applyAddPartitions, applyAlterTopic, applyCreateTopic, applyDeleteTopic } from "./apply-topics.js";
import type { AllocateProducerIdsCommand, ControllerCommand } from "./commands.js";
import { answerBeforeLog, applyFinalizeLevel } from "./feature-levels.js";
import {
  type Broker,
  CLUSTER_LIMITS,
  type ControllerReplica,
  type GroupReplica,
  type Partition,
  type ReplicaAssignment,
  type Topic,
} from "./model.js";
import { type ApplyContext, changed, type Outcome, refused } from "./outcome.js";
import { type CommandResult, refuse } from "./result.js";
import { decodeTables, encodeTables } from "./snapshot.js";
import { emptyTables, partitionOfGroup, type Tables, topicByName } from "./tables.js";

export class ControllerState {
  private readonly tables: Tables;
  private appliedIndex: number;

  private constructor(tables: Tables) {
    this.tables = tables;
    this.appliedIndex = tables.metadataVersion;
  }

  /** The state before the first command. */
  static empty(): ControllerState {
    return new ControllerState(emptyTables());
  }

  /** The state that `snapshot()` encoded. @throws VarveError DATA_DIR_UNUSABLE when it is damaged or of a newer version. */
  static restore(bytes: Uint8Array): ControllerState {
    return new ControllerState(decodeTables(bytes));
  }

  /** The whole state as bytes: JSON text with a version field, equal for equal states. */
  snapshot(): Uint8Array {
    return encodeTables(this.tables);
  }

  /** Applies the next committed command. Indexes rise from call to call. */
  apply(command: ControllerCommand, context: ApplyContext): CommandResult {
    assert(context.index > this.appliedIndex, "S3: commands are applied in log order, each once");
    this.appliedIndex = context.index;
    const outcome = this.dispatch(command, context);
    if (outcome.changed) this.tables.metadataVersion = context.index;
    return outcome.result;
  }

  private dispatch(command: ControllerCommand, context: ApplyContext): Outcome {
    switch (command.kind) {
      case "founding":
        return applyFounding(this.tables, command);
      case "joinBroker":
        return applyJoinBroker(this.tables, command);
      case "registerBroker":
        return applyRegisterBroker(this.tables, command);
      case "createTopic":
        return applyCreateTopic(this.tables, command, context);
      case "deleteTopic":
        return applyDeleteTopic(this.tables, command);
      case "alterTopic":
        return applyAlterTopic(this.tables, command);
      case "addPartitions":
        return applyAddPartitions(this.tables, command);
      case "setReplicas":
        return applySetReplicas(this.tables, command);
      case "renewReplica":
        return applyRenewReplica(this.tables, command);
      case "replicasLeft":
        return applyReplicasLeft(this.tables, command);
      case "decommissionBroker":
        return applyDecommissionBroker(this.tables, command);
      case "drainBroker":
        return applyDrainBroker(this.tables, command);
      case "replaceBroker":
        return applyReplaceBroker(this.tables, command);
      case "controllerReplicasLeft":
        return applyControllerReplicasLeft(this.tables, command);
      case "renewControllerReplica":
        return applyRenewControllerReplica(this.tables, command);
      case "finalizeLevel":
        return applyFinalizeLevel(this.tables, command);
      case "allocateProducerIds":
        return applyAllocateProducerIds(this.tables, command);
      default:
        return unreachable(command);
    }
  }

  /** Index of the last command that changed something; 0 before the first. */
  get metadataVersion(): number {
    return this.tables.metadataVersion;
  }

  /** The answer to a command that must not enter the log, as not every broker could read it; null: append it. */
  answerBeforeLog(command: ControllerCommand): CommandResult | null {
    return answerBeforeLog(this.tables, command);
  }

  /** The finalised feature level: formats of later ones are not written. */
  get featureLevel(): number {
    return this.tables.featureLevel;
  }

  /** null before the founding command. */
  get clusterId(): ClusterId | null {
    return this.tables.clusterId;
  }

  /** Replicas of the controller's group, sorted by replica id. */
  get controllerReplicas(): readonly ControllerReplica[] {
    return this.tables.controllerReplicas;
  }

  /** All registered brokers, sorted by id. */
  brokers(): Broker[] {
    return [...this.tables.brokers.values()].sort((left, right) => left.brokerId - right.brokerId);
  }

  broker(brokerId: BrokerId): Broker | null {
    return this.tables.brokers.get(brokerId) ?? null;
  }

  /** All topics, sorted by name (by code unit). */
  topics(): Topic[] {
    return [...this.tables.topics.values()].sort((left, right) => (left.topic < right.topic ? -1 : 1));
  }

  topicByName(topic: string): Topic | null {
    return topicByName(this.tables, topic);
  }

  topicById(topicId: TopicId): Topic | null {
    return this.tables.topics.get(topicId) ?? null;
  }

  /** The partition that a group is; null for the controller's group and for groups of deleted topics. */
  partitionOf(groupId: GroupId): { readonly topic: Topic; readonly partition: Partition } | null {
    return partitionOfGroup(this.tables, groupId);
  }

  /** Whether a group id was handed out already. If so and `partitionOf` knows it not, its topic was deleted. */
  wasMinted(groupId: GroupId): boolean {
    return groupId < this.tables.nextGroupId;
  }

  /** The broker of a replica, of the controller's group too; null when there is no such replica. */
  brokerOf(groupId: GroupId, replicaId: ReplicaId): BrokerId | null {
    const is = (replica: GroupReplica): boolean => replica.replicaId === replicaId;
    if (groupId === CONTROLLER_GROUP) return this.tables.controllerReplicas.find(is)?.brokerId ?? null;
    const partition = partitionOfGroup(this.tables, groupId)?.partition;
    return (partition?.replicas.find(is) ?? partition?.leaving.find(is))?.brokerId ?? null;
  }

  /** Whether a replica was handed out once and has left since: what a directory holds of it may be deleted. */
  hasLeft(groupId: GroupId, replicaId: ReplicaId): boolean {
    if (groupId === CONTROLLER_GROUP) {
      const { nextControllerReplicaId, controllerReplicas } = this.tables;
      return replicaId < nextControllerReplicaId && controllerReplicas.every((known) => known.replicaId !== replicaId);
    }
    const partition = partitionOfGroup(this.tables, groupId)?.partition;
    if (partition === undefined) return this.wasMinted(groupId);
    const is = (replica: GroupReplica): boolean => replica.replicaId === replicaId;
    return replicaId < partition.nextReplicaId && !partition.replicas.some(is) && !partition.leaving.some(is);
  }

  /**
   * The partition replicas that a directory must hold, sorted by group id, one of each group: the oldest that has not left. The
   * controller's own is not among them.
   */
  replicasOf(directoryId: DirectoryId): ReplicaAssignment[] {
    const assignments: ReplicaAssignment[] = [];
    for (const owner of this.tables.topics.values()) {
      for (const partition of owner.partitions) {
        const assignment = assignmentOf(owner, partition, directoryId);
        if (assignment !== null) assignments.push(assignment);
      }
    }
    return assignments.sort((left, right) => left.groupId - right.groupId);
  }

  /** Whether a directory was replaced or decommissioned, and so is never accepted again. */
  isRetired(directoryId: DirectoryId): boolean {
    return this.tables.directories.get(directoryId)?.retired ?? false;
  }

  /** Peer addresses of brokers that were decommissioned and have not come back. */
  decommissioned(): Set<string> {
    const gone = [...this.tables.directories.values()].flatMap(({ decommissionedFrom }) => decommissionedFrom ?? []);
    const back = new Set([...this.tables.brokers.values()].map(({ peerAddress }) => peerAddress));
    return new Set(gone.filter((address) => !back.has(address)));
  }

  /** Replicas of partitions per broker, those that are leaving among them. */
  replicaCounts(): Map<BrokerId, number> {
    const counts = new Map<BrokerId, number>();
    for (const { partitions } of this.tables.topics.values()) {
      for (const { replicas, leaving } of partitions) {
        for (const { brokerId } of [...replicas, ...leaving]) counts.set(brokerId, (counts.get(brokerId) ?? 0) + 1);
      }
    }
    return counts;
  }

  /** The replica that should lead each group when all are up. */
  preferredReplicas(): Map<GroupId, ReplicaId> {
    const leaders = new Map<GroupId, ReplicaId>();
    for (const { partitions } of this.tables.topics.values()) {
      for (const { groupId, replicas } of partitions) {
        const first = replicas.find(({ brokerId }) => this.mayLead(brokerId)) ?? replicas[0];
        assert(first !== undefined, "a partition has a replica");
        leaders.set(groupId, first.replicaId);
      }
    }
    return leaders;
  }

  /** Whether a broker is meant to lead: neither drained nor being decommissioned. */
  mayLead(brokerId: BrokerId): boolean {
    const broker = this.tables.brokers.get(brokerId);
    return broker !== undefined && !broker.drained && !broker.leaving;
  }

  /** Partitions of all topics. */
  get partitionCount(): number {
    return this.tables.groups.size;
  }
}

function assignmentOf(owner: Topic, partition: Partition, directoryId: DirectoryId): ReplicaAssignment | null {
  const isHere = (replica: GroupReplica): boolean => replica.directoryId === directoryId;
  const own = partition.leaving.find(isHere) ?? partition.replicas.find(isHere);
  if (own === undefined) return null;
  return {
    groupId: partition.groupId,
    replicaId: own.replicaId,
    topicId: owner.topicId,
    topic: owner.topic,
    partition: partition.partition,
    directoryId: own.directoryId,
    preferred: partition.replicas[0] === own,
    initialVoters: partition.initialVoters,
    owner,
  };
}

function applyAllocateProducerIds(tables: Tables, { count }: AllocateProducerIdsCommand): Outcome {
  const max = CLUSTER_LIMITS.producerIdsPerBlockMax;
  if (!Number.isInteger(count) || count < 1 || count > max) {
    return refused(refuse("INVALID_ARGUMENT", `a block has 1 .. ${max} producer ids, not ${count}`));
  }
  const first = tables.nextProducerId;
  if (first + count > NUMBER_MAX) return refused(refuse("INVALID_ARGUMENT", "all producer ids have been handed out"));
  tables.nextProducerId = first + count;
  return changed({ kind: "producerIds", first, count });
}
