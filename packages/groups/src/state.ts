/**
 * state.ts: one shard of consumer groups: a fold over the committed commands, in log order, the same on every broker.
 *
 * Pure: no I/O, clock, randomness or logging. The log, its replication, session timers and metadata are the coordinator's.
 * Invariants, beside G1-G4 of model.ts, V1-V3 of reconcile.ts, F1-F2 of decide.ts, J1-J2 of members.ts, O1-O5 of offsets.ts:
 *   S1  equal commands at equal indexes lead to equal bytes of `encode()`, also when a state was decoded in between
 *   S4  `apply` never throws for what a command says; a refused command changes nothing but `appliedIndex`
 *   S5  entries applied to a store in the order of `takeChanges` are, after each call, the entries of the state
 */
import { assert, unreachable } from "@varve/base";
import { type OverdueMembers, overdueMembers, type TopicCatalogue, type TopicFinding, topicFindings } from "./audit.js";
import { groupNameRefusal } from "./check.js";
import type { CommitCommand, GroupCommand, Heartbeat, TopicPartitions } from "./commands.js";
import { decide } from "./decide.js";
import { SHARD_KEY } from "./keys.js";
import type { GroupLimits } from "./limits.js";
import { applyExpire, applyHeartbeat } from "./members.js";
import { emptyShard, type Group, removeGroup, type Shard } from "./model.js";
import { applyCommit, applySeek, commitRefusal, unknownGroupRefusal } from "./offsets.js";
import { compareText } from "./partition-map.js";
import { DONE, type GroupOutcome, type GroupResult, type HeartbeatAnswer, type Refusal, refuse } from "./result.js";
import {
  type Change,
  currentValue,
  decodeShard,
  type Entry,
  encodeShard,
  entriesOf,
  shardFromEntries,
} from "./snapshot.js";
import { Step } from "./step.js";
import { applyTopicsChanged } from "./topics.js";
import {
  type CommittedOffset,
  committedOffsets,
  type GroupDescription,
  type GroupView,
  groupView,
  type MemberView,
  memberViews,
  repeatedAnswer,
  subscribedTopics,
} from "./views.js";

/** What a heartbeat comes to without a command; "command": it changes something, propose it. */
export type HeartbeatVerdict = { readonly ok: true; readonly value: HeartbeatAnswer } | Refusal | "command";

export class GroupsState {
  private readonly shard: Shard;

  private constructor(shard: Shard) {
    this.shard = shard;
  }

  /** The state before the first command. */
  static empty(limits: GroupLimits): GroupsState {
    return new GroupsState(emptyShard(limits));
  }

  /** The state that `encode()` encoded. @throws VarveError DATA_DIR_UNUSABLE when it is damaged or of a newer version. */
  static decode(bytes: Uint8Array, limits: GroupLimits): GroupsState {
    return new GroupsState(decodeShard(bytes, limits));
  }

  /** The state whose changes were stored; of no entries the empty one. @throws VarveError DATA_DIR_UNUSABLE as `decode`. */
  static fromEntries(entries: Iterable<Entry>, limits: GroupLimits): GroupsState {
    return new GroupsState(shardFromEntries(entries, limits));
  }

  /** The whole state as bytes, equal for equal states: one section of a checkpoint. */
  encode(): Uint8Array {
    return encodeShard(this.shard);
  }

  /** The whole state as entries of a key-value store, sorted by key. */
  entries(): readonly Entry[] {
    return entriesOf(this.shard);
  }

  /** The entries that are other than when this was last asked, or the state was made; sorted by key. Memory: one key each. */
  takeChanges(): readonly Change[] {
    const keys = [...this.shard.changedKeys].sort(compareText);
    this.shard.changedKeys.clear();
    return keys.map((key): Change => [key, currentValue(this.shard, key)]);
  }

  /** Index of the last applied command; 0 before the first. */
  get appliedIndex(): number {
    return this.shard.appliedIndex;
  }

  /** Applies the next committed command. An index that was applied before is skipped: the log may overlap what was stored. */
  apply(command: GroupCommand, index: number): GroupOutcome {
    assert(Number.isSafeInteger(index) && index > 0, "an index is an integer >= 1");
    if (index <= this.shard.appliedIndex) return { ok: "skipped" };
    this.shard.appliedIndex = index;
    this.shard.changedKeys.add(SHARD_KEY);
    return this.dispatch(command);
  }

  private dispatch(command: GroupCommand): GroupResult {
    switch (command.kind) {
      case "heartbeat":
        return applyHeartbeat(this.shard, command);
      case "expire":
        return this.inGroup(command, (group) => applyExpire(new Step(this.shard, group, command.nowMs), command));
      case "topicsChanged":
        return this.inGroup(command, (group) =>
          applyTopicsChanged(new Step(this.shard, group, command.nowMs), command),
        );
      case "commit":
        return applyCommit(this.shard, command);
      case "seek":
        return applySeek(this.shard, command);
      case "deleteGroup":
        return this.inGroup(command, (group) => this.deleteGroup(group));
      default:
        return unreachable(command);
    }
  }

  private inGroup({ group: name }: { readonly group: string }, act: (group: Group) => GroupResult): GroupResult {
    const group = this.shard.groups.get(name);
    return groupNameRefusal(name) ?? (group === undefined ? unknownGroupRefusal(name) : act(group));
  }

  private deleteGroup(group: Group): GroupResult {
    const members = group.members.size;
    if (members > 0) {
      return refuse("GROUP_NOT_EMPTY", `group ${group.name} has ${members} members; stop them before you delete it`, {
        members,
      });
    }
    removeGroup(this.shard, group);
    return DONE;
  }

  /** Answers a heartbeat from the state if it changes nothing or is refused. The caller knows that the state is the latest. */
  heartbeat(request: Heartbeat): HeartbeatVerdict {
    const decision = decide(this.shard, request);
    if (decision.kind === "refused") return decision.refusal;
    if (decision.kind !== "answer") return "command";
    return { ok: true, value: repeatedAnswer(decision.group, decision.member, request) };
  }

  /** Whether a heartbeat changes something, so that it has to become a command. */
  needsCommand(request: Heartbeat): boolean {
    return this.heartbeat(request) === "command";
  }

  /** Why a commit would be refused at this moment; null: propose it. */
  commitRefusal(command: CommitCommand): Refusal | null {
    return commitRefusal(this.shard, command);
  }

  /** Members that should have given up partitions by now. */
  overdue(nowMs: number): readonly OverdueMembers[] {
    return overdueMembers(this.shard, nowMs);
  }

  /** In which groups topics are other than the catalogue has them; see `topicFindings` about deleted ones. */
  topicFindings(catalogue: TopicCatalogue): readonly TopicFinding[] {
    return topicFindings(this.shard, catalogue);
  }

  /** All groups, sorted by name. */
  groups(): readonly GroupView[] {
    return [...this.shard.groups.values()].map(groupView).sort((left, right) => compareText(left.group, right.group));
  }

  /** The group's members, sorted by id; none when there is no such group. */
  members(group: string): readonly MemberView[] {
    const known = this.shard.groups.get(group);
    return known === undefined ? [] : memberViews(known);
  }

  /** null: there is no such group. */
  describe(group: string): GroupDescription | null {
    const known = this.shard.groups.get(group);
    if (known === undefined) return null;
    return { ...groupView(known), members: memberViews(known), topics: subscribedTopics(known) };
  }

  /** What was last committed, of `wanted` or of everything; partitions without a commit are left out. */
  offsets(group: string, wanted: readonly TopicPartitions[] | null = null): readonly CommittedOffset[] {
    const known = this.shard.groups.get(group);
    return known === undefined ? [] : committedOffsets(known, wanted);
  }
}
