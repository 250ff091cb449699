/**
 * commands.ts: everything that can change the controller's state. What a command needs from the world (random ids, boot ids,
 * which brokers are down) stands in it, so that applying it is a function of the log alone.
 */
import type { BootId, BrokerId, ClusterId, DirectoryId, GroupId, PartitionId, ReplicaId, TopicId } from "@varve/base";
import type { BrokerEndpoints } from "./model.js";
import type { TopicConfigPatch } from "./topic-config.js";

/** A first voter of the controller's group. */
export interface FoundingVoter {
  readonly brokerId: BrokerId;
  readonly directoryId: DirectoryId;
  readonly replicaId: ReplicaId;
  readonly peerAddress: string;
}

/** The first command of every cluster; a repeat with the same cluster id changes nothing. */
export interface FoundingCommand {
  readonly kind: "founding";
  readonly clusterId: ClusterId;
  readonly voters: readonly FoundingVoter[];
}

/** How a directory proves that it is the one the controller knows. */
export interface DirectoryProof {
  readonly brokerId: BrokerId;
  readonly directoryId: DirectoryId;
  /** This start's id. */
  readonly bootId: BootId;
  /** The ids of earlier starts that node.json lists, newest last; at most 63. */
  readonly priorBootIds: readonly BootId[];
}

/** A directory that belongs to no cluster yet asks to belong to this one: mints its replica id of the controller's group. */
export interface JoinBrokerCommand extends DirectoryProof {
  readonly kind: "joinBroker";
  readonly peerAddress: string;
}

/** A broker has started; says where it is reached. Joins it first when that has not happened. */
export interface RegisterBrokerCommand extends DirectoryProof, BrokerEndpoints {
  readonly kind: "registerBroker";
}

export interface CreateTopicCommand {
  readonly kind: "createTopic";
  readonly topic: string;
  /** Minted by the proposer. A repeat with the same id answers as the first did. */
  readonly topicId: TopicId;
  /** null = 6. */
  readonly partitions: number | null;
  /** null = 3, or the number of brokers when there are fewer. */
  readonly replicas: number | null;
  readonly config: TopicConfigPatch;
  /** A topic of that name is success, whatever its settings. */
  readonly ifNotExists: boolean;
  /** Brokers known to be down: they get replicas only when there is no other, and lead none that another could. */
  readonly avoidBrokers: readonly BrokerId[];
}

export interface DeleteTopicCommand {
  readonly kind: "deleteTopic";
  readonly topic: string;
  /** When given, deletes only the topic with this id, not one recreated under the name. */
  readonly topicId: TopicId | null;
}

export interface AlterTopicCommand {
  readonly kind: "alterTopic";
  readonly topic: string;
  readonly config: TopicConfigPatch;
}

export interface AddPartitionsCommand {
  readonly kind: "addPartitions";
  readonly topic: string;
  /** How many the topic has afterwards; as many as it has already changes nothing. */
  readonly partitions: number;
  readonly avoidBrokers: readonly BrokerId[];
}

export interface AllocateProducerIdsCommand {
  readonly kind: "allocateProducerIds";
  readonly count: number;
}

/** On which brokers a partition shall have its replicas from now on; the first is the preferred leader. */
export interface SetReplicasCommand {
  readonly kind: "setReplicas";
  readonly topic: string;
  /** When given, only the topic with this id, not one recreated under the name. */
  readonly topicId: TopicId | null;
  readonly partition: PartitionId;
  readonly brokers: readonly BrokerId[];
}

/** A replica has lost what it held: a fresh one takes its place, on the same directory. A repeat changes nothing. */
export interface RenewReplicaCommand {
  readonly kind: "renewReplica";
  readonly groupId: GroupId;
  readonly replicaId: ReplicaId;
}

/** A group's leader says that these are out of its configuration, by a committed change. */
export interface ReplicasLeftCommand {
  readonly kind: "replicasLeft";
  readonly groupId: GroupId;
  readonly replicaIds: readonly ReplicaId[];
}

/** All replicas of a broker move to others, then the broker goes; or, as long as it has not gone, it stays after all. */
export interface DecommissionBrokerCommand {
  readonly kind: "decommissionBroker";
  readonly brokerId: BrokerId;
  /** Brokers known to be down: nothing moves to them. */
  readonly avoidBrokers: readonly BrokerId[];
  readonly cancel: boolean;
}

export interface DrainBrokerCommand {
  readonly kind: "drainBroker";
  readonly brokerId: BrokerId;
  readonly drained: boolean;
}

/** A broker's data directory is gone for ever: it is never accepted again, and the broker may come with an empty one. */
export interface ReplaceBrokerCommand {
  readonly kind: "replaceBroker";
  readonly brokerId: BrokerId;
}

/** The controller's leader says that these are out of its group's configuration, by a committed change. */
export interface ControllerReplicasLeftCommand {
  readonly kind: "controllerReplicasLeft";
  readonly replicaIds: readonly ReplicaId[];
}

/** The controller's replica on a directory has lost what it held: a fresh one takes its place. A repeat changes nothing. */
export interface RenewControllerReplicaCommand {
  readonly kind: "renewControllerReplica";
  readonly replicaId: ReplicaId;
}

/** From now on the formats of this level may be written. Refused while a broker does not support it. */
export interface FinalizeLevelCommand {
  readonly kind: "finalizeLevel";
  readonly level: number;
}

export type ControllerCommand =
  | FoundingCommand
  | JoinBrokerCommand
  | RegisterBrokerCommand
  | CreateTopicCommand
  | DeleteTopicCommand
  | AlterTopicCommand
  | AddPartitionsCommand
  | AllocateProducerIdsCommand
  | SetReplicasCommand
  | RenewReplicaCommand
  | ReplicasLeftCommand
  | DecommissionBrokerCommand
  | DrainBrokerCommand
  | ReplaceBrokerCommand
  | ControllerReplicasLeftCommand
  | RenewControllerReplicaCommand
  | FinalizeLevelCommand;
