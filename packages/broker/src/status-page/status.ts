/**
 * status.ts: what the status page shows, as `GET /status.json` gives it. A number that nobody could tell is null, never 0.
 */
import type { BrokerId, ClusterId, GroupId, Offset, PartitionId, Term } from "@varve/base";
import type { GroupStatus } from "@varve/groups";

/** Rows of each kind in one answer; what lies beyond is counted. */
export const STATUS_LIMITS = {
  partitionsMax: 10_000,
  groupsMax: 10_000,
  /** Of all groups together. */
  membersMax: 10_000,
  /** Partitions of all groups together. */
  offsetsMax: 10_000,
  problemsMax: 100,
} as const;

/** The whole cluster, as one broker gathered it. */
export interface ClusterStatus {
  /** Who gathered it; null figures elsewhere are what it could not hear. */
  readonly brokerId: BrokerId;
  readonly clusterId: ClusterId | null;
  readonly controller: BrokerId | null;
  /** When, milliseconds since 1970. */
  readonly atMs: number;
  /** What is wrong, in words; at most `problemsMax` of `problemCount`. */
  readonly problems: readonly string[];
  readonly problemCount: number;
  readonly brokers: readonly BrokerRow[];
  readonly topics: readonly TopicRow[];
  readonly groups: readonly GroupRow[];
  /** Rows left out because of `STATUS_LIMITS`. */
  readonly omitted: { readonly partitions: number; readonly groups: number };
}

export interface BrokerRow {
  readonly broker: BrokerId;
  readonly address: string;
  readonly rack: string | null;
  readonly version: string;
  /** It answered, and is ready. */
  readonly ready: boolean;
  /** Why it is not. */
  readonly reasons: readonly string[];
  /** Partitions of users' topics that it leads, and replicas of them that it holds; null: it did not answer. */
  readonly partitionsLed: number | null;
  readonly replicas: number | null;
}

export interface TopicRow {
  readonly topic: string;
  /** Kept by the cluster for itself. */
  readonly internal: boolean;
  readonly replicas: number;
  readonly partitions: readonly PartitionRow[];
}

export interface PartitionRow {
  readonly partition: PartitionId;
  /** null: nobody is known to lead it. */
  readonly leader: BrokerId | null;
  readonly epoch: Term | null;
  readonly logStart: Offset | null;
  readonly highWatermark: Offset | null;
  /** Of its segments on the leader's disk. */
  readonly sizeBytes: number | null;
  readonly replicas: readonly ReplicaRow[];
}

export interface ReplicaRow {
  readonly broker: BrokerId;
  /** null: no leader tells. */
  readonly inSync: boolean | null;
  /** Committed log entries, batches for the most part, that it has not confirmed to have; null: no leader tells. */
  readonly lagEntries: number | null;
}

/** A consumer group, as its coordinator has it. */
export interface GroupRow {
  readonly group: string;
  readonly state: GroupStatus;
  readonly coordinator: BrokerId;
  readonly memberCount: number;
  /** The first of them, by id. */
  readonly members: readonly MemberRow[];
  readonly partitionCount: number;
  /** The first of them, by topic and partition. */
  readonly partitions: readonly GroupPartitionRow[];
  /** Sum over those partitions of which it is known; null: of none, though there are some. */
  readonly lagRecords: number | null;
  /** The largest among them. */
  readonly lagMs: number | null;
  /** Partitions that the two leave out: no leader answered, or they are beyond the limit. */
  readonly lagUnknown: number;
}

export interface MemberRow {
  readonly memberId: string;
  readonly staticId: string | null;
  readonly clientId: string;
  readonly host: string;
  /** A static member that left for a while. */
  readonly away: boolean;
  readonly assigned: readonly { readonly topic: string; readonly partitions: readonly PartitionId[] }[];
}

export interface GroupPartitionRow {
  readonly topic: string;
  readonly partition: PartitionId;
  /** null: nothing was committed yet. */
  readonly committed: Offset | null;
  readonly lagRecords: number | null;
  /** Age of the next unread record by its append time; 0: there is none. */
  readonly lagMs: number | null;
  /** Who owns it; null: nobody at this moment. */
  readonly memberId: string | null;
}

/** What a broker tells of itself, of the partitions that it leads and of the groups that it coordinates. */
export interface BrokerReport {
  readonly brokerId: BrokerId;
  readonly rack: string | null;
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly partitionsLed: number;
  readonly replicas: number;
  /** By topic and partition; the first `partitionsMax`. */
  readonly partitions: readonly PartitionReport[];
  readonly partitionsOmitted: number;
  /** By name; the first `groupsMax`. */
  readonly groups: readonly GroupReport[];
  readonly groupsOmitted: number;
}

export interface PartitionReport {
  readonly groupId: GroupId;
  readonly topic: string;
  readonly partition: PartitionId;
  readonly epoch: Term;
  readonly logStart: Offset;
  readonly highWatermark: Offset;
  readonly sizeBytes: number;
  /** The leader's own first. */
  readonly replicas: readonly ReplicaRow[];
}

export interface GroupReport extends GroupRow {
  /** The coordinator's epoch: of two who say that they coordinate a group, the later one does. */
  readonly coordinatorEpoch: Term;
}
