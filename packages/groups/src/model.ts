/**
 * model.ts: one shard's groups in memory, as the appliers change them. Nobody outside this package sees it.
 *
 * Invariants:
 *   G1  `owners`, `staticIds` and `offsetCount` say the same as `members` and `offsets`
 *   G2  a partition has one owner: it is assigned to, or still being given up by, at most one member (reliability C1)
 *   G3  a group epoch is never used twice for a group's name, also when the group was removed in between
 *   G4  no group without members and without committed offsets
 */
import { assert, type Offset, type PartitionId, type Term, type TopicId } from "@varve/base";
import type { StartFrom } from "./commands.js";
import { groupKey, offsetKey, SHARD_KEY } from "./keys.js";
import type { GroupLimits } from "./limits.js";
import { type PartitionMap, partitionEntries, putPartition, type ReadonlyPartitionSet } from "./partition-map.js";

export interface GroupTopic {
  readonly topicId: TopicId;
  readonly partitions: number;
  /** Partitions that were there when the group came to the topic; the others start at the earliest offset, always. */
  readonly initialPartitions: number;
}

export interface Committed {
  readonly offset: Offset;
  readonly leaderEpoch: Term | null;
  readonly metadata: string;
  readonly committedMs: number;
}

export interface Member {
  readonly memberId: string;
  readonly staticId: string | null;
  clientId: string;
  host: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  /** Sorted, each once. */
  topics: readonly string[];
  startFrom: StartFrom;
  readonly joinedMs: number;
  /** A static member that left for a while; its partitions wait for it. */
  away: boolean;
  /** When the oldest request to give up partitions that is still open was made; null: none is. */
  revokingSinceMs: number | null;
  /** Group epoch of the member's last view; the member proves by it what it has seen. */
  memberEpoch: number;
  /** The view before, which the member may still have when an answer was lost; 0 until the second view. */
  previousEpoch: number;
  /** What it shall own in the end. */
  target: ReadonlyPartitionSet;
  /** What it owns: partition -> the epoch at which it was given. */
  readonly assigned: PartitionMap<number>;
  /** What it was asked to give up and has not confirmed: partition -> the epoch at which it was given. */
  readonly revoking: PartitionMap<number>;
  /** Members whose static id this one has taken over, newest last. */
  readonly replacedIds: readonly string[];
}

export interface Group {
  readonly name: string;
  epoch: number;
  metadataVersion: number;
  /** When the last member went; null while there are members. */
  emptySinceMs: number | null;
  /** Topics that exist and are subscribed to, or were and are still owned, or were when the last member went; by name. */
  readonly topics: Map<string, GroupTopic>;
  readonly members: Map<string, Member>;
  readonly offsets: PartitionMap<Committed>;
  readonly owners: PartitionMap<string>;
  readonly staticIds: Map<string, string>;
  offsetCount: number;
}

export interface Shard {
  readonly limits: GroupLimits;
  readonly groups: Map<string, Group>;
  appliedIndex: number;
  /** No group that was removed had a higher epoch (G3). */
  epochFloor: number;
  /** Keys whose value is another than when the changes were last taken. */
  readonly changedKeys: Set<string>;
}

export function emptyShard(limits: GroupLimits): Shard {
  return { limits, groups: new Map(), appliedIndex: 0, epochFloor: 0, changedKeys: new Set() };
}

export function emptyGroup(name: string, epoch: number): Group {
  return {
    name,
    epoch,
    metadataVersion: 0,
    emptySinceMs: null,
    topics: new Map(),
    members: new Map(),
    offsets: new Map(),
    owners: new Map(),
    staticIds: new Map(),
    offsetCount: 0,
  };
}

/** The group of that name, made when there is none. */
export function openGroup(shard: Shard, name: string): Group {
  const known = shard.groups.get(name);
  if (known !== undefined) return known;
  const group = emptyGroup(name, shard.epochFloor);
  shard.groups.set(name, group);
  shard.changedKeys.add(groupKey(name));
  return group;
}

/** Removes a group without members, and what it committed; its epochs stay used (G3). */
export function removeGroup(shard: Shard, group: Group): void {
  assert(group.members.size === 0, "a group with members is not removed");
  shard.epochFloor = Math.max(shard.epochFloor, group.epoch);
  shard.groups.delete(group.name);
  shard.changedKeys.add(groupKey(group.name)).add(SHARD_KEY);
  for (const [topicId, partition] of partitionEntries(group.offsets))
    shard.changedKeys.add(offsetKey(group.name, topicId, partition));
}

export function putOffset(
  shard: Shard,
  group: Group,
  topicId: TopicId,
  partition: PartitionId,
  committed: Committed,
): void {
  if (group.offsets.get(topicId)?.has(partition) !== true) group.offsetCount += 1;
  putPartition(group.offsets, topicId, partition, committed);
  shard.changedKeys.add(offsetKey(group.name, topicId, partition));
}

/** Forgets what was committed in a topic that is gone. */
export function dropOffsets(shard: Shard, group: Group, topicId: TopicId): void {
  for (const partition of group.offsets.get(topicId)?.keys() ?? []) {
    group.offsetCount -= 1;
    shard.changedKeys.add(offsetKey(group.name, topicId, partition));
  }
  group.offsets.delete(topicId);
}
