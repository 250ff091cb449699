/**
 * state.ts: everything one node knows, and its outbox. The rules that change it are in the files beside this one.
 *
 * Invariants:
 *   S1  term never goes back; the vote changes only with the term, or from none to someone
 *   S2  what speaks for this node's log or vote (`MsgAppResp`, `MsgVoteResp`, `MsgPreVoteResp`) waits in `afterAppend`
 *       until that log and vote are durable; the rest may leave at once
 *   S3  `memberIds` are the keys of `progress`, ascending
 * Source: Raft paper figure 2; thesis section 3.8 for S2.
 */
import { assert } from "../assert.js";
import type { ConfState, HardState, NodeState, RaftConfig, ReadState } from "../types.js";
import { EMPTY_CONFIGURATION } from "./configuration.js";
import { RaftLog } from "./log.js";
import { type Draft, draft } from "./messages.js";
import { type Options, resolveOptions } from "./options.js";
import { Progress } from "./progress.js";
import { ReadQueue } from "./read-queue.js";

export class RaftState {
  readonly options: Options;
  readonly id: number;
  readonly log: RaftLog;
  readonly reads = new ReadQueue();

  term = 0;
  vote = 0;
  state: NodeState = "follower";
  /** The leader of this term; 0: unknown. */
  leader = 0;

  config: ConfState = EMPTY_CONFIGURATION;
  progress = new Map<number, Progress>();
  memberIds: readonly number[] = [];

  /** Answers to this node's own vote requests. */
  readonly votes = new Map<number, boolean>();
  /** Ticks since this node heard its leader, or since a leader last checked its quorum. */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  /** Ticks of silence after which this node campaigns; drawn anew at each change of term or state. */
  electionTimeout = 0;

  /** Whom leadership is being handed to; 0: nobody. */
  transferee = 0;
  /** No change of the membership may be proposed until this index is applied. */
  pendingConfIndex = 0;
  /** Payload bytes that this leader proposed and has not applied. */
  uncommittedBytes = 0;

  messages: Draft[] = [];
  afterAppend: Draft[] = [];
  readStates: ReadState[] = [];

  constructor(config: RaftConfig) {
    this.options = resolveOptions(config);
    this.id = this.options.id;
    this.log = new RaftLog(config.storage, this.options.maxCommittedSizePerReady, this.options.entrySize);
  }

  hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  /**
   * Takes over what a former process of this node left. What it had applied was committed, even if the commit index of
   * that moment, which need not be durable, was lost.
   */
  resume(state: HardState): void {
    const { applied } = this.options;
    this.log.commitTo(Math.max(state.commit, applied));
    if (applied > this.log.applied) this.log.appliedTo(applied, 0);
    assert(state.term > 0 || state.vote === 0, "a vote belongs to a term");
    this.term = state.term;
    this.vote = state.vote;
  }

  /** A message from this node, to be filled in and then sent. */
  compose(type: Draft["type"], to: number): Draft {
    return draft(type, this.id, to);
  }

  /** Puts a message of this term into the outbox. */
  send(message: Draft): void {
    assert(message.term === 0, "only votes carry a term of their own");
    message.term = this.term;
    this.post(message);
  }

  /** Puts a message with the term it has into the outbox: votes, and what is passed on to the leader. */
  post(message: Draft): void {
    switch (message.type) {
      case "MsgAppResp":
      case "MsgVoteResp":
      case "MsgPreVoteResp":
        this.afterAppend.push(message); // S2
        return;
      default:
        assert(message.to !== this.id, "a node sends only promises to itself");
        this.messages.push(message);
    }
  }

  /** Forgets all that belongs to a term or to a role in it. */
  reset(term: number): void {
    assert(term >= this.term, "S1");
    if (term !== this.term) {
      this.term = term;
      this.vote = 0;
    }
    this.leader = 0;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    this.drawElectionTimeout();
    this.transferee = 0;
    this.votes.clear();
    const last = this.log.lastIndex();
    for (const [id, progress] of this.progress) progress.reset(id === this.id ? last : 0, last + 1);
    this.pendingConfIndex = 0;
    this.uncommittedBytes = 0;
    this.reads.clear();
  }

  drawElectionTimeout(): void {
    const extra = this.options.random(this.options.electionTicks);
    assert(extra >= 0 && extra < this.options.electionTicks, "random draws within its bound");
    this.electionTimeout = this.options.electionTicks + extra;
  }

  /** Whether this node may become leader: a voter whose log is not just being replaced. */
  isPromotable(): boolean {
    const own = this.progress.get(this.id);
    return own !== undefined && !own.isLearner && this.log.unstable.snapshot === null;
  }

  /** Whether an entry of this term is committed: only then is the commit index up to date (paper section 8). */
  committedInTerm(): boolean {
    return this.log.matches(this.log.committed, this.term);
  }

  traceState(): void {
    const { trace } = this.options;
    if (trace === null) return;
    trace({ kind: "state", id: this.id, term: this.term, state: this.state, leader: this.leader });
  }

  /** Tracks exactly `ids`; newcomers, and those of `anew`, start from `lastIndex`. */
  track(ids: readonly number[], anew: ReadonlySet<number>): void {
    const next = Math.max(this.log.lastIndex(), 1);
    const progress = new Map<number, Progress>();
    for (const id of ids) {
      const isLearner = this.config.learners.includes(id);
      const known = anew.has(id) ? undefined : this.progress.get(id);
      const entry = known ?? new Progress(next, isLearner, this.options);
      entry.isLearner = isLearner;
      // A newcomer counts as heard, lest the next check of the quorum fails before it could answer.
      if (known === undefined) entry.recentActive = true;
      progress.set(id, entry);
    }
    this.progress = progress;
    this.memberIds = ids;
  }
}
