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
  type GroupId,
  NUMBER_MAX,
  type ReplicaId,
  type TopicId,
  unreachable,
} from "@varve/base";
import { applyFounding, applyJoinBroker, applyRegisterBroker, applySetControllerVoters } from "./apply-brokers.js";
import { applyAddPartitions, applyAlterTopic, applyCreateTopic, applyDeleteTopic } from "./apply-topics.js";
import type { AllocateProducerIdsCommand, ControllerCommand } from "./commands.js";
import {
  type Broker,
  CLUSTER_LIMITS,
  type ControllerReplica,
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
      case "setControllerVoters":
        return applySetControllerVoters(this.tables, command);
      case "createTopic":
        return applyCreateTopic(this.tables, command, context);
      case "deleteTopic":
        return applyDeleteTopic(this.tables, command);
      case "alterTopic":
        return applyAlterTopic(this.tables, command);
      case "addPartitions":
        return applyAddPartitions(this.tables, command);
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
    const replicas =
      groupId === CONTROLLER_GROUP
        ? this.tables.controllerReplicas
        : partitionOfGroup(this.tables, groupId)?.partition.replicas;
    return replicas?.find((replica) => replica.replicaId === replicaId)?.brokerId ?? null;
  }

  /** The partition replicas that a broker must run, sorted by group id. The controller's own is not among them. */
  replicasOf(brokerId: BrokerId): ReplicaAssignment[] {
    const assignments: ReplicaAssignment[] = [];
    for (const owner of this.tables.topics.values()) {
      for (const partition of owner.partitions) {
        const assignment = assignmentOf(owner, partition, brokerId);
        if (assignment !== null) assignments.push(assignment);
      }
    }
    return assignments.sort((left, right) => left.groupId - right.groupId);
  }

  /** The broker that should lead each group when all are up. */
  preferredLeaders(): Map<GroupId, BrokerId> {
    const leaders = new Map<GroupId, BrokerId>();
    for (const { partitions } of this.tables.topics.values()) {
      for (const { groupId, replicas } of partitions) {
        const first = replicas[0];
        assert(first !== undefined, "a partition has a replica");
        leaders.set(groupId, first.brokerId);
      }
    }
    return leaders;
  }

  /** Partitions of all topics. */
  get partitionCount(): number {
    return this.tables.groups.size;
  }
}

function assignmentOf(owner: Topic, partition: Partition, brokerId: BrokerId): ReplicaAssignment | null {
  const own = partition.replicas.find((replica) => replica.brokerId === brokerId);
  if (own === undefined) return null;
  return {
    groupId: partition.groupId,
    replicaId: own.replicaId,
    topicId: owner.topicId,
    topic: owner.topic,
    partition: partition.partition,
    directoryId: own.directoryId,
    preferred: partition.replicas[0] === own,
    initialVoters: partition.replicas.map(({ replicaId }) => replicaId).sort((left, right) => left - right),
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
