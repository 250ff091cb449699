/**
 * raw-node.ts: one member of one Raft group, as hosts see it. Pure and synchronous: no I/O, clock or randomness.
 *
 * The host calls `tick`, `step` and `propose`; whenever `hasReady()`, it takes `ready()` and does what that says.
 * Invariants:
 *   N1  every entry and snapshot that comes out was made by the host (createEntry, storage, stepped messages), so it
 *       has the host's own type: the casts at this boundary rely on it
 */
import { assert } from "./assert.js";
import { confChangeEntry, decodeConfChange, isSingleStep } from "./core/confchange-codec.js";
import { startOwnElection } from "./core/election.js";
import { passTransfer } from "./core/follower.js";
import { reportSnapshot, reportUnreachable, startTransfer } from "./core/leader.js";
import { applyConfChange, restoreConfiguration } from "./core/membership.js";
import { isLocalTarget, isResponse, isStorageMessage } from "./core/messages.js";
import { confChangeRefusal, propose } from "./core/proposals.js";
import { requestRead } from "./core/read-index.js";
import { ReadyMaker } from "./core/ready.js";
import { sendAllAppends } from "./core/replication.js";
import { becomeFollower } from "./core/roles.js";
import { RaftState } from "./core/state.js";
import { step } from "./core/step.js";
import { tick } from "./core/tick.js";
import { ProposalDropped } from "./errors.js";
import type {
  ConfChange,
  ConfChangeV2,
  ConfState,
  Entry,
  Message,
  NodeState,
  ProgressView,
  ProposedEntry,
  RaftConfig,
  ReadContext,
  Ready,
  Snapshot,
  Status,
} from "./types.js";

/**
 * What became of a stepped message. "local-message": it pretends to come from this node's storage. "peer-not-found":
 * an answer of a node that is no member (any more). "proposal-dropped": it was passed on here, and entered no log.
 * All are normal; nothing has changed.
 */
export type StepOutcome = "stepped" | "local-message" | "peer-not-found" | "proposal-dropped";

export class RawNode<E extends Entry = Entry, S extends Snapshot = Snapshot, P extends ProposedEntry = ProposedEntry> {
  private readonly raft: RaftState;
  private readonly readyMaker: ReadyMaker;

  /** A node that continues from `config.storage`, as a follower. @throws ConfChangeError: its membership is none. */
  constructor(config: RaftConfig<E, S, P>) {
    const raft = new RaftState(config as unknown as RaftConfig); // N1
    this.raft = raft;
    const { hardState, confState } = config.storage.initialState();
    restoreConfiguration(raft, confState);
    raft.resume(hardState);
    becomeFollower(raft, raft.term, 0);
    this.readyMaker = new ReadyMaker(raft);
  }

  get id(): number {
    return this.raft.id;
  }

  get term(): number {
    return this.raft.term;
  }

  /** Whom this node voted for in this term; 0: nobody. */
  get vote(): number {
    return this.raft.vote;
  }

  get state(): NodeState {
    return this.raft.state;
  }

  /** The leader of this term; 0: unknown. */
  get leader(): number {
    return this.raft.leader;
  }

  get commit(): number {
    return this.raft.log.committed;
  }

  get applied(): number {
    return this.raft.log.applied;
  }

  get lastIndex(): number {
    return this.raft.log.lastIndex();
  }

  /** Whether an entry of this term is committed: from then on a leader knows all that its predecessors committed. */
  get committedInTerm(): boolean {
    return this.raft.committedInTerm();
  }

  /** Whom leadership is being handed to; 0: nobody. */
  get transferee(): number {
    return this.raft.transferee;
  }

  /** The membership in force. */
  get confState(): ConfState {
    return this.raft.config;
  }

  /** Every other member, learners too, ascending. */
  peers(): readonly number[] {
    return this.raft.memberIds.filter((id) => id !== this.raft.id);
  }

  /** A live view of what is known of a member; null: no member. Meaningful only on a leader. */
  progress(id: number): ProgressView | null {
    return this.raft.progress.get(id) ?? null;
  }

  status(): Status {
    const { raft } = this;
    const progress = new Map<number, ProgressView>();
    if (raft.state === "leader") for (const id of raft.memberIds) progress.set(id, copyOf(raft.progress.get(id)));
    return {
      id: raft.id,
      state: raft.state,
      leader: raft.leader,
      hardState: raft.hardState(),
      applied: raft.log.applied,
      firstIndex: raft.log.firstIndex(),
      lastIndex: raft.log.lastIndex(),
      transferee: raft.transferee,
      confState: raft.config,
      progress,
    };
  }

  /** One tick of the host's clock has passed. */
  tick(): void {
    tick(this.raft);
  }

  /** Stands for election without waiting for the timeout; asks first if `preVote` is set. */
  campaign(): void {
    startOwnElection(this.raft);
  }

  /** A message arrived: from another node, or a response of this node's own storage. */
  step(message: Message<E, S>): StepOutcome {
    const fromStorage = isLocalTarget(message.from);
    if (isStorageMessage(message.type) && !fromStorage) return "local-message";
    if (isResponse(message.type) && !fromStorage && !this.raft.progress.has(message.from)) return "peer-not-found";
    try {
      step(this.raft, message);
      return "stepped";
    } catch (error) {
      if (error instanceof ProposalDropped) return "proposal-dropped";
      throw error;
    }
  }

  /**
   * Appends entries to the leader's log; a follower passes them on, unless that is turned off. They are committed once
   * they are applied at the place they got with the term they got; if another term is applied there, they are lost.
   * @throws ProposalDropped: they entered no log.
   */
  propose(entries: readonly (P | ProposedEntry)[]): void {
    propose(this.raft, entries);
  }

  /**
   * Proposes a change of the membership, like `propose`. One change at a time: while another may not be applied, and
   * against a configuration that it does not fit, a leader refuses it. (A refused change that was proposed as an entry,
   * or passed on by a follower, enters the log as an empty entry.)
   * @throws ProposalDropped: it entered no log.
   */
  proposeConfChange(change: ConfChange | ConfChangeV2): void {
    if (this.raft.state === "leader" && this.confChangeRefusal(change) !== null) {
      throw new ProposalDropped("conf-change-refused");
    }
    propose(this.raft, [confChangeEntry(change)]);
  }

  /** Why this leader would refuse `change` now; null: it would not. */
  confChangeRefusal(change: ConfChange | ConfChangeV2): string | null {
    if (this.raft.options.disableConfChangeValidation) return null;
    return confChangeRefusal(this.raft, !isSingleStep(change) && change.changes.length === 0);
  }

  /**
   * Puts a committed change into force; call it for each such entry, in order, before its apply is acknowledged.
   * @throws ConfChangeError if the configuration does not allow it: nothing has changed.
   */
  applyConfChange(change: ConfChange | ConfChangeV2): ConfState {
    const { type, data } = confChangeEntry(change);
    return applyConfChange(this.raft, isSingleStep(change) ? decodeConfChange(type, data) : change);
  }

  /**
   * Asks for a linearizable read (thesis section 6.4): a ReadState with `context` follows, if leadership lasts.
   * @returns false: no leader is known here or too many reads wait; none will follow.
   */
  readIndex(context: ReadContext): boolean {
    return requestRead(this.raft, context);
  }

  /** Hands leadership to a voter; gives up after an election timeout. A follower passes the wish on. */
  transferLeader(to: number): void {
    if (this.raft.state === "leader") startTransfer(this.raft, to);
    else if (this.raft.state === "follower") passTransfer(this.raft, to);
  }

  /** Makes a follower forget whom it follows, because the host knows that leader to be gone: it may vote at once. */
  forgetLeader(): void {
    if (this.raft.state === "follower") this.raft.leader = 0;
  }

  /** Messages to `id` are being lost. */
  reportUnreachable(id: number): void {
    reportUnreachable(this.raft, id);
  }

  /** The snapshot sent to `id` was handed over (`ok`), or will not be. */
  reportSnapshot(id: number, ok: boolean): void {
    reportSnapshot(this.raft, id, ok);
  }

  /** Entries that storage reported as "pending" for `to`, or committed ones, may be there now. */
  retry(to: number): void {
    const { raft } = this;
    raft.log.retryCommitted();
    const progress = raft.progress.get(to);
    if (raft.state !== "leader" || to === raft.id || progress === undefined) return;
    progress.loading = false;
    sendAllAppends(raft, to);
  }

  /** Whether `ready()` has something to do. */
  hasReady(): boolean {
    return this.readyMaker.hasReady();
  }

  /** What to do now; the host must do all of it. In synchronous mode `advance()` follows. */
  ready(): Ready<E, S> {
    return this.readyMaker.take() as Ready<E, S>; // N1
  }

  /** Synchronous mode: everything of the last Ready is done. */
  advance(): void {
    assert(!this.raft.options.asyncStorageWrites, "advance() belongs to synchronous mode");
    for (const message of this.readyMaker.takeStepsOnAdvance()) step(this.raft, message);
  }

  /** For tests and simulators: the election timeout until the next change of term or state, in ticks. */
  setElectionTimeout(ticks: number): void {
    assert(ticks >= 1, "a timeout is at least one tick");
    this.raft.electionTimeout = ticks;
  }
}

function copyOf(progress: ProgressView | undefined): ProgressView {
  assert(progress !== undefined, "S3");
  return {
    state: progress.state,
    match: progress.match,
    next: progress.next,
    isLearner: progress.isLearner,
    recentActive: progress.recentActive,
    isAnswering: progress.isAnswering,
    pendingSnapshot: progress.pendingSnapshot,
    isPaused: progress.isPaused,
    inflightCount: progress.inflightCount,
    inflightFull: progress.inflightFull,
  };
}
