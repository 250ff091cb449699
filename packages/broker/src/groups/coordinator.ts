/**
 * coordinator.ts: one shard of consumer groups on its replica: commands through the log, answers after they are applied, and what only the
 * leader does: session timeouts, telling members that something changed for them, taking over changes of topics.
 *
 * Invariants:
 *   C1  state is a function of the committed commands, in order; nothing else changes it
 *   C2  what is answered is committed: a command's result after it was applied, a read after a quorum confirmed this leader
 *   C3  a heartbeat that changes nothing costs no entry in the log
 *   C4  a leader takes members for dead only after a whole session timeout of its own leadership
 */
import type { BrokerId, Clock, GroupId, KeyValue, Logger, Term, VarveError } from "@varve/base";
import {
  type CommitCommand,
  type CommittedOffset,
  type CommittedPartition,
  decodeCommand,
  encodeCommand,
  expectValue,
  GROUP_LIMITS,
  type GroupCommand,
  type GroupDescription,
  type GroupOutcome,
  GroupsState,
  type GroupView,
  type Heartbeat,
  type HeartbeatAnswer,
  LEAVE_EPOCH,
  refusalError,
  type SeekCommand,
  type TopicCatalogue,
} from "@varve/groups";
import { type Frame, FrameKind, type GroupLog, type LogSnapshot } from "@varve/storage";
import { CommandLog } from "../replica/command-log.js";
import type { Replica, Role, StateMachine } from "../replica/replica.js";
import * as errors from "./errors.js";
import { Materialised } from "./materialised.js";
import { MemberWatch } from "./member-watch.js";
import { SessionClock } from "./session-clock.js";

/** Tag of a shard's section in checkpoints. */
export const GROUPS_SECTION = 17;

export interface CoordinatorOptions {
  readonly shard: number;
  readonly log: GroupLog;
  readonly store: KeyValue;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The cluster's time, milliseconds since 1970. */
  readonly nowMs: () => number;
  /** Topics as this broker's metadata has them. */
  readonly catalogue: () => TopicCatalogue;
  /** Brings that metadata up to what the controller has committed; false when that was not possible. */
  readonly refreshCatalogue: () => Promise<boolean>;
  readonly brokerOf: (replicaId: number) => BrokerId | null;
  readonly onRole: (groupId: GroupId, role: Role) => void;
}

/** A whole group, and how far it is. */
export interface DescribedGroup extends GroupDescription {
  readonly offsets: readonly CommittedOffset[];
}

export class Coordinator implements StateMachine {
  readonly log: GroupLog;
  readonly shard: number;
  private readonly options: CoordinatorOptions;
  private readonly materialised: Materialised;
  private readonly commands: CommandLog<GroupOutcome>;
  private readonly sessions = new SessionClock();
  private readonly watch: MemberWatch;
  private readonly touched = new Set<string>();
  /** Groups with an expiry under way. */
  private readonly expiring = new Set<string>();
  private state: GroupsState;
  private replica: Replica | null = null;
  private auditing = false;
  private auditDue = false;

  constructor(options: CoordinatorOptions) {
    const { log, shard, store, clock, logger } = options;
    this.options = options;
    this.log = log;
    this.shard = shard;
    this.watch = new MemberWatch(clock);
    this.commands = new CommandLog(clock, {
      notLeader: () => errors.notCoordinator(shard, this.otherLeader()),
      overloaded: (pendingMax) => errors.overloaded(shard, pendingMax),
      unknown: () => errors.commandUnknown(),
    });
    this.materialised = new Materialised({ store, groupId: log.spec.groupId, clock, logger });
    this.state = this.restore();
    for (const frame of log.recoveredFrames) this.applyFrame(frame);
    this.touched.clear();
    log.setSectionSource(() => [{ tag: GROUPS_SECTION, bytes: this.state.encode() }]);
  }

  attach(replica: Replica): void {
    this.replica = replica;
  }

  /** The epoch this replica leads in and serves in, or null. */
  servingEpoch(): Term | null {
    return this.replica?.isReadyLeader() ? this.replica.node.term : null;
  }

  leader(): BrokerId | null {
    const id = this.replica?.leader ?? 0;
    return id === 0 ? null : this.options.brokerOf(id);
  }

  epoch(): Term {
    return this.replica?.node.term ?? 0;
  }

  /**
   * What a member says, and what it is told. `isAlive`: it spoke itself, its session begins anew; otherwise somebody asks in its name
   * what has changed.
   * @throws VarveError of the group's rules (UNKNOWN_MEMBER, FENCED_MEMBER, FENCED_INSTANCE, ...), NOT_LEADER, COMMIT_UNKNOWN.
   */
  async heartbeat(request: Heartbeat, isAlive: boolean): Promise<HeartbeatAnswer> {
    this.requireServing();
    const answer = this.answerNow(request) ?? (await this.change(request));
    if (answer.memberEpoch === LEAVE_EPOCH) this.sessions.forget(request.group, request.memberId);
    else if (isAlive)
      this.sessions.heard(request.group, answer.memberId, request.sessionTimeoutMs, this.options.clock.monotonicMs());
    return answer;
  }

  private answerNow(request: Heartbeat): HeartbeatAnswer | null {
    const verdict = this.state.heartbeat(request);
    if (verdict === "command") return null;
    if (!verdict.ok) throw refusalError(verdict);
    return verdict.value;
  }

  private async change(request: Heartbeat): Promise<HeartbeatAnswer> {
    const catalogue = this.options.catalogue();
    const metadata = (request.topics ?? []).flatMap((topic) => catalogue.byName(topic) ?? []);
    const { version: metadataVersion } = catalogue;
    const command = { ...request, kind: "heartbeat" as const, nowMs: this.options.nowMs(), metadata, metadataVersion };
    return expectValue(await this.execute(command), "heartbeat");
  }

  /** Resolves when a heartbeat of this member would tell it something new or refuse it, after `waitMs`, or when this leads no more. */
  async awaitChange(request: Heartbeat, waitMs: number, signal: AbortSignal): Promise<void> {
    this.requireServing();
    await this.watch.wait(request, waitMs, signal, () => this.hasNews(request));
  }

  private hasNews(request: Heartbeat): boolean {
    const verdict = this.state.heartbeat(request);
    return verdict === "command" || !verdict.ok || verdict.value.memberEpoch !== request.memberEpoch;
  }

  /** @throws VarveError STALE_ASSIGNMENT, FENCED_MEMBER, UNKNOWN_MEMBER, GROUP_NOT_EMPTY, ...: nothing was committed. */
  async commit(request: Omit<CommitCommand, "kind" | "nowMs">): Promise<readonly CommittedPartition[]> {
    this.requireServing();
    const command: CommitCommand = { ...request, kind: "commit", nowMs: this.options.nowMs() };
    const refusal = this.state.commitRefusal(command);
    if (refusal !== null) throw refusalError(refusal);
    return expectValue(await this.execute(command), "offsets").offsets;
  }

  async seek(request: Omit<SeekCommand, "kind" | "nowMs">): Promise<readonly CommittedPartition[]> {
    const command = { ...request, kind: "seek" as const, nowMs: this.options.nowMs() };
    return expectValue(await this.execute(command), "offsets").offsets;
  }

  async deleteGroup(group: string): Promise<void> {
    expectValue(await this.execute({ kind: "deleteGroup", group }), "done");
  }

  /** All of the group's offsets; null: there is no such group. Linearizable. */
  async offsets(group: string): Promise<readonly CommittedOffset[] | null> {
    await this.confirm();
    return this.state.describe(group) === null ? null : this.state.offsets(group);
  }

  /** Linearizable. */
  async list(): Promise<readonly GroupView[]> {
    await this.confirm();
    return this.state.groups();
  }

  /** Null: there is no such group. Linearizable. */
  async describe(group: string): Promise<DescribedGroup | null> {
    await this.confirm();
    return this.describeNow(group);
  }

  private describeNow(group: string): DescribedGroup | null {
    const description = this.state.describe(group);
    return description === null ? null : { ...description, offsets: this.state.offsets(group) };
  }

  /** The first `max` groups by name, as applied here: for figures, since no quorum is asked. None unless this leads and serves. */
  describeFirst(max: number): { readonly groups: readonly DescribedGroup[]; readonly total: number } {
    if (this.servingEpoch() === null) return { groups: [], total: 0 };
    const all = this.state.groups();
    return { groups: all.slice(0, max).flatMap(({ group }) => this.describeNow(group) ?? []), total: all.length };
  }

  /** Groups, members and sessions here, for gauges. */
  counts(): { readonly groups: number; readonly members: number } {
    let members = 0;
    const groups = this.state.groups();
    for (const { memberCount } of groups) members += memberCount;
    return { groups: groups.length, members };
  }

  /** Called again and again: removes members whose time is over. */
  sweep(nowMs: number): void {
    if (this.servingEpoch() === null) return;
    const silent = new Map<string, string[]>();
    for (const { group, memberId } of this.sessions.silent(nowMs))
      silent.set(group, [...(silent.get(group) ?? []), memberId]);
    for (const [group, memberIds] of silent) this.expire(group, memberIds);
    for (const { group, memberIds } of this.state.overdue(this.options.nowMs())) this.expire(group, memberIds);
  }

  private expire(group: string, memberIds: readonly string[]): void {
    if (this.expiring.has(group)) return;
    this.expiring.add(group);
    this.execute({ kind: "expire", group, memberIds, nowMs: this.options.nowMs() })
      .then(() => {
        for (const memberId of memberIds) this.sessions.forget(group, memberId);
        this.options.logger.info({ group, memberIds }, "members of a group were taken for dead");
      })
      .catch((error: VarveError) => this.options.logger.debug({ err: error, group }, "an expiry is tried again"))
      .finally(() => this.expiring.delete(group));
  }

  /** The cluster's topics have changed. */
  topicsChanged(): void {
    this.auditDue = true;
    if (this.auditing || this.servingEpoch() === null) return;
    this.auditing = true;
    this.audit()
      .catch((error: VarveError) =>
        this.options.logger.debug({ err: error, shard: this.shard }, "topics of groups are looked at again"),
      )
      .finally(() => {
        this.auditing = false;
        if (this.auditDue && this.servingEpoch() !== null)
          this.options.clock.setTimer(AUDIT_AGAIN_MS, () => this.topicsChanged());
      });
  }

  /** A topic that is not known here may only be new: nothing is forgotten before the controller's leader was asked. */
  private async audit(): Promise<void> {
    this.auditDue = false;
    let catalogue = this.options.catalogue();
    let findings = this.state.topicFindings(catalogue);
    if (findings.some(({ topics, deletedTopicIds }) => deletedTopicIds.length > 0 || topics.some(isDeleted))) {
      if (!(await this.options.refreshCatalogue())) {
        this.auditDue = true;
        return;
      }
      catalogue = this.options.catalogue();
      findings = this.state.topicFindings(catalogue);
    }
    for (const finding of findings) {
      const command = {
        ...finding,
        kind: "topicsChanged" as const,
        metadataVersion: catalogue.version,
        nowMs: this.options.nowMs(),
      };
      await this.execute(command);
    }
  }

  // StateMachine

  apply(frames: readonly Frame[]): void {
    for (const frame of frames) this.commands.settle(frame, this.applyFrame(frame));
  }

  applied(): void {
    if (this.touched.size === 0) return;
    this.materialised.changed();
    for (const group of this.touched) this.watch.groupChanged(group);
    this.touched.clear();
  }

  durable(): void {}

  reset(snapshot: LogSnapshot): void {
    this.state = this.fromSections(snapshot.sections);
    this.followFromHere();
    this.commands.abandon();
    this.watch.wakeAll();
  }

  roleChanged(role: Role): void {
    this.sessions.clear();
    if (role.kind === "follower") {
      this.commands.lostLeadership();
      this.watch.wakeAll();
    } else if (role.ready) {
      this.beginSessions(); // C4
      this.topicsChanged();
    }
    this.options.onRole(this.log.spec.groupId, role);
  }

  /** Ends every wait. The store has all that was applied when this resolves. */
  async close(): Promise<void> {
    this.commands.abandon();
    this.watch.close();
    await this.materialised.close();
  }

  /** Ends every wait, as the end of the process does: nothing more goes to the store. */
  abandon(): void {
    this.commands.abandon();
    this.watch.close();
    this.materialised.abandon();
  }

  private beginSessions(): void {
    const nowMs = this.options.clock.monotonicMs();
    for (const { group } of this.state.groups())
      for (const { memberId, sessionTimeoutMs } of this.state.members(group))
        this.sessions.heard(group, memberId, sessionTimeoutMs, nowMs);
  }

  private execute(command: GroupCommand): Promise<GroupOutcome> {
    return this.commands.execute(this.replica, encodeCommand(command));
  }

  private applyFrame(frame: Frame): GroupOutcome | null {
    if (frame.kind !== FrameKind.state) return null;
    if (frame.index <= this.state.appliedIndex) return { ok: "skipped" };
    const command = decodeCommand(frame.data);
    this.touched.add(command.group);
    return this.state.apply(command, frame.index);
  }

  private async confirm(): Promise<void> {
    this.requireServing();
    if ((await this.replica?.readIndex()) == null) throw errors.notCoordinator(this.shard, this.otherLeader());
  }

  private requireServing(): void {
    if (this.servingEpoch() === null) throw errors.notCoordinator(this.shard, this.otherLeader());
  }

  private otherLeader(): BrokerId | null {
    return this.replica?.isLeader() ? null : this.leader();
  }

  /** The newer of the store and the checkpoint; the frames above follow. */
  private restore(): GroupsState {
    const { log, logger } = this.options;
    const framesFrom = log.recoveredFrames[0]?.index ?? log.pointers().appliedIndex + 1;
    try {
      const stored = GroupsState.fromEntries(this.materialised.entries(), GROUP_LIMITS);
      if (stored.appliedIndex >= framesFrom - 1) {
        this.materialised.follow(stored, true);
        return stored;
      }
    } catch (error) {
      logger.warn({ err: error, shard: this.shard }, "materialised group state is damaged; it is made anew");
    }
    this.state = this.fromSections(log.recoveredSections);
    this.followFromHere();
    return this.state;
  }

  private fromSections(sections: LogSnapshot["sections"]): GroupsState {
    const section = sections.find(({ tag }) => tag === GROUPS_SECTION);
    return section === undefined ? GroupsState.empty(GROUP_LIMITS) : GroupsState.decode(section.bytes, GROUP_LIMITS);
  }

  private followFromHere(): void {
    this.materialised.follow(this.state, false);
  }
}

const AUDIT_AGAIN_MS = 500;

function isDeleted({ topicId }: { readonly topicId: string | null }): boolean {
  return topicId === null;
}
