/** Messages of varve.v1. Made by scripts/generate.mjs from proto/; do not edit. */
import { TableCodec } from "../wire/message-codec.js";

/** When the broker answers a produce request. */
export const Acks = {
  /** The same as ACKS_QUORUM: what a caller does not choose must be safe. */
  UNSPECIFIED: 0,
  /** More than half of the replicas have flushed the batch to disk; it survives the loss of a minority of them. */
  QUORUM: 1,
  /** The leader has flushed the batch; it is lost if the leader's disk is lost, or another leader takes over, before others have it. */
  LEADER: 2,
  /** At once, before anything is written; the answer's offset is -1. The batch may be lost at any failure. */
  NONE: 3,
} as const;
export type Acks = (typeof Acks)[keyof typeof Acks];
const AcksValues: ReadonlySet<number> = new Set(Object.values(Acks));

/** Which offset of a partition is meant. */
export const OffsetPosition = {
  /** Refused with INVALID_ARGUMENT. */
  UNSPECIFIED: 0,
  /** The first record that is still there. */
  EARLIEST: 1,
  /** The next record to be committed. */
  LATEST: 2,
  /** The first record whose append time is `time_ms` or later; past the last record the same as latest. */
  TIME: 3,
} as const;
export type OffsetPosition = (typeof OffsetPosition)[keyof typeof OffsetPosition];
const OffsetPositionValues: ReadonlySet<number> = new Set(Object.values(OffsetPosition));

/** What a group does at this moment. */
export const GroupState = {
  /** Not said. */
  UNSPECIFIED: 0,
  /** It has no members; its offsets stay. */
  EMPTY: 1,
  /** A new assignment is made. */
  ASSIGNING: 2,
  /** Partitions are on their way from one member to another. */
  RECONCILING: 3,
  /** Every partition is where it belongs. */
  STABLE: 4,
} as const;
export type GroupState = (typeof GroupState)[keyof typeof GroupState];
const GroupStateValues: ReadonlySet<number> = new Set(Object.values(GroupState));

/** Where a group without an offset of a partition begins. */
export const StartFrom = {
  /** The same as START_FROM_EARLIEST. */
  UNSPECIFIED: 0,
  /** At the first record that is still there. */
  EARLIEST: 1,
  /** At the next record. */
  LATEST: 2,
} as const;
export type StartFrom = (typeof StartFrom)[keyof typeof StartFrom];
const StartFromValues: ReadonlySet<number> = new Set(Object.values(StartFrom));

/**
 * An error inside a stream, where the call itself goes on. Unary calls and streams that end use the gRPC status with
 * google.rpc.ErrorInfo and google.rpc.RetryInfo instead; both say the same.
 */
export interface ErrorStatus {
  /** Canonical gRPC status code, for example 5 for NOT_FOUND. */
  readonly code: number;
  /** Error code of Varve's catalogue, for example NOT_LEADER. A code is never renamed; new ones may appear. */
  readonly reason: string;
  /** What happened, to what, and what to do, in English. For people only. */
  readonly message: string;
  /** NOT_APPLIED: the write did not and will not happen. UNKNOWN: it may have. NONE: nothing was to be written. */
  readonly effect: string;
  /** Whether the same request may be sent again, after `retry_after_ms` or a refresh of metadata. */
  readonly retryable: boolean;
  /** Wait at least this long before a retry, milliseconds; absent: no advice. */
  readonly retryAfterMs: number | null;
  /** Facts for programs, for example logStart. A value is text as it is, or JSON where it is a number, a truth value, null or a list. */
  readonly details: { readonly [key: string]: string };
}

export const ErrorStatusCodec = new TableCodec<ErrorStatus>("varve.v1.ErrorStatus", [
  { name: "code", number: 1, type: "int32" },
  { name: "reason", number: 2, type: "string" },
  { name: "message", number: 3, type: "string" },
  { name: "effect", number: 4, type: "string" },
  { name: "retryable", number: 5, type: "bool" },
  { name: "retryAfterMs", number: 6, type: "int64", label: "optional" },
  { name: "details", number: 7, type: "string", label: "map" },
]);

/** Asks for a plan. */
export interface PlanRebalanceRequest {
  /** Plan from at least this metadata version; 0: whatever the broker has. */
  readonly minMetadataVersion: number;
}

export const PlanRebalanceRequestCodec = new TableCodec<PlanRebalanceRequest>("varve.v1.PlanRebalanceRequest", [
  { name: "minMetadataVersion", number: 1, type: "int64" },
]);

/** One partition of a plan. */
export interface PlannedMove {
  /** Name of the topic. */
  readonly topic: string;
  /** Id of the topic. */
  readonly topicId: string;
  /** Partition, from 0. */
  readonly partition: number;
  /** Brokers that are to hold it now; the first is the preferred leader. */
  readonly from: readonly number[];
  /** Brokers that shall hold it; the same ones in another order: only the preferred leader changes. */
  readonly to: readonly number[];
  /** Bytes that new replicas have to copy, all together. */
  readonly bytes: number;
}

export const PlannedMoveCodec = new TableCodec<PlannedMove>("varve.v1.PlannedMove", [
  { name: "topic", number: 1, type: "string" },
  { name: "topicId", number: 2, type: "string" },
  { name: "partition", number: 3, type: "int32" },
  { name: "from", number: 4, type: "int32", label: "repeated" },
  { name: "to", number: 5, type: "int32", label: "repeated" },
  { name: "bytes", number: 6, type: "int64" },
]);

/** What one broker has. */
export interface BrokerBalance {
  /** Broker id. */
  readonly id: number;
  /** Replicas of partitions now. */
  readonly replicas: number;
  /** Replicas after the plan. */
  readonly replicasAfter: number;
  /** Partitions now that it is the preferred leader of. */
  readonly leaders: number;
  /** The same after the plan. */
  readonly leadersAfter: number;
  /** Bytes of its replicas now, by what their leaders have on disk. */
  readonly bytes: number;
  /** The same after the plan. */
  readonly bytesAfter: number;
}

export const BrokerBalanceCodec = new TableCodec<BrokerBalance>("varve.v1.BrokerBalance", [
  { name: "id", number: 1, type: "int32" },
  { name: "replicas", number: 2, type: "int32" },
  { name: "replicasAfter", number: 3, type: "int32" },
  { name: "leaders", number: 4, type: "int32" },
  { name: "leadersAfter", number: 5, type: "int32" },
  { name: "bytes", number: 6, type: "int64" },
  { name: "bytesAfter", number: 7, type: "int64" },
]);

/** A plan. It is made anew at each call, from where the replicas are wanted now: moves under way count as done. */
export interface PlanRebalanceResponse {
  /** By topic and partition; at most about 1,000. */
  readonly moves: readonly PlannedMove[];
  /** False: there is more to move than one plan holds; ask again when this one is carried out. */
  readonly complete: boolean;
  /** What each broker has now, and after the plan, by id. */
  readonly brokers: readonly BrokerBalance[];
  /** Metadata version of this answer. */
  readonly metadataVersion: number;
}

export const PlanRebalanceResponseCodec = new TableCodec<PlanRebalanceResponse>("varve.v1.PlanRebalanceResponse", [
  { name: "moves", number: 1, type: { message: PlannedMoveCodec }, label: "repeated" },
  { name: "complete", number: 2, type: "bool" },
  { name: "brokers", number: 3, type: { message: BrokerBalanceCodec }, label: "repeated" },
  { name: "metadataVersion", number: 4, type: "int64" },
]);

/** Names a feature level. */
export interface FinalizeFeatureLevelRequest {
  /** The level, from 1. */
  readonly level: number;
}

export const FinalizeFeatureLevelRequestCodec = new TableCodec<FinalizeFeatureLevelRequest>("varve.v1.FinalizeFeatureLevelRequest", [
  { name: "level", number: 1, type: "int32" },
]);

/** The level is finalised. */
export interface FinalizeFeatureLevelResponse {
  /** The cluster's level now. */
  readonly level: number;
  /** Metadata version that has it. */
  readonly metadataVersion: number;
}

export const FinalizeFeatureLevelResponseCodec = new TableCodec<FinalizeFeatureLevelResponse>("varve.v1.FinalizeFeatureLevelResponse", [
  { name: "level", number: 1, type: "int32" },
  { name: "metadataVersion", number: 2, type: "int64" },
]);

/** Names a partition and the brokers that shall hold it. */
export interface MovePartitionRequest {
  /** Name of the topic. */
  readonly topic: string;
  /** Id of the topic; not empty: only the topic with this id is meant. */
  readonly topicId: string;
  /** Partition, from 0. */
  readonly partition: number;
  /** Brokers, 1 .. 7 different ones; the first is the preferred leader. */
  readonly brokers: readonly number[];
}

export const MovePartitionRequestCodec = new TableCodec<MovePartitionRequest>("varve.v1.MovePartitionRequest", [
  { name: "topic", number: 1, type: "string" },
  { name: "topicId", number: 2, type: "string" },
  { name: "partition", number: 3, type: "int32" },
  { name: "brokers", number: 4, type: "int32", label: "repeated" },
]);

/** The move is decided. */
export interface MovePartitionResponse {
  /** Metadata version that has it. */
  readonly metadataVersion: number;
}

export const MovePartitionResponseCodec = new TableCodec<MovePartitionResponse>("varve.v1.MovePartitionResponse", [
  { name: "metadataVersion", number: 1, type: "int64" },
]);

/** Asks for the moves under way. */
export interface ListMovesRequest {
  /** Answer from at least this metadata version; 0: whatever the broker has. */
  readonly minMetadataVersion: number;
}

export const ListMovesRequestCodec = new TableCodec<ListMovesRequest>("varve.v1.ListMovesRequest", [
  { name: "minMetadataVersion", number: 1, type: "int64" },
]);

/** A partition whose replicas are not yet where they are wanted. */
export interface PartitionMove {
  /** Name of the topic. */
  readonly topic: string;
  /** Partition, from 0. */
  readonly partition: number;
  /** Brokers that shall hold it. */
  readonly brokers: readonly number[];
  /** Brokers whose replica goes; one that stands in `brokers`, too, gets a fresh replica in the place of a lost one. */
  readonly leaving: readonly number[];
  /** Brokers of `brokers` whose replica does not vote yet. */
  readonly joining: readonly number[];
  /** Log entries that the joining replica which is farthest behind still lacks; -1: not known. */
  readonly entriesBehind: number;
}

export const PartitionMoveCodec = new TableCodec<PartitionMove>("varve.v1.PartitionMove", [
  { name: "topic", number: 1, type: "string" },
  { name: "partition", number: 2, type: "int32" },
  { name: "brokers", number: 3, type: "int32", label: "repeated" },
  { name: "leaving", number: 4, type: "int32", label: "repeated" },
  { name: "joining", number: 5, type: "int32", label: "repeated" },
  { name: "entriesBehind", number: 6, type: "int64" },
]);

/** The moves under way. */
export interface ListMovesResponse {
  /** By topic and partition; at most 10,000. */
  readonly moves: readonly PartitionMove[];
  /** Metadata version of this answer. */
  readonly metadataVersion: number;
}

export const ListMovesResponseCodec = new TableCodec<ListMovesResponse>("varve.v1.ListMovesResponse", [
  { name: "moves", number: 1, type: { message: PartitionMoveCodec }, label: "repeated" },
  { name: "metadataVersion", number: 2, type: "int64" },
]);

/** Names a broker that shall go. */
export interface DecommissionBrokerRequest {
  /** Broker id. */
  readonly broker: number;
  /** Let it stay after all. What has moved stays where it is now. */
  readonly cancel: boolean;
}

export const DecommissionBrokerRequestCodec = new TableCodec<DecommissionBrokerRequest>("varve.v1.DecommissionBrokerRequest", [
  { name: "broker", number: 1, type: "int32" },
  { name: "cancel", number: 2, type: "bool" },
]);

/** Decided. */
export interface DecommissionBrokerResponse {
  /** Metadata version that has it. */
  readonly metadataVersion: number;
}

export const DecommissionBrokerResponseCodec = new TableCodec<DecommissionBrokerResponse>("varve.v1.DecommissionBrokerResponse", [
  { name: "metadataVersion", number: 1, type: "int64" },
]);

/** Names a broker that shall lead nothing, or lead again. */
export interface DrainBrokerRequest {
  /** Broker id. */
  readonly broker: number;
  /** Lead again. */
  readonly undo: boolean;
}

export const DrainBrokerRequestCodec = new TableCodec<DrainBrokerRequest>("varve.v1.DrainBrokerRequest", [
  { name: "broker", number: 1, type: "int32" },
  { name: "undo", number: 2, type: "bool" },
]);

/** Decided. */
export interface DrainBrokerResponse {
  /** Metadata version that has it. */
  readonly metadataVersion: number;
}

export const DrainBrokerResponseCodec = new TableCodec<DrainBrokerResponse>("varve.v1.DrainBrokerResponse", [
  { name: "metadataVersion", number: 1, type: "int64" },
]);

/** Names a broker whose data is gone. */
export interface ReplaceBrokerRequest {
  /** Broker id. */
  readonly broker: number;
}

export const ReplaceBrokerRequestCodec = new TableCodec<ReplaceBrokerRequest>("varve.v1.ReplaceBrokerRequest", [
  { name: "broker", number: 1, type: "int32" },
]);

/** Decided. */
export interface ReplaceBrokerResponse {
  /** Metadata version that has it. */
  readonly metadataVersion: number;
}

export const ReplaceBrokerResponseCodec = new TableCodec<ReplaceBrokerResponse>("varve.v1.ReplaceBrokerResponse", [
  { name: "metadataVersion", number: 1, type: "int64" },
]);

/** Describes a topic to be made. */
export interface CreateTopicRequest {
  /** Name: 1 to 249 of the characters A-Z a-z 0-9 . _ -, not . or .., not beginning with __. */
  readonly topic: string;
  /** Partitions, 1 .. 10,000; absent: 6. */
  readonly partitions: number | null;
  /** Replicas of each partition, 1 .. 7, at most one per broker; absent: 3, or as many as there are brokers if fewer. */
  readonly replicas: number | null;
  /** Settings: retentionMs, retentionBytes, segmentBytes, segmentMs, batchBytesMax; decimal integers, -1 for unlimited. */
  readonly config: { readonly [key: string]: string };
  /** Succeed without a change when a topic of this name exists. */
  readonly ifNotExists: boolean;
  /** A new UUID in lower case, so that a repeat is recognised; empty: the broker chooses, and a repeat may answer TOPIC_EXISTS. */
  readonly topicId: string;
}

export const CreateTopicRequestCodec = new TableCodec<CreateTopicRequest>("varve.v1.CreateTopicRequest", [
  { name: "topic", number: 1, type: "string" },
  { name: "partitions", number: 2, type: "int32", label: "optional" },
  { name: "replicas", number: 3, type: "int32", label: "optional" },
  { name: "config", number: 4, type: "string", label: "map" },
  { name: "ifNotExists", number: 5, type: "bool" },
  { name: "topicId", number: 6, type: "string" },
]);

/** The topic that is there now. */
export interface CreateTopicResponse {
  /** Id of the topic. */
  readonly topicId: string;
  /** False when it existed before, with `if_not_exists`. */
  readonly created: boolean;
  /** Number of its partitions. */
  readonly partitions: number;
  /** Replicas of each partition. */
  readonly replicas: number;
  /** Metadata version that has the topic. */
  readonly metadataVersion: number;
}

export const CreateTopicResponseCodec = new TableCodec<CreateTopicResponse>("varve.v1.CreateTopicResponse", [
  { name: "topicId", number: 1, type: "string" },
  { name: "created", number: 2, type: "bool" },
  { name: "partitions", number: 3, type: "int32" },
  { name: "replicas", number: 4, type: "int32" },
  { name: "metadataVersion", number: 5, type: "int64" },
]);

/** Names a topic to delete. */
export interface DeleteTopicRequest {
  /** Name of the topic. */
  readonly topic: string;
  /** Delete only if the topic has this id; empty: whatever has the name. */
  readonly topicId: string;
}

export const DeleteTopicRequestCodec = new TableCodec<DeleteTopicRequest>("varve.v1.DeleteTopicRequest", [
  { name: "topic", number: 1, type: "string" },
  { name: "topicId", number: 2, type: "string" },
]);

/** The topic is gone for good. */
export interface DeleteTopicResponse {
  /** Metadata version without the topic. */
  readonly metadataVersion: number;
}

export const DeleteTopicResponseCodec = new TableCodec<DeleteTopicResponse>("varve.v1.DeleteTopicResponse", [
  { name: "metadataVersion", number: 1, type: "int64" },
]);

/** Names a topic and settings to change. */
export interface AlterTopicRequest {
  /** Name of the topic. */
  readonly topic: string;
  /** Settings to set; see CreateTopicRequest.config. */
  readonly config: { readonly [key: string]: string };
  /** Settings to put back to their defaults. */
  readonly resetConfig: readonly string[];
}

export const AlterTopicRequestCodec = new TableCodec<AlterTopicRequest>("varve.v1.AlterTopicRequest", [
  { name: "topic", number: 1, type: "string" },
  { name: "config", number: 2, type: "string", label: "map" },
  { name: "resetConfig", number: 3, type: "string", label: "repeated" },
]);

/** The settings after the change. */
export interface AlterTopicResponse {
  /** Every setting with its value, defaults included. */
  readonly config: { readonly [key: string]: string };
  /** Metadata version that has the change. */
  readonly metadataVersion: number;
}

export const AlterTopicResponseCodec = new TableCodec<AlterTopicResponse>("varve.v1.AlterTopicResponse", [
  { name: "config", number: 1, type: "string", label: "map" },
  { name: "metadataVersion", number: 2, type: "int64" },
]);

/** Names a topic and how many partitions it shall have. */
export interface AddPartitionsRequest {
  /** Name of the topic. */
  readonly topic: string;
  /** Number of partitions afterwards; the present number is no change and no error. */
  readonly partitions: number;
}

export const AddPartitionsRequestCodec = new TableCodec<AddPartitionsRequest>("varve.v1.AddPartitionsRequest", [
  { name: "topic", number: 1, type: "string" },
  { name: "partitions", number: 2, type: "int32" },
]);

/** The number of partitions after the change. */
export interface AddPartitionsResponse {
  /** Number of partitions. */
  readonly partitions: number;
  /** Metadata version that has the change. */
  readonly metadataVersion: number;
}

export const AddPartitionsResponseCodec = new TableCodec<AddPartitionsResponse>("varve.v1.AddPartitionsResponse", [
  { name: "partitions", number: 1, type: "int32" },
  { name: "metadataVersion", number: 2, type: "int64" },
]);

/** Asks for all topics. */
export interface ListTopicsRequest {
  /** Answer from at least this metadata version; 0: whatever the broker has. */
  readonly minMetadataVersion: number;
}

export const ListTopicsRequestCodec = new TableCodec<ListTopicsRequest>("varve.v1.ListTopicsRequest", [
  { name: "minMetadataVersion", number: 1, type: "int64" },
]);

/** A topic in a list. */
export interface TopicSummary {
  /** Name. */
  readonly topic: string;
  /** Id. */
  readonly topicId: string;
  /** Number of partitions. */
  readonly partitions: number;
  /** Replicas of each partition. */
  readonly replicas: number;
}

export const TopicSummaryCodec = new TableCodec<TopicSummary>("varve.v1.TopicSummary", [
  { name: "topic", number: 1, type: "string" },
  { name: "topicId", number: 2, type: "string" },
  { name: "partitions", number: 3, type: "int32" },
  { name: "replicas", number: 4, type: "int32" },
]);

/** All topics. */
export interface ListTopicsResponse {
  /** Sorted by name. */
  readonly topics: readonly TopicSummary[];
  /** Metadata version of this answer. */
  readonly metadataVersion: number;
}

export const ListTopicsResponseCodec = new TableCodec<ListTopicsResponse>("varve.v1.ListTopicsResponse", [
  { name: "topics", number: 1, type: { message: TopicSummaryCodec }, label: "repeated" },
  { name: "metadataVersion", number: 2, type: "int64" },
]);

/** Asks for one topic. */
export interface DescribeTopicRequest {
  /** Name of the topic; ignored when `topic_id` is given. */
  readonly topic: string;
  /** Id of the topic; empty: go by name. */
  readonly topicId: string;
  /** Answer from at least this metadata version; 0: whatever the broker has. UNKNOWN_TOPIC comes from the controller's leader always. */
  readonly minMetadataVersion: number;
}

export const DescribeTopicRequestCodec = new TableCodec<DescribeTopicRequest>("varve.v1.DescribeTopicRequest", [
  { name: "topic", number: 1, type: "string" },
  { name: "topicId", number: 2, type: "string" },
  { name: "minMetadataVersion", number: 3, type: "int64" },
]);

/** One partition. */
export interface PartitionDescription {
  /** Partition, from 0. */
  readonly partition: number;
  /** Broker that leads it; absent: none that is known. */
  readonly leader: number | null;
  /** Epoch of that leader; 0 without one. */
  readonly leaderEpoch: number;
  /** Brokers that hold a replica; the first is the preferred leader. */
  readonly replicas: readonly number[];
  /** Brokers whose replica votes, by the partition's own configuration. */
  readonly voters: readonly number[];
  /** First offset that is still there; -1 when no leader answered. */
  readonly logStart: number;
  /** One past the last committed record; -1 when no leader answered. */
  readonly highWatermark: number;
  /** Voters whose log is as long as the leader's; empty when no leader answered. */
  readonly inSync: readonly number[];
  /** Brokers whose replica is no longer wanted and has not left yet. */
  readonly leaving: readonly number[];
}

export const PartitionDescriptionCodec = new TableCodec<PartitionDescription>("varve.v1.PartitionDescription", [
  { name: "partition", number: 1, type: "int32" },
  { name: "leader", number: 2, type: "int32", label: "optional" },
  { name: "leaderEpoch", number: 3, type: "int32" },
  { name: "replicas", number: 4, type: "int32", label: "repeated" },
  { name: "voters", number: 5, type: "int32", label: "repeated" },
  { name: "logStart", number: 6, type: "int64" },
  { name: "highWatermark", number: 7, type: "int64" },
  { name: "inSync", number: 8, type: "int32", label: "repeated" },
  { name: "leaving", number: 9, type: "int32", label: "repeated" },
]);

/** One topic. */
export interface DescribeTopicResponse {
  /** Name. */
  readonly topic: string;
  /** Id. */
  readonly topicId: string;
  /** Replicas of each partition. */
  readonly replicas: number;
  /** Every setting with its value, defaults included. */
  readonly config: { readonly [key: string]: string };
  /** In order of partition. */
  readonly partitions: readonly PartitionDescription[];
  /** Metadata version of this answer. */
  readonly metadataVersion: number;
}

export const DescribeTopicResponseCodec = new TableCodec<DescribeTopicResponse>("varve.v1.DescribeTopicResponse", [
  { name: "topic", number: 1, type: "string" },
  { name: "topicId", number: 2, type: "string" },
  { name: "replicas", number: 3, type: "int32" },
  { name: "config", number: 4, type: "string", label: "map" },
  { name: "partitions", number: 5, type: { message: PartitionDescriptionCodec }, label: "repeated" },
  { name: "metadataVersion", number: 6, type: "int64" },
]);

/** Asks for the cluster. */
export interface DescribeClusterRequest {
  /** Answer from at least this metadata version; 0: whatever the broker has. */
  readonly minMetadataVersion: number;
}

export const DescribeClusterRequestCodec = new TableCodec<DescribeClusterRequest>("varve.v1.DescribeClusterRequest", [
  { name: "minMetadataVersion", number: 1, type: "int64" },
]);

/** One broker. */
export interface BrokerDescription {
  /** Id, >= 1. */
  readonly id: number;
  /** host:port for clients. */
  readonly address: string;
  /** Failure domain; absent: not configured. */
  readonly rack: string | null;
  /** Whether it serves, as the answering broker sees it. */
  readonly ready: boolean;
  /** Version of its software. */
  readonly version: string;
  /** Prefers to lead nothing (DrainBroker). */
  readonly drained: boolean;
  /** Being decommissioned. */
  readonly leaving: boolean;
  /** Replicas of partitions that it holds, those that are leaving among them. */
  readonly replicas: number;
  /** Partitions that it leads. */
  readonly leads: number;
  /** host:port for other brokers; empty: not told, by an earlier version. */
  readonly peerAddress: string;
  /** host:port of probes and metrics, for operators; empty: not told, by an earlier version. */
  readonly opsAddress: string;
  /** Oldest feature level that its software supports. */
  readonly featureLevelMin: number;
  /** Newest feature level that its software supports. */
  readonly featureLevelMax: number;
  /** Of those that it leads, partitions without another replica: nobody can take them over. 0 from an earlier version, too. */
  readonly leadsAlone: number;
}

export const BrokerDescriptionCodec = new TableCodec<BrokerDescription>("varve.v1.BrokerDescription", [
  { name: "id", number: 1, type: "int32" },
  { name: "address", number: 2, type: "string" },
  { name: "rack", number: 3, type: "string", label: "optional" },
  { name: "ready", number: 4, type: "bool" },
  { name: "version", number: 5, type: "string" },
  { name: "drained", number: 6, type: "bool" },
  { name: "leaving", number: 7, type: "bool" },
  { name: "replicas", number: 8, type: "int32" },
  { name: "leads", number: 9, type: "int32" },
  { name: "peerAddress", number: 10, type: "string" },
  { name: "opsAddress", number: 11, type: "string" },
  { name: "featureLevelMin", number: 12, type: "int32" },
  { name: "featureLevelMax", number: 13, type: "int32" },
  { name: "leadsAlone", number: 14, type: "int32" },
]);

/** The cluster. */
export interface DescribeClusterResponse {
  /** Id of the cluster. */
  readonly clusterId: string;
  /** Broker that leads the controller; absent: none that is known. */
  readonly controller: number | null;
  /** Sorted by id. */
  readonly brokers: readonly BrokerDescription[];
  /** Metadata version of this answer. */
  readonly metadataVersion: number;
  /** The finalised feature level: formats of later ones are not written (FinalizeFeatureLevel). */
  readonly featureLevel: number;
}

export const DescribeClusterResponseCodec = new TableCodec<DescribeClusterResponse>("varve.v1.DescribeClusterResponse", [
  { name: "clusterId", number: 1, type: "string" },
  { name: "controller", number: 2, type: "int32", label: "optional" },
  { name: "brokers", number: 3, type: { message: BrokerDescriptionCodec }, label: "repeated" },
  { name: "metadataVersion", number: 4, type: "int64" },
  { name: "featureLevel", number: 5, type: "int32" },
]);

/** Names a partition and the broker that shall lead it. */
export interface TransferLeadershipRequest {
  /** Name of the topic; ignored when `topic_id` is given. */
  readonly topic: string;
  /** Id of the topic; empty: go by name. */
  readonly topicId: string;
  /** Partition, from 0. */
  readonly partition: number;
  /** Broker that holds a voting replica. It leading already is no error. */
  readonly to: number;
}

export const TransferLeadershipRequestCodec = new TableCodec<TransferLeadershipRequest>("varve.v1.TransferLeadershipRequest", [
  { name: "topic", number: 1, type: "string" },
  { name: "topicId", number: 2, type: "string" },
  { name: "partition", number: 3, type: "int32" },
  { name: "to", number: 4, type: "int32" },
]);

/** The leadership has moved. */
export interface TransferLeadershipResponse {
  /** Broker that leads now. */
  readonly leader: number;
  /** Its epoch. */
  readonly leaderEpoch: number;
}

export const TransferLeadershipResponseCodec = new TableCodec<TransferLeadershipResponse>("varve.v1.TransferLeadershipResponse", [
  { name: "leader", number: 1, type: "int32" },
  { name: "leaderEpoch", number: 2, type: "int32" },
]);

/** Asks where things are. */
export interface MetadataRequest {
  /** Names of topics; together with `topic_ids` at most 1,000. Both empty: brokers only. */
  readonly topics: readonly string[];
  /** Ids of topics. */
  readonly topicIds: readonly string[];
  /** Answer from at least this metadata version; 0: whatever the broker has. */
  readonly minMetadataVersion: number;
  /** Ask the controller's leader before a topic is reported as unknown. */
  readonly authoritative: boolean;
}

export const MetadataRequestCodec = new TableCodec<MetadataRequest>("varve.v1.MetadataRequest", [
  { name: "topics", number: 1, type: "string", label: "repeated" },
  { name: "topicIds", number: 2, type: "string", label: "repeated" },
  { name: "minMetadataVersion", number: 3, type: "int64" },
  { name: "authoritative", number: 4, type: "bool" },
]);

/** One broker's address. */
export interface BrokerMetadata {
  /** Id, >= 1. */
  readonly id: number;
  /** host:port for clients. */
  readonly address: string;
}

export const BrokerMetadataCodec = new TableCodec<BrokerMetadata>("varve.v1.BrokerMetadata", [
  { name: "id", number: 1, type: "int32" },
  { name: "address", number: 2, type: "string" },
]);

/** One partition's leader and share of the keys. */
export interface PartitionMetadata {
  /** Partition, from 0. */
  readonly partition: number;
  /** Broker that leads it; absent: none that is known. */
  readonly leader: number | null;
  /** Epoch of that leader; 0 without one. */
  readonly leaderEpoch: number;
  /** First key hash (31-bit murmur2) of this partition. */
  readonly hashStart: number;
  /** Key hash after the last one of this partition. */
  readonly hashEnd: number;
}

export const PartitionMetadataCodec = new TableCodec<PartitionMetadata>("varve.v1.PartitionMetadata", [
  { name: "partition", number: 1, type: "int32" },
  { name: "leader", number: 2, type: "int32", label: "optional" },
  { name: "leaderEpoch", number: 3, type: "int32" },
  { name: "hashStart", number: 4, type: "int64" },
  { name: "hashEnd", number: 5, type: "int64" },
]);

/** One topic's partitions. */
export interface TopicMetadata {
  /** Name. */
  readonly topic: string;
  /** Id. */
  readonly topicId: string;
  /** UNKNOWN_TOPIC or UNKNOWN_TOPIC_ID; the other fields are then empty. Absent: it exists. */
  readonly error: ErrorStatus | null;
  /** In order of partition. */
  readonly partitions: readonly PartitionMetadata[];
  /** Largest batch that the topic accepts, bytes. */
  readonly batchBytesMax: number;
}

export const TopicMetadataCodec = new TableCodec<TopicMetadata>("varve.v1.TopicMetadata", [
  { name: "topic", number: 1, type: "string" },
  { name: "topicId", number: 2, type: "string" },
  { name: "error", number: 3, type: { message: ErrorStatusCodec }, label: "optional" },
  { name: "partitions", number: 4, type: { message: PartitionMetadataCodec }, label: "repeated" },
  { name: "batchBytesMax", number: 5, type: "int32" },
]);

/** Where things are, as the answering broker knows it. Leaders are hints; epochs tell which of two answers is newer. */
export interface MetadataResponse {
  /** Id of the cluster. */
  readonly clusterId: string;
  /** Sorted by id. */
  readonly brokers: readonly BrokerMetadata[];
  /** In the order of the request: first names, then ids. */
  readonly topics: readonly TopicMetadata[];
  /** Metadata version of this answer. */
  readonly metadataVersion: number;
  /** Whether the controller's leader confirmed that this was its newest state; then an unknown topic is final. */
  readonly authoritative: boolean;
}

export const MetadataResponseCodec = new TableCodec<MetadataResponse>("varve.v1.MetadataResponse", [
  { name: "clusterId", number: 1, type: "string" },
  { name: "brokers", number: 2, type: { message: BrokerMetadataCodec }, label: "repeated" },
  { name: "topics", number: 3, type: { message: TopicMetadataCodec }, label: "repeated" },
  { name: "metadataVersion", number: 4, type: "int64" },
  { name: "authoritative", number: 5, type: "bool" },
]);

/** Asks whether everything is well. */
export type ClusterHealthRequest = Readonly<Record<never, never>>;

export const ClusterHealthRequestCodec = new TableCodec<ClusterHealthRequest>("varve.v1.ClusterHealthRequest", [
]);

/** One thing that is not well. */
export interface HealthProblem {
  /** The broker it is about; absent: not about one broker. */
  readonly broker: number | null;
  /** The topic it is about; empty: not about a topic. */
  readonly topic: string;
  /** The partition it is about; absent: not about one partition. */
  readonly partition: number | null;
  /** What is wrong and what it means, one line. */
  readonly message: string;
}

export const HealthProblemCodec = new TableCodec<HealthProblem>("varve.v1.HealthProblem", [
  { name: "broker", number: 1, type: "int32", label: "optional" },
  { name: "topic", number: 2, type: "string" },
  { name: "partition", number: 3, type: "int32", label: "optional" },
  { name: "message", number: 4, type: "string" },
]);

/** Whether everything is well. */
export interface ClusterHealthResponse {
  /** All seeds and registered brokers are ready, and every partition has a leader and is fully replicated. */
  readonly healthy: boolean;
  /** What is not well, at most 1,000 rows; empty when healthy. */
  readonly problems: readonly HealthProblem[];
  /** Brokers that are ready. */
  readonly brokersReady: number;
  /** Seeds and registered brokers. */
  readonly brokersExpected: number;
  /** Partitions that have a leader and are fully replicated. */
  readonly partitionsHealthy: number;
  /** All partitions. */
  readonly partitionsExpected: number;
}

export const ClusterHealthResponseCodec = new TableCodec<ClusterHealthResponse>("varve.v1.ClusterHealthResponse", [
  { name: "healthy", number: 1, type: "bool" },
  { name: "problems", number: 2, type: { message: HealthProblemCodec }, label: "repeated" },
  { name: "brokersReady", number: 3, type: "int32" },
  { name: "brokersExpected", number: 4, type: "int32" },
  { name: "partitionsHealthy", number: 5, type: "int32" },
  { name: "partitionsExpected", number: 6, type: "int32" },
]);

/** A producer asks for an identity, or for a new epoch of its own. */
export interface InitProducerRequest {
  /** The id it has; absent: a new id is wanted. */
  readonly producerId: number | null;
  /** The epoch it has; meaningful with `producer_id` only. */
  readonly producerEpoch: number;
}

export const InitProducerRequestCodec = new TableCodec<InitProducerRequest>("varve.v1.InitProducerRequest", [
  { name: "producerId", number: 1, type: "int64", label: "optional" },
  { name: "producerEpoch", number: 2, type: "int32" },
]);

/** An identity whose sequence numbers start at 0 in every partition. */
export interface InitProducerResponse {
  /** Never handed out twice. Another than asked for when the epochs of that id are used up. */
  readonly producerId: number;
  /** 0 .. 32767; higher than every epoch of this id that was given out before. */
  readonly producerEpoch: number;
}

export const InitProducerResponseCodec = new TableCodec<InitProducerResponse>("varve.v1.InitProducerResponse", [
  { name: "producerId", number: 1, type: "int64" },
  { name: "producerEpoch", number: 2, type: "int32" },
]);

/** One batch for one partition. */
export interface ProduceRequest {
  /** Name of the topic; ignored when `topic_id` is given. */
  readonly topic: string;
  /** Id of the topic, a UUID in lower case; empty: go by name. */
  readonly topicId: string;
  /** Partition, from 0. */
  readonly partition: number;
  /** One record batch v2 (magic 2), at most 4 MiB and 50,000 records, base offset 0; the leader stamps offset and epoch. */
  readonly batch: Uint8Array;
  /** When to answer. */
  readonly acks: Acks;
  /** Leader epoch that the caller believes in; 0: any. Another one is refused with FENCED_EPOCH or UNKNOWN_EPOCH. */
  readonly leaderEpoch: number;
  /** How long to wait for `acks`, milliseconds; 0: the call's deadline. On a stream 0 means 30 s. */
  readonly timeoutMs: number;
}

export const ProduceRequestCodec = new TableCodec<ProduceRequest>("varve.v1.ProduceRequest", [
  { name: "topic", number: 1, type: "string" },
  { name: "topicId", number: 2, type: "string" },
  { name: "partition", number: 3, type: "int32" },
  { name: "batch", number: 4, type: "bytes" },
  { name: "acks", number: 5, type: { enum: AcksValues } },
  { name: "leaderEpoch", number: 6, type: "int32" },
  { name: "timeoutMs", number: 7, type: "int32" },
]);

/** Where the batch is in the log. */
export interface ProduceResponse {
  /** Partition of the request. */
  readonly partition: number;
  /** Offset of the batch's first record; -1 with ACKS_NONE. */
  readonly baseOffset: number;
  /** Leader epoch of the batch. */
  readonly leaderEpoch: number;
  /** The leader's clock at the append. */
  readonly appendTimeMs: number;
  /** The batch was in the log already; `base_offset` is that of the first time. */
  readonly duplicate: boolean;
  /** Whether a majority had the batch when this was answered; false with ACKS_LEADER and ACKS_NONE. */
  readonly committed: boolean;
}

export const ProduceResponseCodec = new TableCodec<ProduceResponse>("varve.v1.ProduceResponse", [
  { name: "partition", number: 1, type: "int32" },
  { name: "baseOffset", number: 2, type: "int64" },
  { name: "leaderEpoch", number: 3, type: "int32" },
  { name: "appendTimeMs", number: 4, type: "int64" },
  { name: "duplicate", number: 5, type: "bool" },
  { name: "committed", number: 6, type: "bool" },
]);

/** A produce request on a stream. */
export interface ProduceStreamRequest {
  /** Chosen by the client, comes back in the answer; unique among the requests in flight. */
  readonly correlationId: number;
  /** The request. */
  readonly produce: ProduceRequest | null;
}

export const ProduceStreamRequestCodec = new TableCodec<ProduceStreamRequest>("varve.v1.ProduceStreamRequest", [
  { name: "correlationId", number: 1, type: "int64" },
  { name: "produce", number: 2, type: { message: ProduceRequestCodec }, label: "optional" },
]);

/** The answer to one produce request on a stream. */
export interface ProduceStreamResponse {
  /** That of the request. */
  readonly correlationId: number;
  /** It succeeded. */
  readonly result: ProduceResponse | null;
  /** It failed; `effect` says whether the batch may be in the log. */
  readonly error: ErrorStatus | null;
}

export const ProduceStreamResponseCodec = new TableCodec<ProduceStreamResponse>("varve.v1.ProduceStreamResponse", [
  { name: "correlationId", number: 1, type: "int64" },
  { name: "result", number: 2, type: { message: ProduceResponseCodec }, label: "optional" },
  { name: "error", number: 3, type: { message: ErrorStatusCodec }, label: "optional" },
]);

/** Asks for the records of one partition from an offset on. */
export interface ReadRequest {
  /** Name of the topic; ignored when `topic_id` is given. */
  readonly topic: string;
  /** Id of the topic; empty: go by name. */
  readonly topicId: string;
  /** Partition, from 0. */
  readonly partition: number;
  /** First offset wanted. */
  readonly offset: number;
  /** Most bytes of batches; 0: 1 MiB; at most 8 MiB. The first batch is sent whole even if it is larger. */
  readonly maxBytes: number;
  /** Wait until there are at least this many bytes, or `max_wait_ms` has passed. */
  readonly minBytes: number;
  /** Longest wait for `min_bytes`, milliseconds; 0: answer at once. */
  readonly maxWaitMs: number;
  /** Leader epoch that the caller believes in; 0: any. */
  readonly leaderEpoch: number;
  /** Leader epoch of the last batch read before `offset`; 0: none. Lets the broker find out that the reader saw a log that is no more. */
  readonly lastFetchedEpoch: number;
  /** Answer decoded records instead of raw batches. Slower; for grpcurl and small clients. */
  readonly decoded: boolean;
}

export const ReadRequestCodec = new TableCodec<ReadRequest>("varve.v1.ReadRequest", [
  { name: "topic", number: 1, type: "string" },
  { name: "topicId", number: 2, type: "string" },
  { name: "partition", number: 3, type: "int32" },
  { name: "offset", number: 4, type: "int64" },
  { name: "maxBytes", number: 5, type: "int32" },
  { name: "minBytes", number: 6, type: "int32" },
  { name: "maxWaitMs", number: 7, type: "int32" },
  { name: "leaderEpoch", number: 8, type: "int32" },
  { name: "lastFetchedEpoch", number: 9, type: "int32" },
  { name: "decoded", number: 10, type: "bool" },
]);

/** One header of a record. */
export interface RecordHeader {
  /** Name, UTF-8. */
  readonly name: string;
  /** Absent: null. */
  readonly value: Uint8Array | null;
}

export const RecordHeaderCodec = new TableCodec<RecordHeader>("varve.v1.RecordHeader", [
  { name: "name", number: 1, type: "string" },
  { name: "value", number: 2, type: "bytes", label: "optional" },
]);

/** One decoded record. */
export interface LogRecord {
  /** Position in the partition. */
  readonly offset: number;
  /** When the record was made, by its producer's clock. */
  readonly timestampMs: number;
  /** Absent: null. */
  readonly key: Uint8Array | null;
  /** Absent: null. */
  readonly value: Uint8Array | null;
  /** In the producer's order; names may repeat. */
  readonly headers: readonly RecordHeader[];
}

export const LogRecordCodec = new TableCodec<LogRecord>("varve.v1.LogRecord", [
  { name: "offset", number: 1, type: "int64" },
  { name: "timestampMs", number: 2, type: "int64" },
  { name: "key", number: 3, type: "bytes", label: "optional" },
  { name: "value", number: 4, type: "bytes", label: "optional" },
  { name: "headers", number: 5, type: { message: RecordHeaderCodec }, label: "repeated" },
]);

/** Committed records. */
export interface ReadResponse {
  /** Raw record batches v2 in order; the first may begin below the offset asked for. Empty when `decoded` was asked for. */
  readonly batches: readonly Uint8Array[];
  /** Decoded records from the offset asked for. Empty unless `decoded` was asked for. */
  readonly records: readonly LogRecord[];
  /** Where to go on reading. */
  readonly nextOffset: number;
  /** One past the last committed record. */
  readonly highWatermark: number;
  /** First offset that is still there. */
  readonly logStart: number;
  /** One past the last record of which it is decided that it stays; the high watermark as long as there are no transactions. */
  readonly lastStableOffset: number;
  /** The leader's epoch. */
  readonly leaderEpoch: number;
}

export const ReadResponseCodec = new TableCodec<ReadResponse>("varve.v1.ReadResponse", [
  { name: "batches", number: 1, type: "bytes", label: "repeated" },
  { name: "records", number: 2, type: { message: LogRecordCodec }, label: "repeated" },
  { name: "nextOffset", number: 3, type: "int64" },
  { name: "highWatermark", number: 4, type: "int64" },
  { name: "logStart", number: 5, type: "int64" },
  { name: "lastStableOffset", number: 6, type: "int64" },
  { name: "leaderEpoch", number: 7, type: "int32" },
]);

/** Begins to follow one partition. At most 10,000 subscriptions on one stream. */
export interface SubscribeAdd {
  /** Chosen by the client, >= 1, unique on this stream for all its life; names the partition in every message about it. */
  readonly subscriptionId: number;
  /** Name of the topic; ignored when `topic_id` is given. */
  readonly topic: string;
  /** Id of the topic; empty: go by name. */
  readonly topicId: string;
  /** Partition, from 0. */
  readonly partition: number;
  /** First offset wanted. */
  readonly offset: number;
  /** Leader epoch that the caller believes in; 0: any. */
  readonly leaderEpoch: number;
  /** Leader epoch of the last batch read before `offset`; 0: none. */
  readonly lastFetchedEpoch: number;
}

export const SubscribeAddCodec = new TableCodec<SubscribeAdd>("varve.v1.SubscribeAdd", [
  { name: "subscriptionId", number: 1, type: "int64" },
  { name: "topic", number: 2, type: "string" },
  { name: "topicId", number: 3, type: "string" },
  { name: "partition", number: 4, type: "int32" },
  { name: "offset", number: 5, type: "int64" },
  { name: "leaderEpoch", number: 6, type: "int32" },
  { name: "lastFetchedEpoch", number: 7, type: "int32" },
]);

/** Stops following one partition. Batches that are on their way may still arrive. */
export interface SubscribeRemove {
  /** The subscription; unknown ones are ignored. */
  readonly subscriptionId: number;
}

export const SubscribeRemoveCodec = new TableCodec<SubscribeRemove>("varve.v1.SubscribeRemove", [
  { name: "subscriptionId", number: 1, type: "int64" },
]);

/** Adds to the bytes that the server may send, over all subscriptions of the stream. At first there are none. */
export interface SubscribeGrant {
  /**
   * 1 .. 64 MiB; the sum of what is open is bounded by 64 MiB. Only the bytes of batches count. The server sends while the credit is
   * above 0, so the last batch may overdraw it.
   */
  readonly bytes: number;
}

export const SubscribeGrantCodec = new TableCodec<SubscribeGrant>("varve.v1.SubscribeGrant", [
  { name: "bytes", number: 1, type: "int64" },
]);

/** What a client says on a Subscribe stream. */
export interface SubscribeRequest {
  /** Begins to follow a partition. */
  readonly add: SubscribeAdd | null;
  /** Stops following a partition. */
  readonly remove: SubscribeRemove | null;
  /** Allows the server to send more. */
  readonly grant: SubscribeGrant | null;
}

export const SubscribeRequestCodec = new TableCodec<SubscribeRequest>("varve.v1.SubscribeRequest", [
  { name: "add", number: 1, type: { message: SubscribeAddCodec }, label: "optional" },
  { name: "remove", number: 2, type: { message: SubscribeRemoveCodec }, label: "optional" },
  { name: "grant", number: 3, type: { message: SubscribeGrantCodec }, label: "optional" },
]);

/** Batches of one subscription, in the order of their offsets and without a gap to those before. */
export interface SubscribeBatches {
  /** Whose they are. */
  readonly subscriptionId: number;
  /** Raw record batches v2; the very first may begin below the offset asked for. */
  readonly batches: readonly Uint8Array[];
  /** Offset after the last record of these batches. */
  readonly nextOffset: number;
  /** One past the last committed record. */
  readonly highWatermark: number;
  /** First offset that is still there. */
  readonly logStart: number;
  /** The leader's epoch. */
  readonly leaderEpoch: number;
}

export const SubscribeBatchesCodec = new TableCodec<SubscribeBatches>("varve.v1.SubscribeBatches", [
  { name: "subscriptionId", number: 1, type: "int64" },
  { name: "batches", number: 2, type: "bytes", label: "repeated" },
  { name: "nextOffset", number: 3, type: "int64" },
  { name: "highWatermark", number: 4, type: "int64" },
  { name: "logStart", number: 5, type: "int64" },
  { name: "leaderEpoch", number: 6, type: "int32" },
]);

/** Sent once when a subscription begins and when a partition without new records has a new high watermark or log start. */
export interface SubscribeProgress {
  /** Which one. */
  readonly subscriptionId: number;
  /** Offset of the next record that the server will send. */
  readonly nextOffset: number;
  /** One past the last committed record. */
  readonly highWatermark: number;
  /** First offset that is still there. */
  readonly logStart: number;
  /** The leader's epoch. */
  readonly leaderEpoch: number;
}

export const SubscribeProgressCodec = new TableCodec<SubscribeProgress>("varve.v1.SubscribeProgress", [
  { name: "subscriptionId", number: 1, type: "int64" },
  { name: "nextOffset", number: 2, type: "int64" },
  { name: "highWatermark", number: 3, type: "int64" },
  { name: "logStart", number: 4, type: "int64" },
  { name: "leaderEpoch", number: 5, type: "int32" },
]);

/** A subscription is over; nothing more comes for it. The client may add it again under a new id. */
export interface SubscribeError {
  /** Which one. */
  readonly subscriptionId: number;
  /** Why. */
  readonly error: ErrorStatus | null;
}

export const SubscribeErrorCodec = new TableCodec<SubscribeError>("varve.v1.SubscribeError", [
  { name: "subscriptionId", number: 1, type: "int64" },
  { name: "error", number: 2, type: { message: ErrorStatusCodec }, label: "optional" },
]);

/** What the server says on a Subscribe stream. */
export interface SubscribeResponse {
  /** Records. */
  readonly batches: SubscribeBatches | null;
  /** Where an idle partition stands. */
  readonly progress: SubscribeProgress | null;
  /** The end of one subscription. */
  readonly error: SubscribeError | null;
}

export const SubscribeResponseCodec = new TableCodec<SubscribeResponse>("varve.v1.SubscribeResponse", [
  { name: "batches", number: 1, type: { message: SubscribeBatchesCodec }, label: "optional" },
  { name: "progress", number: 2, type: { message: SubscribeProgressCodec }, label: "optional" },
  { name: "error", number: 3, type: { message: SubscribeErrorCodec }, label: "optional" },
]);

/** Asks for offsets of a topic's partitions. */
export interface ListOffsetsRequest {
  /** Name of the topic; ignored when `topic_id` is given. */
  readonly topic: string;
  /** Id of the topic; empty: go by name. */
  readonly topicId: string;
  /** Which partitions; empty: all. */
  readonly partitions: readonly number[];
  /** Which offset of each. */
  readonly at: OffsetPosition;
  /** For OFFSET_POSITION_TIME: the broker's append time to look for. */
  readonly timeMs: number;
}

export const ListOffsetsRequestCodec = new TableCodec<ListOffsetsRequest>("varve.v1.ListOffsetsRequest", [
  { name: "topic", number: 1, type: "string" },
  { name: "topicId", number: 2, type: "string" },
  { name: "partitions", number: 3, type: "int32", label: "repeated" },
  { name: "at", number: 4, type: { enum: OffsetPositionValues } },
  { name: "timeMs", number: 5, type: "int64" },
]);

/** An offset of one partition. */
export interface PartitionOffset {
  /** Partition, from 0. */
  readonly partition: number;
  /** The offset. */
  readonly offset: number;
  /** The leader's epoch. */
  readonly leaderEpoch: number;
}

export const PartitionOffsetCodec = new TableCodec<PartitionOffset>("varve.v1.PartitionOffset", [
  { name: "partition", number: 1, type: "int32" },
  { name: "offset", number: 2, type: "int64" },
  { name: "leaderEpoch", number: 3, type: "int32" },
]);

/** The offsets, in order of partition. */
export interface ListOffsetsResponse {
  /** Id of the topic. */
  readonly topicId: string;
  /** One per partition asked for. */
  readonly offsets: readonly PartitionOffset[];
}

export const ListOffsetsResponseCodec = new TableCodec<ListOffsetsResponse>("varve.v1.ListOffsetsResponse", [
  { name: "topicId", number: 1, type: "string" },
  { name: "offsets", number: 2, type: { message: PartitionOffsetCodec }, label: "repeated" },
]);

/** Some partitions of one topic. */
export interface GroupTopicPartitions {
  /** Id of the topic. */
  readonly topicId: string;
  /** Numbers of the partitions, ascending. */
  readonly partitions: readonly number[];
}

export const GroupTopicPartitionsCodec = new TableCodec<GroupTopicPartitions>("varve.v1.GroupTopicPartitions", [
  { name: "topicId", number: 1, type: "string" },
  { name: "partitions", number: 2, type: "int32", label: "repeated" },
]);

/** What a member says: who it is, what it wants, what it owns. */
export interface SessionRequest {
  /** Name of the group. */
  readonly group: string;
  /**
   * Chosen by the member, new for each life of it: 1 to 128 of the characters A-Z a-z 0-9 . _ - :. Empty at the first message: the
   * broker gives one, to be used from then on; a join whose answer is lost then leaves a member behind until its session times out.
   */
  readonly memberId: string;
  /** 0 = join; else the epoch of the newest answer; -1 = leave for good; -2 = a static member leaves for a while. */
  readonly memberEpoch: number;
  /** A name that stays over restarts; empty = none. A restart within the session timeout moves nothing. */
  readonly staticId: string;
  /** What the member calls itself, for people; at most 256 bytes. */
  readonly clientId: string;
  /** Silence after which the member is taken for dead, milliseconds; 0 = 30,000. */
  readonly sessionTimeoutMs: number;
  /** Names of the topics that the member wants. One that does not exist is waited for. */
  readonly topics: readonly string[];
  /** What the member owns now: a partition that it has let go of is missing here. */
  readonly owned: readonly GroupTopicPartitions[];
  /** Where a partition without a committed offset begins. */
  readonly startFrom: StartFrom;
  /** Counts the member's messages up; the answer repeats it. */
  readonly sequence: number;
}

export const SessionRequestCodec = new TableCodec<SessionRequest>("varve.v1.SessionRequest", [
  { name: "group", number: 1, type: "string" },
  { name: "memberId", number: 2, type: "string" },
  { name: "memberEpoch", number: 3, type: "int32" },
  { name: "staticId", number: 4, type: "string" },
  { name: "clientId", number: 5, type: "string" },
  { name: "sessionTimeoutMs", number: 6, type: "int32" },
  { name: "topics", number: 7, type: "string", label: "repeated" },
  { name: "owned", number: 8, type: { message: GroupTopicPartitionsCodec }, label: "repeated" },
  { name: "startFrom", number: 9, type: { enum: StartFromValues } },
  { name: "sequence", number: 10, type: "int64" },
]);

/** One partition as it was given to a member. */
export interface AssignedPartition {
  /** Id of the topic. */
  readonly topicId: string;
  /** Name of the topic. */
  readonly topic: string;
  /** Number of the partition. */
  readonly partition: number;
  /** Names this assignment; commits carry it. A seek gives a partition a new one: begin again at `start_offset`. */
  readonly assignmentEpoch: number;
  /** Offset of the first record to work on; -1 = nothing is committed, go by `start_from`. */
  readonly startOffset: number;
  /**
   * Where to begin when nothing is committed: as the member wishes, but always at the first record of a partition that was added while the
   * group knew the topic.
   */
  readonly startFrom: StartFrom;
}

export const AssignedPartitionCodec = new TableCodec<AssignedPartition>("varve.v1.AssignedPartition", [
  { name: "topicId", number: 1, type: "string" },
  { name: "topic", number: 2, type: "string" },
  { name: "partition", number: 3, type: "int32" },
  { name: "assignmentEpoch", number: 4, type: "int64" },
  { name: "startOffset", number: 5, type: "int64" },
  { name: "startFrom", number: 6, type: { enum: StartFromValues } },
]);

/** What the coordinator says to a member. */
export interface SessionResponse {
  /** Id of the member; to be used in every later message. */
  readonly memberId: string;
  /** Epoch of the member; to be used in every later message and in commits. */
  readonly memberEpoch: number;
  /** All partitions that the member may work on. What it owns and is missing here it must let go of, and say so. */
  readonly assigned: readonly AssignedPartition[];
  /** Wanted topics that do not exist. */
  readonly missingTopics: readonly string[];
  /** Longest silence that the coordinator wishes for, milliseconds. */
  readonly heartbeatIntervalMs: number;
  /** Sequence of the message that this answers; 0 = the coordinator speaks by itself. */
  readonly sequence: number;
}

export const SessionResponseCodec = new TableCodec<SessionResponse>("varve.v1.SessionResponse", [
  { name: "memberId", number: 1, type: "string" },
  { name: "memberEpoch", number: 2, type: "int32" },
  { name: "assigned", number: 3, type: { message: AssignedPartitionCodec }, label: "repeated" },
  { name: "missingTopics", number: 4, type: "string", label: "repeated" },
  { name: "heartbeatIntervalMs", number: 5, type: "int32" },
  { name: "sequence", number: 6, type: "int64" },
]);

/** How far one partition was worked off. */
export interface OffsetCommit {
  /** Id of the topic. */
  readonly topicId: string;
  /** Number of the partition. */
  readonly partition: number;
  /** The assignment under which the records were worked on; ignored without `member_id`. */
  readonly assignmentEpoch: number;
  /** Offset of the next record to work on. */
  readonly offset: number;
  /** Epoch of the last record that was worked on; 0 = unknown. */
  readonly leaderEpoch: number;
  /** Text of the application, at most 4,096 bytes. */
  readonly metadata: string;
}

export const OffsetCommitCodec = new TableCodec<OffsetCommit>("varve.v1.OffsetCommit", [
  { name: "topicId", number: 1, type: "string" },
  { name: "partition", number: 2, type: "int32" },
  { name: "assignmentEpoch", number: 3, type: "int64" },
  { name: "offset", number: 4, type: "int64" },
  { name: "leaderEpoch", number: 5, type: "int64" },
  { name: "metadata", number: 6, type: "string" },
]);

/** Offsets to store. */
export interface CommitOffsetsRequest {
  /** Name of the group. */
  readonly group: string;
  /** The member whose partitions they are; empty: an administrator's, for a group without members, which comes into being by it. */
  readonly memberId: string;
  /** Epoch of that member. */
  readonly memberEpoch: number;
  /** One for each partition, at most 10,000. */
  readonly offsets: readonly OffsetCommit[];
}

export const CommitOffsetsRequestCodec = new TableCodec<CommitOffsetsRequest>("varve.v1.CommitOffsetsRequest", [
  { name: "group", number: 1, type: "string" },
  { name: "memberId", number: 2, type: "string" },
  { name: "memberEpoch", number: 3, type: "int32" },
  { name: "offsets", number: 4, type: { message: OffsetCommitCodec }, label: "repeated" },
]);

/** The offsets are stored on a majority. */
export type CommitOffsetsResponse = Readonly<Record<never, never>>;

export const CommitOffsetsResponseCodec = new TableCodec<CommitOffsetsResponse>("varve.v1.CommitOffsetsResponse", [
]);

/** Which offsets are wanted. */
export interface FetchOffsetsRequest {
  /** Name of the group. */
  readonly group: string;
  /** Ids of topics; none = all that have offsets. */
  readonly topicIds: readonly string[];
}

export const FetchOffsetsRequestCodec = new TableCodec<FetchOffsetsRequest>("varve.v1.FetchOffsetsRequest", [
  { name: "group", number: 1, type: "string" },
  { name: "topicIds", number: 2, type: "string", label: "repeated" },
]);

/** A stored offset. */
export interface CommittedOffset {
  /** Id of the topic. */
  readonly topicId: string;
  /** Name of the topic; empty when it is deleted. */
  readonly topic: string;
  /** Number of the partition. */
  readonly partition: number;
  /** Offset of the next record to work on. */
  readonly offset: number;
  /** Epoch of the record before; 0 = unknown. */
  readonly leaderEpoch: number;
  /** Text of the application. */
  readonly metadata: string;
}

export const CommittedOffsetCodec = new TableCodec<CommittedOffset>("varve.v1.CommittedOffset", [
  { name: "topicId", number: 1, type: "string" },
  { name: "topic", number: 2, type: "string" },
  { name: "partition", number: 3, type: "int32" },
  { name: "offset", number: 4, type: "int64" },
  { name: "leaderEpoch", number: 5, type: "int64" },
  { name: "metadata", number: 6, type: "string" },
]);

/** All that were asked for and are stored. */
export interface FetchOffsetsResponse {
  /** By topic and partition. */
  readonly offsets: readonly CommittedOffset[];
}

export const FetchOffsetsResponseCodec = new TableCodec<FetchOffsetsResponse>("varve.v1.FetchOffsetsResponse", [
  { name: "offsets", number: 1, type: { message: CommittedOffsetCodec }, label: "repeated" },
]);

/** Where a group is to go on. */
export interface SeekGroupRequest {
  /** Name of the group; it is there when it has members, or once something was committed. */
  readonly group: string;
  /** Name of the topic. */
  readonly topic: string;
  /** Partition; absent = all of the topic. */
  readonly partition: number | null;
  /** A place in each partition; unspecified: `offset` counts. */
  readonly at: OffsetPosition;
  /** With OFFSET_POSITION_TIME: milliseconds since 1970. */
  readonly timeMs: number;
  /**
   * Offset of the next record to work on; meaningful without `at`. Without `partition` it is that
   * offset in every partition, and must lie in each.
   */
  readonly offset: number;
}

export const SeekGroupRequestCodec = new TableCodec<SeekGroupRequest>("varve.v1.SeekGroupRequest", [
  { name: "group", number: 1, type: "string" },
  { name: "topic", number: 2, type: "string" },
  { name: "partition", number: 3, type: "int32", label: "optional" },
  { name: "at", number: 4, type: { enum: OffsetPositionValues } },
  { name: "timeMs", number: 5, type: "int64" },
  { name: "offset", number: 6, type: "int64" },
]);

/** Where the group goes on now. */
export interface SeekGroupResponse {
  /** Id of the topic. */
  readonly topicId: string;
  /** One for each partition that was moved. */
  readonly offsets: readonly CommittedOffset[];
}

export const SeekGroupResponseCodec = new TableCodec<SeekGroupResponse>("varve.v1.SeekGroupResponse", [
  { name: "topicId", number: 1, type: "string" },
  { name: "offsets", number: 2, type: { message: CommittedOffsetCodec }, label: "repeated" },
]);

/** Asks for all groups. */
export type ListGroupsRequest = Readonly<Record<never, never>>;

export const ListGroupsRequestCodec = new TableCodec<ListGroupsRequest>("varve.v1.ListGroupsRequest", [
]);

/** One group in a list. */
export interface GroupSummary {
  /** Name of the group. */
  readonly group: string;
  /** What it does. */
  readonly state: GroupState;
  /** Number of its members. */
  readonly members: number;
}

export const GroupSummaryCodec = new TableCodec<GroupSummary>("varve.v1.GroupSummary", [
  { name: "group", number: 1, type: "string" },
  { name: "state", number: 2, type: { enum: GroupStateValues } },
  { name: "members", number: 3, type: "int32" },
]);

/** All groups. */
export interface ListGroupsResponse {
  /** By name. */
  readonly groups: readonly GroupSummary[];
}

export const ListGroupsResponseCodec = new TableCodec<ListGroupsResponse>("varve.v1.ListGroupsResponse", [
  { name: "groups", number: 1, type: { message: GroupSummaryCodec }, label: "repeated" },
]);

/** Asks for one group. */
export interface DescribeGroupRequest {
  /** Name of the group. */
  readonly group: string;
}

export const DescribeGroupRequestCodec = new TableCodec<DescribeGroupRequest>("varve.v1.DescribeGroupRequest", [
  { name: "group", number: 1, type: "string" },
]);

/** One member of a group. */
export interface GroupMember {
  /** Id of the member. */
  readonly memberId: string;
  /** Name that stays over restarts; empty = none. */
  readonly staticId: string;
  /** What the member calls itself. */
  readonly clientId: string;
  /** Its epoch. */
  readonly memberEpoch: number;
  /** What it may work on. */
  readonly assigned: readonly AssignedPartition[];
  /** Topics that it wants. */
  readonly topics: readonly string[];
}

export const GroupMemberCodec = new TableCodec<GroupMember>("varve.v1.GroupMember", [
  { name: "memberId", number: 1, type: "string" },
  { name: "staticId", number: 2, type: "string" },
  { name: "clientId", number: 3, type: "string" },
  { name: "memberEpoch", number: 4, type: "int32" },
  { name: "assigned", number: 5, type: { message: AssignedPartitionCodec }, label: "repeated" },
  { name: "topics", number: 6, type: "string", label: "repeated" },
]);

/** Offset and lag of one partition. */
export interface GroupOffset {
  /** Id of the topic. */
  readonly topicId: string;
  /** Name of the topic. */
  readonly topic: string;
  /** Number of the partition. */
  readonly partition: number;
  /** Offset of the next record to work on; -1 = none is stored. */
  readonly committed: number;
  /** High watermark of the partition; -1 = not known now. */
  readonly highWatermark: number;
  /** Records from the committed offset to the high watermark; -1 = not known now. */
  readonly lagRecords: number;
  /** Age of the next record to work on, milliseconds since it was appended; 0 = none waits, -1 = not known now. */
  readonly lagMs: number;
  /** Why the lag is not known; absent otherwise. */
  readonly error: ErrorStatus | null;
}

export const GroupOffsetCodec = new TableCodec<GroupOffset>("varve.v1.GroupOffset", [
  { name: "topicId", number: 1, type: "string" },
  { name: "topic", number: 2, type: "string" },
  { name: "partition", number: 3, type: "int32" },
  { name: "committed", number: 4, type: "int64" },
  { name: "highWatermark", number: 5, type: "int64" },
  { name: "lagRecords", number: 6, type: "int64" },
  { name: "lagMs", number: 7, type: "int64" },
  { name: "error", number: 8, type: { message: ErrorStatusCodec }, label: "optional" },
]);

/** One group. */
export interface DescribeGroupResponse {
  /** Name of the group. */
  readonly group: string;
  /** What it does. */
  readonly state: GroupState;
  /** Epoch of the group: counts changes of members and topics. */
  readonly epoch: number;
  /** Members by id. */
  readonly members: readonly GroupMember[];
  /** Offsets by topic and partition. */
  readonly offsets: readonly GroupOffset[];
  /** The broker that coordinates it. */
  readonly coordinator: number;
}

export const DescribeGroupResponseCodec = new TableCodec<DescribeGroupResponse>("varve.v1.DescribeGroupResponse", [
  { name: "group", number: 1, type: "string" },
  { name: "state", number: 2, type: { enum: GroupStateValues } },
  { name: "epoch", number: 3, type: "int32" },
  { name: "members", number: 4, type: { message: GroupMemberCodec }, label: "repeated" },
  { name: "offsets", number: 5, type: { message: GroupOffsetCodec }, label: "repeated" },
  { name: "coordinator", number: 6, type: "int32" },
]);

/** Asks to forget one group. */
export interface DeleteGroupRequest {
  /** Name of the group. */
  readonly group: string;
}

export const DeleteGroupRequestCodec = new TableCodec<DeleteGroupRequest>("varve.v1.DeleteGroupRequest", [
  { name: "group", number: 1, type: "string" },
]);

/** The group is forgotten. */
export type DeleteGroupResponse = Readonly<Record<never, never>>;

export const DeleteGroupResponseCodec = new TableCodec<DeleteGroupResponse>("varve.v1.DeleteGroupResponse", [
]);
