/**
 * views.ts: what others are told about groups: answers to members, descriptions to administrators. Reads only; lists are sorted.
 */
import type { Offset, PartitionId, Term, TopicId } from "@varve/base";
import { AWAY_EPOCH, type Heartbeat, LEAVE_EPOCH, type StartFrom, type TopicPartitions } from "./commands.js";
import type { Group, Member } from "./model.js";
import { compareText, getPartition, hasPartition, listPartitions, partitionEntries } from "./partition-map.js";
import type { AssignedPartition, AssignedTopic, HeartbeatAnswer } from "./result.js";

/**
 * empty: no members. reconciling: some partition is still owned by a member that shall give it up. assigning: nothing is to be given
 * up, but some free partition has not reached its new owner. stable: everyone owns what it shall own.
 */
export type GroupStatus = "empty" | "assigning" | "reconciling" | "stable";

export interface GroupView {
  readonly group: string;
  readonly state: GroupStatus;
  /** Rises with every change of membership, subscription or assignment, and with every seek. */
  readonly epoch: number;
  readonly memberCount: number;
  readonly offsetCount: number;
  /** When the last member went; null while there are members, and where there never was one. */
  readonly emptySinceMs: number | null;
}

export interface MemberView {
  readonly memberId: string;
  readonly staticId: string | null;
  readonly clientId: string;
  readonly host: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly startFrom: StartFrom;
  readonly topics: readonly string[];
  readonly memberEpoch: number;
  readonly joinedMs: number;
  /** A static member that left for a while. */
  readonly away: boolean;
  /** Since when it has been asked to give something up; null: it is not. */
  readonly revokingSinceMs: number | null;
  readonly assigned: readonly TopicPartitions[];
  readonly revoking: readonly TopicPartitions[];
  /** What it shall own in the end. */
  readonly target: readonly TopicPartitions[];
}

/** A topic that some member subscribes to. */
export interface SubscribedTopic {
  readonly topic: string;
  /** null: it does not exist, as far as the group knows. */
  readonly topicId: TopicId | null;
  readonly partitions: number;
}

export interface GroupDescription extends GroupView {
  readonly members: readonly MemberView[];
  readonly topics: readonly SubscribedTopic[];
}

export interface CommittedOffset {
  readonly topicId: TopicId;
  readonly partition: PartitionId;
  readonly offset: Offset;
  readonly leaderEpoch: Term | null;
  readonly metadata: string;
  readonly committedMs: number;
}

export function answerOf(group: Group, member: Member, full: boolean): HeartbeatAnswer {
  return {
    kind: "heartbeat",
    memberId: member.memberId,
    memberEpoch: member.memberEpoch,
    assignment: full ? assignmentOf(group, member) : null,
    missingTopics: member.topics.filter((topic) => !group.topics.has(topic)),
  };
}

/** The answer to a heartbeat that changed nothing. */
export function repeatedAnswer(group: Group, member: Member, { memberEpoch, owned }: Heartbeat): HeartbeatAnswer {
  if (memberEpoch === AWAY_EPOCH || memberEpoch === LEAVE_EPOCH)
    return { kind: "heartbeat", memberId: member.memberId, memberEpoch, assignment: null, missingTopics: [] };
  return answerOf(group, member, memberEpoch !== member.memberEpoch || owned !== null);
}

function assignmentOf(group: Group, member: Member): readonly AssignedTopic[] {
  const assignment: AssignedTopic[] = [];
  for (const [topic, { topicId, initialPartitions }] of group.topics) {
    const given = member.assigned.get(topicId);
    if (given === undefined) continue;
    const partitions = [...given]
      .sort(([left], [right]) => left - right)
      .map(([partition, epoch]): AssignedPartition => {
        const startOffset = getPartition(group.offsets, topicId, partition)?.offset ?? null;
        const startFrom = partition < initialPartitions ? member.startFrom : "earliest";
        return { partition, epoch, startOffset, startFrom };
      });
    assignment.push({ topic, topicId, partitions });
  }
  return assignment.sort((left, right) => compareText(left.topic, right.topic));
}

export function statusOf(group: Group): GroupStatus {
  if (group.members.size === 0) return "empty";
  let status: GroupStatus = "stable";
  for (const { assigned, revoking, target } of group.members.values()) {
    if (revoking.size > 0) return "reconciling";
    for (const [topicId, partition] of partitionEntries(assigned))
      if (!hasPartition(target, topicId, partition)) return "reconciling";
    for (const [topicId, partitions] of target)
      if (assigned.get(topicId)?.size !== partitions.size) status = "assigning";
  }
  return status;
}

export function groupView(group: Group): GroupView {
  return {
    group: group.name,
    state: statusOf(group),
    epoch: group.epoch,
    memberCount: group.members.size,
    offsetCount: group.offsetCount,
    emptySinceMs: group.emptySinceMs,
  };
}

export function memberView(member: Member): MemberView {
  const { assigned, revoking, target, previousEpoch: _previous, replacedIds: _replaced, ...rest } = member;
  return {
    ...rest,
    assigned: listPartitions(assigned),
    revoking: listPartitions(revoking),
    target: listPartitions(target),
  };
}

export function memberViews(group: Group): readonly MemberView[] {
  return [...group.members.values()].map(memberView).sort((left, right) => compareText(left.memberId, right.memberId));
}

export function subscribedTopics(group: Group): readonly SubscribedTopic[] {
  const names = new Set([...group.topics.keys(), ...[...group.members.values()].flatMap(({ topics }) => topics)]);
  return [...names].sort(compareText).map((topic) => {
    const known = group.topics.get(topic);
    return { topic, topicId: known?.topicId ?? null, partitions: known?.partitions ?? 0 };
  });
}

/** All that is committed, or of `wanted` what is; sorted by topic id and partition. */
export function committedOffsets(group: Group, wanted: readonly TopicPartitions[] | null): CommittedOffset[] {
  const found: CommittedOffset[] = [];
  for (const { topicId, partitions } of wanted ?? listPartitions(group.offsets)) {
    for (const partition of partitions) {
      const committed = getPartition(group.offsets, topicId, partition);
      if (committed !== undefined) found.push({ topicId, partition, ...committed });
    }
  }
  return found;
}
