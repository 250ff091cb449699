/**
 * reconcile.ts: leads every member from what it owns to what it shall own, one partition at a time.
 *
 * A member's view is what it owns (`assigned`), and changes only in answer to its own heartbeat. First it is asked to give up what
 * is not its target; what it confirms, or what a removed member had, is free; free partitions go to their target's owner at its next
 * heartbeat. Partitions that do not move are not touched.
 *
 * Invariants, beside G2:
 *   V1  a partition is given only when nobody owns it: its old owner confirmed, or was removed
 *   V2  a partition is confirmed only by a heartbeat of the very view that asked for it
 *   V3  the epoch at which a partition is given is higher than any at which it was given before
 * Source: KIP-848, "Rebalance process". Unlike there, asking for a partition opens an epoch too, so that a member epoch names one
 * view and a lost answer is always recognised; members whose view stays the same keep their epoch.
 */
import { assert, type PartitionId, type TopicId } from "@varve/base";
import { assignPartitions } from "./assignor.js";
import type { Group, Member } from "./model.js";
import {
  compareText,
  getPartition,
  hasPartition,
  partitionEntries,
  putPartition,
  type ReadonlyPartitionSet,
  removePartition,
  samePartitions,
} from "./partition-map.js";
import type { Step } from "./step.js";

interface Place {
  readonly topicId: TopicId;
  readonly partition: PartitionId;
}

/** How a member's view shall change. */
export interface ViewChange {
  /** Given up, as the member confirms. */
  readonly released: readonly Place[];
  readonly toRevoke: readonly Place[];
  readonly granted: readonly Place[];
  /** Something was given anew by a seek, and the member does not know yet. */
  readonly untold: boolean;
}

/** Decides anew who shall own what; opens an epoch when that moves anything. */
export function retarget(step: Step): void {
  const { group } = step;
  pruneTopics(step);
  const topics = [...group.topics].sort(([left], [right]) => compareText(left, right));
  const targets = assignPartitions(
    [...group.members.values()].map(({ memberId, topics: wanted, target }) => ({
      memberId,
      topicIds: new Set(wanted.flatMap((topic) => group.topics.get(topic)?.topicId ?? [])),
      current: target,
    })),
    topics.map(([, { topicId, partitions }]) => ({ topicId, partitions })),
  );
  for (const member of group.members.values()) {
    const target: ReadonlyPartitionSet = targets.get(member.memberId) ?? new Map();
    if (samePartitions(target, member.target)) continue;
    member.target = target;
    step.epoch();
    step.touchMember(member);
  }
}

/** Forgets topics that nobody subscribes to and nobody owns a partition of. */
function pruneTopics(step: Step): void {
  const { topics, members, owners } = step.group;
  const subscribed = new Set([...members.values()].flatMap((member) => member.topics));
  for (const [topic, { topicId }] of topics) {
    if (subscribed.has(topic) || owners.has(topicId)) continue;
    topics.delete(topic);
    step.touchGroup();
  }
}

/**
 * How the member's view shall change, null when it stays. `owned`: what it says that it owns, null when it says nothing; only to be
 * given when it speaks of its present view (V2).
 */
export function viewChange(group: Group, member: Member, owned: ReadonlyPartitionSet | null): ViewChange | null {
  const released: Place[] = [];
  for (const [topicId, partition] of partitionEntries(member.revoking)) {
    if (owned !== null && !hasPartition(owned, topicId, partition)) released.push({ topicId, partition });
  }
  const toRevoke: Place[] = [];
  let untold = false;
  for (const [topicId, partition, epoch] of partitionEntries(member.assigned)) {
    if (!hasPartition(member.target, topicId, partition)) toRevoke.push({ topicId, partition });
    if (epoch > member.memberEpoch) untold = true;
  }
  const granted = grantable(group, member, owned);
  const same = released.length + toRevoke.length + granted.length === 0 && !untold;
  return same ? null : { released, toRevoke, granted, untold };
}

/** Partitions of the target that the member lacks and that are free, or become so by what it confirms. */
function grantable(group: Group, member: Member, owned: ReadonlyPartitionSet | null): Place[] {
  const granted: Place[] = [];
  for (const [topicId, partitions] of member.target) {
    for (const partition of partitions) {
      const owner = getPartition(group.owners, topicId, partition);
      const confirms = owned !== null && !hasPartition(owned, topicId, partition);
      const comesBack = owner === member.memberId && confirms && hasPartition(member.revoking, topicId, partition);
      if (owner === undefined || comesBack) granted.push({ topicId, partition });
    }
  }
  return granted;
}

/** Carries a change of view out. */
export function changeView(step: Step, member: Member, change: ViewChange): void {
  const { group } = step;
  for (const { topicId, partition } of change.released) {
    removePartition(member.revoking, topicId, partition);
    removePartition(group.owners, topicId, partition);
  }
  for (const { topicId, partition } of change.toRevoke) {
    const epoch = getPartition(member.assigned, topicId, partition);
    assert(epoch !== undefined, "only what is assigned is revoked");
    removePartition(member.assigned, topicId, partition);
    putPartition(member.revoking, topicId, partition, epoch);
  }
  for (const { topicId, partition } of change.granted) grant(step, member, topicId, partition);
  if (change.toRevoke.length > 0 || change.granted.length > 0 || change.untold) openView(step, member);
  member.revokingSinceMs = member.revoking.size === 0 ? null : (member.revokingSinceMs ?? step.nowMs);
  step.touchMember(member);
}

/** The member's answer carries a new epoch, whatever its view is. */
export function openView(step: Step, member: Member): void {
  const epoch = step.epoch();
  if (member.memberEpoch === epoch) return;
  member.previousEpoch = member.memberEpoch;
  member.memberEpoch = epoch;
  step.touchMember(member);
}

/** Gives the member a free partition, in this command's epoch. */
function grant(step: Step, member: Member, topicId: TopicId, partition: PartitionId): void {
  assert(getPartition(step.group.owners, topicId, partition) === undefined, "V1: only a free partition is given");
  putPartition(step.group.owners, topicId, partition, member.memberId);
  putPartition(member.assigned, topicId, partition, step.epoch());
}

/** Frees all that the member owns or is giving up. */
export function releaseAll(group: Group, member: Member): void {
  for (const partitions of [member.assigned, member.revoking]) {
    for (const [topicId, partition] of partitionEntries(partitions)) {
      assert(getPartition(group.owners, topicId, partition) === member.memberId, "G1: owners know who owns");
      removePartition(group.owners, topicId, partition);
    }
  }
}
