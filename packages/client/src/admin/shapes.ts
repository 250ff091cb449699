/**
 * shapes.ts: what admin calls take and answer.
 */
import type { BrokerId, ClusterId, Offset, PartitionId, Term, TopicId } from "@varve/base";

/** Settings of a topic: numbers; null puts a setting back to its default. */
export interface TopicSettings {
  /** Age, by the broker's append time, after which records may be deleted, ms; -1: never. Default 7 days. */
  readonly retentionMs?: number | null | undefined;
  /** Size of a partition above which its oldest records are deleted, bytes; -1 (default): unlimited. */
  readonly retentionBytes?: number | null | undefined;
  /** Size at which a segment file is closed, bytes. Default 128 MiB. */
  readonly segmentBytes?: number | null | undefined;
  /** Age at which a segment file is closed, ms. Default 7 days. */
  readonly segmentMs?: number | null | undefined;
  /** Largest batch that the topic accepts, bytes. Default and most: 4 MiB. */
  readonly batchBytesMax?: number | null | undefined;
}

/** Every setting of a topic with its value. */
export interface TopicConfig extends Readonly<Record<string, number>> {}

export interface CreateTopicInput {
  /** 1 to 249 of the characters A-Z a-z 0-9 . _ -. */
  readonly topic: string;
  /** 1 .. 10,000. Default 6. */
  readonly partitions?: number | undefined;
  /** Replicas of each partition, 1 .. 7. Default 3, or as many as there are brokers if fewer. */
  readonly replicas?: number | undefined;
  readonly config?: TopicSettings | undefined;
  /** Succeed without a change when the topic exists. Default false: TOPIC_EXISTS. */
  readonly ifNotExists?: boolean | undefined;
}

export interface CreatedTopic {
  readonly topic: string;
  readonly topicId: TopicId;
  readonly partitions: number;
  readonly replicas: number;
  /** False when it was there before. */
  readonly created: boolean;
}

export interface TopicListing {
  readonly topic: string;
  readonly topicId: TopicId;
  readonly partitions: number;
  readonly replicas: number;
}

export interface TopicDescription {
  readonly topic: string;
  readonly topicId: TopicId;
  /** Every setting, defaults included. */
  readonly config: TopicConfig;
  readonly partitions: PartitionDetails[];
}

export interface PartitionDetails {
  readonly partition: PartitionId;
  /** null: no leader is known. */
  readonly leader: BrokerId | null;
  /** Epoch of the leader; 0 without one. */
  readonly epoch: Term;
  /** Brokers that hold a replica; the first is the preferred leader. */
  readonly replicas: BrokerId[];
  readonly voters: BrokerId[];
  /** Voters that have all that the leader has; empty without a leader. */
  readonly inSync: BrokerId[];
  /** Brokers whose replica is no longer wanted and has not left yet. */
  readonly leaving: BrokerId[];
  /** First offset that is still there; -1 when no leader answered. */
  readonly logStart: Offset;
  /** One past the last committed record; -1 when no leader answered. */
  readonly highWatermark: Offset;
}

/** `timeMs`: the first record that the broker appended at or after it; past the last record the same as latest. */
export type OffsetPoint = "earliest" | "latest" | { readonly timeMs: number };

export interface PartitionOffset {
  readonly partition: PartitionId;
  readonly offset: Offset;
}

export interface ClusterDescription {
  readonly clusterId: ClusterId;
  /** Broker that leads the controller; null: none that is known. */
  readonly controller: BrokerId | null;
  readonly brokers: BrokerDetails[];
  /** The finalised feature level: formats of later ones are not written. 0: the broker that answered is too old to know. */
  readonly featureLevel: number;
}

export interface BrokerDetails {
  readonly id: BrokerId;
  /** host:port for clients. */
  readonly address: string;
  readonly rack: string | null;
  readonly ready: boolean;
  readonly version: string;
  /** Prefers to lead nothing. */
  readonly drained: boolean;
  /** Being decommissioned. */
  readonly leaving: boolean;
  /** Replicas that it holds, those that are leaving among them. */
  readonly replicas: number;
  /** Partitions that it leads. */
  readonly leads: number;
  /** Of these, partitions without another replica: nobody can take them over. 0 from an earlier version, too. */
  readonly leadsAlone: number;
  /** Feature levels that its software supports, both inclusive. */
  readonly featureLevelMin: number;
  readonly featureLevelMax: number;
  /** host:port for other brokers; empty: not told, by an earlier version. */
  readonly peerAddress: string;
  /** host:port of probes and metrics; empty: not told, by an earlier version. */
  readonly opsAddress: string;
}

/** A partition whose replicas are not yet where they are wanted. */
export interface PartitionMove {
  readonly topic: string;
  readonly partition: PartitionId;
  /** Brokers that shall hold it. */
  readonly brokers: BrokerId[];
  /** Brokers whose replica goes; one that is in `brokers`, too, gets a fresh replica in the place of a lost one. */
  readonly leaving: BrokerId[];
  /** Brokers of `brokers` whose replica does not vote yet. */
  readonly joining: BrokerId[];
  /** Log entries that the joining replica which is farthest behind still lacks; null: not known. */
  readonly entriesBehind: number | null;
}

/** Which replicas and preferred leaderships to move for an even load; made anew at each call. */
export interface RebalancePlan {
  /** By topic and partition. Empty: nothing to do. */
  readonly moves: PlannedMove[];
  /** False: there is more to move than one plan holds. */
  readonly complete: boolean;
  readonly brokers: BrokerBalance[];
}

export interface PlannedMove {
  readonly topic: string;
  readonly topicId: TopicId;
  readonly partition: PartitionId;
  /** The first is the preferred leader. */
  readonly from: BrokerId[];
  /** The same brokers in another order: only the preferred leader changes. */
  readonly to: BrokerId[];
  /** Bytes that new replicas have to copy, all together. */
  readonly bytes: number;
}

/** What a broker has now, and after the plan. */
export interface BrokerBalance {
  readonly id: BrokerId;
  readonly replicas: number;
  readonly replicasAfter: number;
  /** Partitions that it is the preferred leader of. */
  readonly leaders: number;
  readonly leadersAfter: number;
  readonly bytes: number;
  readonly bytesAfter: number;
}

export interface ClusterHealth {
  /** All seeds and registered brokers are ready, and every partition is led and fully replicated. */
  readonly healthy: boolean;
  readonly problems: HealthProblem[];
  readonly brokersReady: number;
  readonly brokersExpected: number;
  readonly partitionsHealthy: number;
  readonly partitionsExpected: number;
}

/** One thing that is not well. */
export interface HealthProblem {
  /** null: not about one broker. */
  readonly broker: BrokerId | null;
  /** null: not about a topic. */
  readonly topic: string | null;
  /** null: not about one partition. */
  readonly partition: PartitionId | null;
  readonly message: string;
}
