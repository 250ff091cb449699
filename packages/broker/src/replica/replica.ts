/**
 * replica.ts: one replica of one group: the Raft core, its log, and the order between them.
 *
 * The core says what must happen (`Ready`); this file makes it happen. It never waits: a finished flush is an input like a message.
 * Invariants:
 *   R1  a vote request, and any reply of a term, leaves only after that term and its vote are durable
 *   R2  an append is answered, and counted by its own leader, only from the flush that covered it (the core's responses)
 *   R3  the state machine sees committed frames once, in order, and only those that are durable here
 *   R4  on a leader the base offset of every new frame is the end offset of the frame before it
 * Source: Raft thesis 3.8, 10.2.1; the asynchronous storage interface of the core.
 */
import { assert, type Clock, type GroupId, type Offset, type RaftIndex, type ReplicaId, type Term } from "@varve/base";
import { encodeFrame, type Frame, FrameKind, frameBytes, type GroupLog, type LogSnapshot } from "@varve/storage";
import {
  type ConfChangeV2,
  decodeConfChange,
  type Entry,
  EntryType,
  type Message,
  type ProposedEntry,
  RawNode,
} from "raft-ts";
import { LagReader } from "./lag-reader.js";
import { lostEnd } from "./lost-end.js";
import { type ReplicaSnapshot, raftStorage, withLogSnapshot } from "./raft-storage.js";

/** What a replica is at this moment, as those above it see it. */
export type Role =
  | {
      readonly kind: "leader";
      readonly term: Term /** An entry of this term is committed: reads and writes may be served. */;
      readonly ready: boolean;
    }
  | { readonly kind: "follower"; readonly term: Term; readonly leader: ReplicaId | null };

/** What stands on top of a replica: a partition, or the controller. Calls come in log order. */
export interface StateMachine {
  /** Committed frames, durable here; conf and noop frames too. Called before the high watermark moves. */
  apply(frames: readonly Frame[]): void;
  /** After `apply` of the same frames, when the log's pointers have moved. */
  applied(frames: readonly Frame[]): void;
  /** A flush here covered everything up to `index`, the last of it in `term`. */
  durable(index: RaftIndex, term: Term): void;
  /** The log was replaced by a snapshot. */
  reset(snapshot: LogSnapshot): void;
  roleChanged(role: Role): void;
}

export interface ReplicaTiming {
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
}

export interface ReplicaOptions {
  readonly log: GroupLog;
  readonly timing: ReplicaTiming;
  readonly clock: Clock;
  /** A random integer in 0 .. endExclusive - 1. */
  readonly random: (endExclusive: number) => number;
  /** Milliseconds since 1970 that append times are taken from. */
  readonly appendClockMs: () => number;
  readonly send: (groupId: GroupId, message: Message) => void;
  /** Asks the host to call `process` at the end of this turn. */
  readonly wake: (replica: Replica) => void;
  readonly stateMachine: StateMachine;
  readonly uncommittedBytesMax: number;
  readonly appendBytesMax: number;
  readonly turn: Turn;
  /** Simulator only: a broken variant of the core. */
  readonly raftFaults?: { readonly commitOldTerm?: boolean };
  /** Notes what was read for a replica that only learns; how long to wait before more is read, milliseconds. */
  readonly learnerPaceMs: (bytes: number) => number;
  /** Frames for a lagging follower could not be read; Raft asks again with the next heartbeat. */
  readonly onLoadError: (error: unknown) => void;
  /** The replica broke an invariant, or its state machine cannot apply what was committed: it is stopped and leads no more. */
  readonly onFailure: (error: Error) => void;
}

/** One turn of the event loop, shared by all replicas of a broker. */
export interface Turn {
  /** Of appends that cores were given in it, and that its end will save. */
  appendedBytes: number;
}

/** What a proposal carries; the frame is made when the core has given it a place. */
export interface Proposal extends ProposedEntry {
  readonly kind: FrameKind;
  readonly offsetSpan: number;
  readonly recordCount: number;
  /** Stamps the payload with its place, before its frame is made. */
  readonly stamp: ((baseOffset: Offset, term: Term) => void) | null;
}

interface TailMark {
  readonly index: RaftIndex;
  readonly nextOffset: Offset;
  readonly appendTimeMs: number;
}

/** Messages that speak for a term (R1); appends do not wait, their receivers' flushes decide. */
const SPEAK_FOR_TERM: ReadonlySet<Message["type"]> = new Set(["MsgVote", "MsgVoteResp", "MsgHeartbeatResp"]);

export class Replica {
  readonly log: GroupLog;
  readonly groupId: GroupId;
  readonly id: ReplicaId;
  readonly node: RawNode;
  /** Set by the host while this replica waits for the end of the turn. */
  queued = false;
  private readonly options: ReplicaOptions;
  private tail: TailMark | null = null;
  private durableTerm: Term;
  private appliedTerm: Term;
  private held: Message[] = [];
  private lastRole: Role;
  private stopped = false;
  private readonly lagReader: LagReader;
  private readonly readWaiters = new Map<number, (index: RaftIndex | null) => void>();
  private nextReadContext = 1;
  /** Confirmed reads whose index is not applied here yet: this disk may be slower than a quorum of the others. */
  private readonly unappliedReads: {
    readonly index: RaftIndex;
    readonly resolve: (index: RaftIndex | null) => void;
  }[] = [];

  constructor(options: ReplicaOptions) {
    this.options = options;
    this.log = options.log;
    this.groupId = options.log.spec.groupId;
    this.id = options.log.spec.replicaId;
    this.durableTerm = options.log.hardState.term;
    const applied = options.log.term(options.log.pointers().appliedIndex);
    this.appliedTerm = typeof applied === "number" ? applied : 0;
    this.lagReader = new LagReader({
      log: options.log,
      clock: options.clock,
      learnerPaceMs: options.learnerPaceMs,
      isNeededByVoter: (lo) => this.isNeededByVoter(lo),
      onRead: () => this.retryAll(),
      onError: options.onLoadError,
    });
    this.node = new RawNode({
      id: this.id,
      storage: raftStorage(options.log, (lo, hi, bytesMax) => this.lagReader.read(lo, hi, bytesMax)),
      applied: options.log.pointers().appliedIndex,
      electionTicks: options.timing.electionTicks,
      heartbeatTicks: options.timing.heartbeatTicks,
      preVote: true,
      checkQuorum: true,
      asyncStorageWrites: true,
      stepDownOnRemoval: true,
      disableProposalForwarding: true,
      maxSizePerMessage: options.appendBytesMax,
      maxCommittedSizePerReady: 4 * options.appendBytesMax,
      maxUncommittedSize: options.uncommittedBytesMax,
      maxInflightMessages: 64,
      maxInflightBytes: 8 * options.appendBytesMax,
      random: options.random,
      createEntry: (proposed, term, index) => this.createEntry(proposed, term, index),
      ...(options.raftFaults === undefined ? {} : { faults: options.raftFaults }),
    });
    this.lastRole = { kind: "follower", term: this.node.term, leader: null };
  }

  get role(): Role {
    return this.lastRole;
  }

  /** The leader as far as is known here, 0 = none. */
  get leader(): ReplicaId {
    return this.stopped ? 0 : this.node.leader;
  }

  isLeader(): boolean {
    return !this.stopped && this.node.state === "leader";
  }

  /** Leader, and an entry of its term is applied here: it may serve reads and writes (Raft paper section 8). */
  isReadyLeader(): boolean {
    return this.isLeader() && this.appliedTerm === this.node.term;
  }

  tick(): void {
    if (this.stopped) return;
    this.guard(() => this.node.tick());
  }

  step(message: Message): void {
    if (this.stopped || message.to !== this.id || this.hasLost(message) || this.lacksRoomFor(message)) return;
    this.guard(() => {
      // A vote may make this node leader, and its no-op continues the log: what arrived before must be in the log by then.
      if (message.type === "MsgVoteResp") this.process();
      this.node.step(withLogSnapshot(message));
    });
  }

  private hasLost(message: Message): boolean {
    const loss = lostEnd(message, this.node.term, this.log.lastIndex());
    if (loss !== null) this.log.condemn(loss);
    return loss !== null;
  }

  /** The leader offers the entries again with its next heartbeat. */
  private lacksRoomFor(message: Message): boolean {
    if (message.type !== "MsgApp" || message.entries.length === 0) return false;
    const { turn } = this.options;
    if (this.log.isCongested(turn.appendedBytes)) return true;
    for (const frame of message.entries as readonly Frame[]) turn.appendedBytes += frameBytes(frame);
    return false;
  }

  campaign(): void {
    if (!this.stopped) this.guard(() => this.node.campaign());
  }

  /** The leader's process is known to be gone: stop waiting for it, so that a pre-vote of others is not refused. */
  forgetLeader(): void {
    if (!this.stopped) this.guard(() => this.node.forgetLeader());
  }

  transferLeader(to: ReplicaId): void {
    if (!this.stopped) this.guard(() => this.node.transferLeader(to));
  }

  reportUnreachable(to: ReplicaId): void {
    if (!this.stopped) this.guard(() => this.node.reportUnreachable(to));
  }

  reportSnapshot(to: ReplicaId, ok: boolean): void {
    if (!this.stopped) this.guard(() => this.node.reportSnapshot(to, ok));
  }

  /**
   * Appends one entry to the leader's log.
   * @returns the place it got. It is committed when that index is applied with that term.
   * @throws ProposalDropped when this is no leader, is handing leadership over, or too much is uncommitted: nothing was appended.
   */
  propose(proposal: Proposal): { readonly index: RaftIndex; readonly term: Term; readonly baseOffset: Offset } {
    const before = this.tail;
    try {
      this.node.propose([proposal]);
    } catch (error) {
      this.tail = before;
      throw error;
    }
    const tail = this.tail;
    assert(tail !== null, "an accepted proposal has made a frame");
    this.options.wake(this);
    return { index: tail.index, term: this.node.term, baseOffset: tail.nextOffset - proposal.offsetSpan };
  }

  /** Proposes a change of the configuration. @throws ProposalDropped. */
  proposeConfChange(change: ConfChangeV2): void {
    const before = this.tail;
    try {
      this.node.proposeConfChange(change);
    } catch (error) {
      this.tail = before;
      throw error;
    }
    this.options.wake(this);
  }

  /**
   * A linearizable point to read at: resolves with an index when a quorum has confirmed this leader after the call and everything
   * up to that index is applied here; null when leadership was lost meanwhile (thesis 6.4).
   */
  readIndex(): Promise<RaftIndex | null> {
    if (this.stopped || !this.isReadyLeader()) return Promise.resolve(null);
    const context = this.nextReadContext++;
    return new Promise((resolve) => {
      this.readWaiters.set(context, resolve);
      this.guard(() => this.node.readIndex(context));
    });
  }

  /** Carries out everything the core asks for; called by the host at the end of a turn. */
  process(): void {
    while (!this.stopped && this.node.hasReady()) {
      const ready = this.node.ready();
      for (const message of ready.messages) this.route(message);
      for (const state of ready.readStates) this.finishRead(Number(state.context), state.index);
      this.noteRole();
    }
    this.noteRole();
  }

  /** No more inputs; promises that wait for a read end with null. */
  stop(): void {
    this.stopped = true;
    this.lagReader.stop();
    this.giveUpReads();
  }

  private giveUpReads(): void {
    for (const resolve of this.readWaiters.values()) resolve(null);
    this.readWaiters.clear();
    for (const { resolve } of this.unappliedReads.splice(0)) resolve(null);
  }

  private route(message: Message): void {
    if (message.type === "MsgStorageAppend") {
      this.save(message);
      return;
    }
    if (message.type === "MsgStorageApply") {
      this.applyCommitted(message);
      return;
    }
    if (message.term > this.durableTerm && SPEAK_FOR_TERM.has(message.type)) {
      this.held.push(message);
      return;
    }
    this.send(message);
  }

  /** A log whose damage was met falls silent at once, before the host has let go of the replica. */
  private send(message: Message): void {
    if (this.log.quarantine === null) this.options.send(this.groupId, message);
  }

  private save(message: Message): void {
    const term = message.term;
    const frames = message.entries as readonly Frame[];
    const snapshot = message.snapshot === null ? null : (message.snapshot as ReplicaSnapshot).log;
    const hardState = message.term === 0 ? null : { term: message.term, vote: message.vote, commit: message.commit };
    if (snapshot !== null) {
      this.tail = null;
      this.options.stateMachine.reset(snapshot);
    }
    this.log.save({ hardState, frames, reset: snapshot }, () => {
      if (this.stopped) return;
      this.durableTerm = Math.max(this.durableTerm, term);
      const last = frames[frames.length - 1];
      if (last !== undefined) this.options.stateMachine.durable(last.index, last.term);
      this.guard(() => {
        this.releaseHeld();
        for (const response of message.responses) this.deliver(response);
      });
    });
  }

  private releaseHeld(): void {
    if (this.held.length === 0) return;
    const held = this.held;
    this.held = [];
    for (const message of held) this.route(message);
  }

  private deliver(response: Message): void {
    if (response.to === this.id) this.node.step(response);
    else this.send(response);
  }

  private applyCommitted(message: Message): void {
    const given = message.entries as readonly Frame[];
    // A snapshot may have replaced the state since these were given out: what it holds is not applied again.
    const { appliedIndex } = this.log.pointers();
    const frames = (given[0]?.index ?? 0) > appliedIndex ? given : given.filter(({ index }) => index > appliedIndex);
    const last = frames[frames.length - 1];
    if (last !== undefined) {
      for (const frame of frames) {
        if (frame.kind !== FrameKind.conf) continue;
        const replicas = this.node.applyConfChange(decodeConfChange(EntryType.confChangeV2, frame.data));
        this.log.setReplicas(frame.index, replicas);
      }
      this.options.stateMachine.apply(frames);
      this.log.commitTo(last.index);
      this.appliedTerm = last.term;
      this.noteRole();
      this.options.stateMachine.applied(frames);
      this.releaseReads(last.index);
    }
    for (const response of message.responses) this.deliver(response);
  }

  private createEntry(proposed: ProposedEntry, term: Term, index: RaftIndex): Entry {
    const tail = this.tail?.index === index - 1 ? this.tail : this.logTail(index - 1);
    const proposal = isProposal(proposed) ? proposed : null;
    const kind = proposal?.kind ?? (proposed.type === EntryType.normal ? FrameKind.noop : FrameKind.conf);
    proposal?.stamp?.(tail.nextOffset, term);
    const appendTimeMs = Math.max(tail.appendTimeMs, this.options.appendClockMs());
    const offsetSpan = proposal?.offsetSpan ?? 0;
    this.tail = { index, nextOffset: tail.nextOffset + offsetSpan, appendTimeMs };
    return encodeFrame({
      groupId: this.groupId,
      kind,
      index,
      term,
      baseOffset: tail.nextOffset,
      offsetSpan,
      recordCount: proposal?.recordCount ?? 0,
      appendTimeMs,
      data: proposed.data,
    });
  }

  /** R4 at the start of a term: everything before the no-op has been handed to the log (see `step`). */
  private logTail(index: RaftIndex): TailMark {
    assert(this.log.lastIndex() === index, "R4: a new leader continues the log it has");
    return { index, nextOffset: this.log.nextOffset(), appendTimeMs: this.log.lastAppendTimeMs() };
  }

  private isNeededByVoter(lo: RaftIndex): boolean {
    return this.log.replicas.voters.some((id) => id !== this.id && (this.node.progress(id)?.match ?? 0) < lo);
  }

  private retryAll(): void {
    if (this.stopped) return;
    this.guard(() => {
      for (const id of this.node.peers()) this.node.retry(id);
    });
  }

  private finishRead(context: number, index: RaftIndex): void {
    const resolve = this.readWaiters.get(context);
    if (resolve === undefined) return;
    this.readWaiters.delete(context);
    if (index <= this.log.pointers().appliedIndex) resolve(index);
    else this.unappliedReads.push({ index, resolve });
  }

  /** Indexes of reads only grow, as the commit index does. */
  private releaseReads(appliedIndex: RaftIndex): void {
    for (
      let read = this.unappliedReads[0];
      read !== undefined && read.index <= appliedIndex;
      read = this.unappliedReads[0]
    ) {
      this.unappliedReads.shift();
      read.resolve(read.index);
    }
  }

  private noteRole(): void {
    const role = this.currentRole();
    if (sameRole(role, this.lastRole)) return;
    this.lastRole = role;
    if (role.kind === "follower") {
      this.tail = null;
      this.giveUpReads();
    }
    this.options.stateMachine.roleChanged(role);
  }

  private currentRole(): Role {
    const { leader } = this;
    const { term } = this.node;
    if (this.isLeader()) return { kind: "leader", term, ready: this.appliedTerm === term };
    return { kind: "follower", term, leader: leader === 0 ? null : leader };
  }

  /** An assertion that fails stops this replica, not the data: nothing more is voted, acknowledged or applied. */
  private guard(work: () => void): void {
    try {
      work();
      this.options.wake(this);
    } catch (error) {
      this.fail(error);
    }
  }

  /** `process` with the same guard. */
  run(): void {
    if (this.stopped) return;
    try {
      this.process();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Whoever waits for this replica is told that it leads no more; the others elect another, since it is silent from now on. */
  private fail(error: unknown): void {
    this.stop();
    this.options.onFailure(error instanceof Error ? error : new Error(String(error)));
    this.noteRole();
  }
}

function isProposal(proposed: ProposedEntry): proposed is Proposal {
  return "kind" in proposed;
}

function sameRole(left: Role, right: Role): boolean {
  if (left.term !== right.term) return false;
  if (left.kind === "leader") return right.kind === "leader" && left.ready === right.ready;
  return right.kind === "follower" && left.leader === right.leader;
}
