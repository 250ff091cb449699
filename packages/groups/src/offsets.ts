/**
 * offsets.ts: commits, and live seeks of a whole group.
 *
 * Invariants:
 *   O1  a command is accepted as a whole or changes nothing at all
 *   O2  a member commits only to what it owns, or is still giving up, under the very epoch at which it was given (reliability C2)
 *   O3  who names no assignment epoch commits only to what was given to it at or before the member epoch that it names (KIP-1251)
 *   O4  a member never lowers a committed offset: of two commits that overtook each other the higher stays, and the answer says so.
 *       Only a seek, or an administrator while the group is empty, goes back
 *   O5  a seek gives every partition that it touches a new epoch: nothing that was in work before it can be committed after it
 */
import type { PartitionId, TopicId } from "@varve/base";
import { groupNameRefusal, noteRefusal, offsetsRefusal } from "./check.js";
import type { CommitCommand, OffsetCommit, SeekCommand } from "./commands.js";
import { epochRefusal, groupsFullRefusal, strangerRefusal } from "./decide.js";
import { type Committed, type Group, type Member, openGroup, putOffset, type Shard } from "./model.js";
import { getPartition, hasPartition, type PartitionMap, putPartition } from "./partition-map.js";
import { type CommittedPartition, type GroupResult, type Refusal, refuse } from "./result.js";
import { Step } from "./step.js";

export function applyCommit(shard: Shard, command: CommitCommand): GroupResult {
  const refusal = commitRefusal(shard, command);
  if (refusal !== null) return refusal;
  if (command.offsets.length === 0) return { ok: true, value: { kind: "offsets", offsets: [] } };
  const group = openGroup(shard, command.group);
  const byMember = command.memberId !== null;
  const offsets = command.offsets.map((commit): CommittedPartition => {
    const { topicId, partition, offset, leaderEpoch, metadata } = commit;
    const known = getPartition(group.offsets, topicId, partition);
    if (byMember && known !== undefined && known.offset > offset) return { topicId, partition, offset: known.offset };
    putOffset(shard, group, topicId, partition, { offset, leaderEpoch, metadata, committedMs: command.nowMs });
    return { topicId, partition, offset };
  });
  return { ok: true, value: { kind: "offsets", offsets } };
}

/** Why the whole commit is refused (O1); null when it is accepted. */
export function commitRefusal(shard: Shard, command: CommitCommand): Refusal | null {
  const { group: name, memberId, offsets } = command;
  const bad = groupNameRefusal(name) ?? offsetsRefusal(offsets);
  if (bad !== null) return bad;
  for (const { metadata } of offsets) {
    const tooLarge = noteRefusal(metadata, shard.limits);
    if (tooLarge !== null) return tooLarge;
  }
  const group = shard.groups.get(name);
  const stranger = memberId === null ? adminRefusal(shard, group) : memberRefusal(group, memberId, command);
  return stranger ?? roomRefusal(shard, group, offsets);
}

function adminRefusal(shard: Shard, group: Group | undefined): Refusal | null {
  const { groupsMax } = shard.limits;
  if (group === undefined) return shard.groups.size < groupsMax ? null : groupsFullRefusal(groupsMax);
  if (group.members.size === 0) return null;
  return refuse(
    "GROUP_NOT_EMPTY",
    `group ${group.name} has ${group.members.size} members: only they commit; seek moves a running group`,
    { members: group.members.size },
  );
}

function memberRefusal(group: Group | undefined, memberId: string, command: CommitCommand): Refusal | null {
  const member = group?.members.get(memberId);
  if (group === undefined || member === undefined) return strangerRefusal(group, { group: command.group, memberId });
  const { memberEpoch } = command;
  if (member.away || memberEpoch > member.memberEpoch || memberEpoch < 1) return epochRefusal(member, memberEpoch);
  const liveTopicIds = new Set([...group.topics.values()].map(({ topicId }) => topicId));
  for (const commit of command.offsets) {
    if (liveTopicIds.has(commit.topicId) && isCurrent(member, commit, memberEpoch)) continue;
    return staleRefusal(group, member, commit);
  }
  return null;
}

/** O2, O3. */
function isCurrent(member: Member, commit: OffsetCommit, memberEpoch: number): boolean {
  const { topicId, partition, assignmentEpoch } = commit;
  const given = getPartition(member.assigned, topicId, partition) ?? getPartition(member.revoking, topicId, partition);
  if (given === undefined) return false;
  return assignmentEpoch === null ? given <= memberEpoch : given === assignmentEpoch;
}

function staleRefusal(group: Group, member: Member, { topicId, partition, assignmentEpoch }: OffsetCommit): Refusal {
  const epoch = getPartition(member.assigned, topicId, partition) ?? null;
  const why = epoch === null ? "it is not assigned to the member" : `it was given to the member anew at epoch ${epoch}`;
  return refuse(
    "STALE_ASSIGNMENT",
    `partition ${partition} of topic ${topicId} in group ${group.name} at epoch ${assignmentEpoch}: ${why}; nothing was committed`,
    { topicId, partition, assignmentEpoch: epoch },
  );
}

function roomRefusal(
  { limits: { offsetsPerGroupMax } }: Shard,
  group: Group | undefined,
  offsets: readonly { readonly topicId: TopicId; readonly partition: PartitionId }[],
): Refusal | null {
  const count = group?.offsetCount ?? 0;
  if (count + offsets.length <= offsetsPerGroupMax) return null;
  const added = new Set<string>();
  for (const { topicId, partition } of offsets)
    if (group === undefined || !hasPartition(group.offsets, topicId, partition)) added.add(`${topicId}/${partition}`);
  if (count + added.size <= offsetsPerGroupMax) return null;
  return refuse("BROKER_OVERLOADED", `a group has at most ${offsetsPerGroupMax} committed offsets`, {
    offsetsPerGroupMax,
  });
}

export function applySeek(shard: Shard, command: SeekCommand): GroupResult {
  const bad = groupNameRefusal(command.group) ?? offsetsRefusal(command.offsets);
  if (bad !== null) return bad;
  const group = shard.groups.get(command.group);
  if (group === undefined) return unknownGroupRefusal(command.group);
  const full = roomRefusal(shard, group, command.offsets);
  if (full !== null) return full;
  const step = new Step(shard, group, command.nowMs);
  for (const { topicId, partition, offset } of command.offsets) {
    const committed: Committed = { offset, leaderEpoch: null, metadata: "", committedMs: command.nowMs };
    putOffset(shard, group, topicId, partition, committed);
    giveAnew(step, topicId, partition);
  }
  const offsets = command.offsets.map(({ topicId, partition, offset }) => ({ topicId, partition, offset }));
  return { ok: true, value: { kind: "offsets", offsets } };
}

/** O5: the owner keeps the partition under a new epoch; it hears of it at its next heartbeat. */
function giveAnew(step: Step, topicId: TopicId, partition: PartitionId): void {
  const owner = getPartition(step.group.owners, topicId, partition);
  const member = owner === undefined ? undefined : step.group.members.get(owner);
  if (member === undefined) return;
  const renew = (given: PartitionMap<number>): void => {
    if (hasPartition(given, topicId, partition)) putPartition(given, topicId, partition, step.epoch());
  };
  renew(member.assigned);
  renew(member.revoking);
  step.touchMember(member);
}

export function unknownGroupRefusal(group: string): Refusal {
  return refuse("UNKNOWN_GROUP", `there is no group ${group}: it has no members and has committed nothing`);
}
