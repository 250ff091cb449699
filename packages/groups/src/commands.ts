/**
 * commands.ts: everything that can change the groups of a shard. What a command needs from the world (the time, member ids, which
 * topics exist) stands in it, so that applying it is a function of the log alone.
 *
 * Source: KIP-848 (ConsumerGroupHeartbeat, version 1: the member chooses its id), KIP-345 (static members), KIP-1251 (epochs per
 * assigned partition).
 */
import type { Offset, PartitionId, Term, TopicId } from "@varve/base";

/** Where a member starts in a partition that has no committed offset. */
export type StartFrom = "earliest" | "latest";

/** `memberEpoch` of a heartbeat that joins. */
export const JOIN_EPOCH = 0;
/** `memberEpoch` of a heartbeat that leaves for good. */
export const LEAVE_EPOCH = -1;
/** `memberEpoch` of a heartbeat by which a static member leaves for a while: its partitions wait for it. */
export const AWAY_EPOCH = -2;

export interface TopicPartitions {
  readonly topicId: TopicId;
  readonly partitions: readonly PartitionId[];
}

/** A topic as the cluster's metadata has it. */
export interface TopicMetadata {
  readonly topic: string;
  readonly topicId: TopicId;
  /** How many. */
  readonly partitions: number;
}

/** What a member says about itself, at joining and then again and again. */
export interface Heartbeat {
  readonly group: string;
  /** Chosen by the caller, unique for ever: 1 .. 128 characters A-Z a-z 0-9 . _ - : */
  readonly memberId: string;
  /** The epoch of the last answer; JOIN_EPOCH, LEAVE_EPOCH or AWAY_EPOCH. */
  readonly memberEpoch: number;
  readonly staticId: string | null;
  readonly clientId: string;
  readonly host: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  /** The subscription; null: as before. A join names it. */
  readonly topics: readonly string[] | null;
  /** What the member owns at this moment, after giving up what it was asked for; null: as it said before. */
  readonly owned: readonly TopicPartitions[] | null;
  readonly startFrom: StartFrom;
}

/** A heartbeat that changes something. */
export interface HeartbeatCommand extends Heartbeat {
  readonly kind: "heartbeat";
  readonly nowMs: number;
  /** Those of the member's topics that exist, as the proposer sees them. */
  readonly metadata: readonly TopicMetadata[];
  /** Version of the metadata that `metadata` was taken from; older than what the group has seen, it is ignored. */
  readonly metadataVersion: number;
}

/** Members whose session or rebalance timeout has passed are removed. */
export interface ExpireCommand {
  readonly kind: "expire";
  readonly group: string;
  readonly memberIds: readonly string[];
  readonly nowMs: number;
}

/** Topics of the group's subscriptions are other than the group knows them: created, grown, deleted, recreated. */
export interface TopicsChangedCommand {
  readonly kind: "topicsChanged";
  readonly group: string;
  /** `topicId` null: there is no such topic. Topics that are not named stay as they are. */
  readonly topics: readonly { readonly topic: string; readonly topicId: TopicId | null; readonly partitions: number }[];
  /** Topics that are gone for good, subscribed to or not: their committed offsets go. */
  readonly deletedTopicIds: readonly TopicId[];
  readonly metadataVersion: number;
  readonly nowMs: number;
}

export interface OffsetCommit {
  readonly topicId: TopicId;
  readonly partition: PartitionId;
  /** The epoch at which the member was given the partition; null (a client that knows only its own epoch): see O3. */
  readonly assignmentEpoch: number | null;
  /** Offset of the next record to process. */
  readonly offset: Offset;
  /** Leader epoch of the last processed record; null: not known. */
  readonly leaderEpoch: Term | null;
  /** A note of the member's own. */
  readonly metadata: string;
}

export interface CommitCommand {
  readonly kind: "commit";
  readonly group: string;
  /** null: no member but an administrator or a program without a group; accepted only while the group has no members. */
  readonly memberId: string | null;
  readonly memberEpoch: number;
  readonly offsets: readonly OffsetCommit[];
  readonly nowMs: number;
}

/** Moves a group, running or not, to other offsets. */
export interface SeekCommand {
  readonly kind: "seek";
  readonly group: string;
  readonly offsets: readonly { readonly topicId: TopicId; readonly partition: PartitionId; readonly offset: Offset }[];
  readonly nowMs: number;
}

export interface DeleteGroupCommand {
  readonly kind: "deleteGroup";
  readonly group: string;
}

export type GroupCommand =
  | HeartbeatCommand
  | ExpireCommand
  | TopicsChangedCommand
  | CommitCommand
  | SeekCommand
  | DeleteGroupCommand;
