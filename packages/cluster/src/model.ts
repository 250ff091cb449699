/**
 * model.ts: what the controller knows: brokers, topics, their partitions and who holds a replica of each.
 *
 * Every value here is immutable: a change replaces the object, so a reader may keep one and compare by identity.
 */
import type {
  BootId,
  BrokerId,
  DirectoryId,
  GroupId,
  HashRange,
  PartitionId,
  RaftIndex,
  ReplicaId,
  TopicId,
} from "@varve/base";
import type { TopicConfigOverrides } from "./topic-config.js";

/** Bounds of the controller's state; a command beyond one is refused. */
export const CLUSTER_LIMITS = {
  brokersMax: 1_000,
  /** Partitions of all topics together. */
  partitionsMax: 100_000,
  /** Voters of the controller's group. */
  votersMax: 7,
  /** Data directories known, retired ones among them. */
  directoriesMax: 4_000,
  /** Boot ids kept per directory: as many as node.json keeps. */
  bootIdsMax: 64,
  /** Ids of deleted topics kept, so that a late repeat of a create cannot bring one back. */
  deletedTopicIdsMax: 1_024,
  /** Producer ids handed out by one command. */
  producerIdsPerBlockMax: 1_000_000,
  /** Replicas of one partition that are on their way out; a move beyond that waits for the ones before. */
  leavingReplicasMax: 16,
} as const;

/** What a broker says of itself when it registers; replaced as a whole by its next registration. */
export interface BrokerEndpoints {
  /** `host:port` that clients connect to. */
  readonly grpcAddress: string;
  /** `host:port` that other brokers connect to. */
  readonly peerAddress: string;
  /** `host:port` of /livez, /readyz and /metrics. */
  readonly opsAddress: string;
  /** Failure domain above the machine; null when not configured. */
  readonly rack: string | null;
  /** The machine: brokers with the same value die together. */
  readonly host: string;
  /** Version of the broker's software. */
  readonly version: string;
  /** Newest feature level that its software supports (`feature-levels.ts`). */
  readonly formatVersion: number;
  /** Oldest feature level that its software supports. */
  readonly formatVersionMin: number;
}

/** A data directory as the controller last accepted it. */
export interface DirectoryRecord {
  readonly directoryId: DirectoryId;
  readonly brokerId: BrokerId;
  /** The boot ids that node.json listed then, newest last; at most bootIdsMax. */
  readonly bootIds: readonly BootId[];
  /** Boot ids of starts that were refused as rolled back, newest last; whoever lists one is refused too. */
  readonly refusedBootIds: readonly BootId[];
  /** Replaced or decommissioned: never accepted again, and its broker id is free for another directory. */
  readonly retired: boolean;
  /** `host:port` that the other brokers reached it at when it was decommissioned; null: it was not. */
  readonly decommissionedFrom: string | null;
}

/** A registered broker. */
export interface Broker extends BrokerEndpoints {
  readonly brokerId: BrokerId;
  readonly directoryId: DirectoryId;
  /** Prefers to lead nothing, until its next start or until it is told otherwise. */
  readonly drained: boolean;
  /** Being decommissioned: gets no replicas, and those that it has move away. */
  readonly leaving: boolean;
}

/** A replica of one group, bound to a directory for ever. */
export interface GroupReplica {
  readonly brokerId: BrokerId;
  readonly directoryId: DirectoryId;
  readonly replicaId: ReplicaId;
}

/** A replica of the controller's own group. */
export interface ControllerReplica extends GroupReplica {
  readonly peerAddress: string;
  /** Unwanted: it goes from the controller's group, and then from here. */
  readonly leaving: boolean;
}

/** One partition of a topic: a Raft group with a share of the key hash space. */
export interface Partition {
  readonly partition: PartitionId;
  readonly groupId: GroupId;
  /** First key hash of this partition. */
  readonly hashStart: number;
  /** Key hash after the last one of this partition. */
  readonly hashEnd: number;
  /** Replica ids when the group was made: the configuration before its first entry. */
  readonly initialVoters: readonly ReplicaId[];
  /** Those that are wanted; the first is the preferred leader. The group's leader brings its configuration to them. */
  readonly replicas: readonly GroupReplica[];
  /** No longer wanted, and not known yet to be out of the group's configuration: they stay where they are until then. */
  readonly leaving: readonly GroupReplica[];
  /** Replica id that the next new replica of this group gets. */
  readonly nextReplicaId: ReplicaId;
}

export interface Topic {
  readonly topic: string;
  readonly topicId: TopicId;
  /** Controller log index of the create; a topic that was recreated under the same name has a later one. */
  readonly createdIndex: RaftIndex;
  /** Leader's clock when the create was appended, milliseconds since 1970. */
  readonly createdMs: number;
  readonly replicas: number;
  /** Only what was set; `effectiveTopicConfig` adds the defaults. */
  readonly config: TopicConfigOverrides;
  /** Sorted by partition, dense from 0. */
  readonly partitions: readonly Partition[];
}

/** A replica that one broker must run. */
export interface ReplicaAssignment {
  readonly groupId: GroupId;
  readonly replicaId: ReplicaId;
  readonly topicId: TopicId;
  readonly topic: string;
  readonly partition: PartitionId;
  readonly directoryId: DirectoryId;
  /** Whether this broker is the preferred leader. */
  readonly preferred: boolean;
  /** The configuration before the group's first entry. */
  readonly initialVoters: readonly ReplicaId[];
  readonly owner: Topic;
}

/** The hash ranges of a topic in the order of the hash space. */
export function rangesOf(topic: Topic): HashRange[] {
  return topic.partitions
    .map(({ partition, hashStart, hashEnd }) => ({ partition, start: hashStart, end: hashEnd }))
    .sort((left, right) => left.start - right.start);
}
