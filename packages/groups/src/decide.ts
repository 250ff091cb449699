/**
 * decide.ts: what a heartbeat means to the group as it is: refused, answered as it is, or a change. Reads only, so the same rules
 * answer a heartbeat without a command and judge a command when its turn in the log comes.
 *
 * Invariants (KIP-848, "Member epoch and fencing"; KIP-345):
 *   F1  a member acts only with the epoch of its last answer. With the one before it gets that answer again, provided that it claims
 *       nothing beyond what it had; with any other it is fenced
 *   F2  of the members that name one static id the last that joined is the one; all before it hear FENCED_INSTANCE
 */

import { heartbeatRefusal } from "./check.js";
import { AWAY_EPOCH, type Heartbeat, JOIN_EPOCH, LEAVE_EPOCH } from "./commands.js";
import type { Group, Member, Shard } from "./model.js";
import { compareText, hasPartition, partitionSetOf, type ReadonlyPartitionSet } from "./partition-map.js";
import { viewChange } from "./reconcile.js";
import { type Refusal, refuse } from "./result.js";

export type Decision =
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** Nothing changes. */
  | { readonly kind: "answer"; readonly group: Group; readonly member: Member }
  /** `replaced`: the same member before, or the one whose static id this one takes over; null: a new one. */
  | { readonly kind: "join"; readonly replaced: Member | null }
  | { readonly kind: "leave"; readonly group: Group; readonly member: Member }
  | { readonly kind: "away"; readonly group: Group; readonly member: Member }
  /** `owned`: what the member says that it owns at its present view. */
  | {
      readonly kind: "update";
      readonly group: Group;
      readonly member: Member;
      readonly owned: ReadonlyPartitionSet | null;
    };

export function decide(shard: Shard, request: Heartbeat): Decision {
  const bad = heartbeatRefusal(request, shard.limits);
  if (bad !== null) return refused(bad);
  const group = shard.groups.get(request.group);
  if (request.memberEpoch === JOIN_EPOCH) return decideJoin(shard, group, request);
  const member = group?.members.get(request.memberId);
  if (group === undefined || member === undefined) return refused(strangerRefusal(group, request));
  if (member.staticId !== request.staticId) return refused(staticIdRefusal(member));
  if (request.memberEpoch === LEAVE_EPOCH) return { kind: "leave", group, member };
  if (request.memberEpoch === AWAY_EPOCH) return { kind: member.away ? "answer" : "away", group, member };
  return decideUpdate(group, member, request);
}

function decideUpdate(group: Group, member: Member, request: Heartbeat): Decision {
  const owned = request.owned === null ? null : partitionSetOf(request.owned);
  if (member.away || request.memberEpoch !== member.memberEpoch) {
    const repeats = !member.away && request.memberEpoch === member.previousEpoch && claimsNoMore(member, owned);
    return repeats ? { kind: "answer", group, member } : refused(epochRefusal(member, request.memberEpoch));
  }
  const same = saysTheSame(member, request) && viewChange(group, member, owned) === null;
  return same ? { kind: "answer", group, member } : { kind: "update", group, member, owned };
}

function decideJoin(shard: Shard, group: Group | undefined, request: Heartbeat): Decision {
  const { groupsMax, membersPerGroupMax } = shard.limits;
  if (group === undefined) {
    if (shard.groups.size < groupsMax) return { kind: "join", replaced: null };
    return refused(groupsFullRefusal(groupsMax));
  }
  const known = group.members.get(request.memberId);
  if (known !== undefined) {
    if (known.staticId !== request.staticId) return refused(staticIdRefusal(known));
    const repeats = !known.away && known.previousEpoch === 0 && saysTheSame(known, request);
    return repeats ? { kind: "answer", group, member: known } : { kind: "join", replaced: known };
  }
  if (wasReplaced(group, request.memberId)) return refused(strangerRefusal(group, request));
  const before = request.staticId === null ? undefined : group.staticIds.get(request.staticId);
  if (before !== undefined) return { kind: "join", replaced: group.members.get(before) ?? null };
  if (group.members.size < membersPerGroupMax) return { kind: "join", replaced: null };
  return refused(
    refuse("BROKER_OVERLOADED", `group ${group.name} has ${membersPerGroupMax} members, as many as it may have`, {
      membersPerGroupMax,
    }),
  );
}

export function groupsFullRefusal(groupsMax: number): Refusal {
  return refuse("BROKER_OVERLOADED", `this coordinator has ${groupsMax} groups, as many as it may have; delete some`, {
    groupsMax,
  });
}

/** Why somebody who is no member is refused. */
export function strangerRefusal(
  group: Group | undefined,
  { group: name, memberId, staticId = null }: { group: string; memberId: string; staticId?: string | null },
): Refusal {
  const other = staticId === null ? undefined : group?.staticIds.get(staticId);
  if (group !== undefined && (other !== undefined || wasReplaced(group, memberId))) {
    return refuse(
      "FENCED_INSTANCE",
      `member ${memberId} of group ${name} was replaced by a newer one with the same static id; give each running instance its own`,
    );
  }
  return refuse(
    "UNKNOWN_MEMBER",
    `group ${name} has no member ${memberId}: it left or its session timed out; join again`,
  );
}

export function epochRefusal(member: Member, memberEpoch: number): Refusal {
  return refuse(
    "FENCED_MEMBER",
    `member ${member.memberId} came with epoch ${memberEpoch}, its epoch is ${member.memberEpoch}; drop the partitions and join again`,
    { memberEpoch: member.memberEpoch },
  );
}

function staticIdRefusal(member: Member): Refusal {
  return refuse(
    "INVALID_ARGUMENT",
    `member ${member.memberId} cannot change its static id; join under another member id`,
  );
}

function wasReplaced(group: Group, memberId: string): boolean {
  for (const holder of group.staticIds.values()) {
    if (group.members.get(holder)?.replacedIds.includes(memberId) === true) return true;
  }
  return false;
}

function claimsNoMore(member: Member, owned: ReadonlyPartitionSet | null): boolean {
  for (const [topicId, partitions] of owned ?? []) {
    for (const partition of partitions) {
      const had =
        hasPartition(member.assigned, topicId, partition) || hasPartition(member.revoking, topicId, partition);
      if (!had) return false;
    }
  }
  return true;
}

/** Whether nothing of what the member says about itself is new. */
function saysTheSame(member: Member, request: Heartbeat): boolean {
  const { clientId, host, sessionTimeoutMs, rebalanceTimeoutMs, startFrom, topics } = request;
  return (
    member.clientId === clientId &&
    member.host === host &&
    member.sessionTimeoutMs === sessionTimeoutMs &&
    member.rebalanceTimeoutMs === rebalanceTimeoutMs &&
    member.startFrom === startFrom &&
    (topics === null || sameTopics(member.topics, subscription(topics)))
  );
}

/** Topics as a member keeps them: sorted, each once. */
export function subscription(topics: readonly string[]): readonly string[] {
  return [...new Set(topics)].sort(compareText);
}

export function sameTopics(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((topic, at) => topic === right[at]);
}

function refused(refusal: Refusal): Decision {
  return { kind: "refused", refusal };
}
