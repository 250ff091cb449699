/**
 * members.ts: who belongs to a group: joining, leaving, going away for a while, being replaced, expiring.
 *
 * Invariants, beside F1 and F2 of decide.ts:
 *   J1  who leaves or expires leaves nothing behind; its partitions are free at once
 *   J2  a member that comes back, under its own id or its static id, owns what it owned before, in a new epoch: nothing moves, and
 *       no commit of its earlier life is accepted
 */
import { assert } from "@varve/base";
import { AWAY_EPOCH, type ExpireCommand, type HeartbeatCommand, LEAVE_EPOCH } from "./commands.js";
import { type Decision, decide, sameTopics, subscription } from "./decide.js";
import { memberKey } from "./keys.js";
import { REPLACED_IDS_MAX } from "./limits.js";
import { type Group, type Member, openGroup, type Shard } from "./model.js";
import { changeView, openView, releaseAll, retarget, viewChange } from "./reconcile.js";
import type { GroupResult } from "./result.js";
import { Step } from "./step.js";
import { learnTopics } from "./topics.js";
import { answerOf } from "./views.js";

export function applyHeartbeat(shard: Shard, command: HeartbeatCommand): GroupResult {
  const decision = decide(shard, command);
  switch (decision.kind) {
    case "refused":
      return decision.refusal;
    case "answer":
      return answered(decision.group, decision.member, command);
    case "join":
      return join(new Step(shard, openGroup(shard, command.group), command.nowMs), command, decision.replaced);
    case "leave": {
      const step = new Step(shard, decision.group, command.nowMs);
      removeMembers(step, [decision.member]);
      return goodbye(decision.member, LEAVE_EPOCH);
    }
    case "away":
      decision.member.away = true;
      new Step(shard, decision.group, command.nowMs).touchMember(decision.member);
      return goodbye(decision.member, AWAY_EPOCH);
    default:
      return update(new Step(shard, decision.group, command.nowMs), command, decision);
  }
}

function join(step: Step, command: HeartbeatCommand, replaced: Member | null): GroupResult {
  const { group } = step;
  const topicsAreNew = learnTopics(step, command.metadata, command.metadataVersion);
  if (replaced !== null) forget(step, replaced);
  const member = newMember(command, replaced);
  group.members.set(member.memberId, member);
  if (member.staticId !== null) group.staticIds.set(member.staticId, member.memberId);
  group.emptySinceMs = null;
  openView(step, member);
  if (topicsAreNew || replaced === null || !sameTopics(replaced.topics, member.topics)) retarget(step);
  // What it owned before was freed with its earlier self, so it is given again at once, in this command's epoch (J2).
  const change = viewChange(group, member, null);
  if (change !== null) changeView(step, member, change);
  return answered(group, member, command);
}

function newMember(command: HeartbeatCommand, replaced: Member | null): Member {
  const { memberId, staticId, clientId, host, sessionTimeoutMs, rebalanceTimeoutMs, startFrom, nowMs } = command;
  const replacedIds = replaced === null ? [] : [...replaced.replacedIds, replaced.memberId];
  return {
    memberId,
    staticId,
    clientId,
    host,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    topics: subscription(command.topics ?? []),
    startFrom,
    joinedMs: nowMs,
    away: false,
    revokingSinceMs: null,
    memberEpoch: 0,
    previousEpoch: 0,
    target: replaced?.target ?? new Map(),
    assigned: new Map(),
    revoking: new Map(),
    replacedIds: replacedIds.filter((id) => id !== memberId).slice(-REPLACED_IDS_MAX),
  };
}

function update(
  step: Step,
  command: HeartbeatCommand,
  { group, member, owned }: Extract<Decision, { kind: "update" }>,
): GroupResult {
  const topicsAreNew = learnTopics(step, command.metadata, command.metadataVersion);
  const topics = command.topics === null ? member.topics : subscription(command.topics);
  const resubscribes = !sameTopics(topics, member.topics);
  const { clientId, host, sessionTimeoutMs, rebalanceTimeoutMs, startFrom } = command;
  Object.assign(member, { clientId, host, sessionTimeoutMs, rebalanceTimeoutMs, startFrom, topics });
  step.touchMember(member);
  if (topicsAreNew || resubscribes) retarget(step);
  const change = viewChange(group, member, owned);
  if (change !== null) changeView(step, member, change);
  return answered(group, member, command);
}

export function applyExpire(step: Step, command: ExpireCommand): GroupResult {
  const expired = [...new Set(command.memberIds)].flatMap((memberId) => step.group.members.get(memberId) ?? []);
  if (expired.length > 0) removeMembers(step, expired);
  return { ok: true, value: { kind: "expired", memberIds: expired.map(({ memberId }) => memberId) } };
}

/** J1. */
function removeMembers(step: Step, members: readonly Member[]): void {
  for (const member of members) forget(step, member);
  step.epoch();
  if (step.group.members.size > 0) retarget(step);
  step.settleIfEmpty();
}

function forget(step: Step, member: Member): void {
  const { group, shard } = step;
  releaseAll(group, member);
  const removed = group.members.delete(member.memberId);
  assert(removed, "a member is removed once");
  if (member.staticId !== null) group.staticIds.delete(member.staticId);
  shard.changedKeys.add(memberKey(group.name, member.memberId));
}

/** A full answer to whoever may not have the present view, or says what it owns. */
function answered(group: Group, member: Member, { memberEpoch, owned }: HeartbeatCommand): GroupResult {
  return { ok: true, value: answerOf(group, member, memberEpoch !== member.memberEpoch || owned !== null) };
}

function goodbye({ memberId }: Member, memberEpoch: number): GroupResult {
  return { ok: true, value: { kind: "heartbeat", memberId, memberEpoch, assignment: null, missingTopics: [] } };
}
