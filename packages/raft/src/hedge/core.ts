/**
 * core.ts: one node of a Raft group as a pure, synchronous state machine in asynchronous-storage mode.
 *
 * Inputs: `tick`, `step`, `propose` and the like. Outputs: `ready`, among them MsgStorageAppend and MsgStorageApply, whose responses the
 * host steps back in when the work is durable or done.
 * Invariants:
 *   R1  the term never decreases, and a vote never changes within a term
 *   R2  the commit index never decreases and never passes the last index
 *   R3  a leader commits by counting only entries of its own term (paper 5.4.2)
 *   R4  entries at or below the commit index are never replaced
 *   R5  nothing is given out for applying that is not stable here
 * Source: Raft paper, sections 5 to 8; thesis, chapters 3, 4 and 6.4 (ReadIndex), 9.6 (pre-vote).
 */

import { type ConfChangeV2, encodeConfChange, nextConf } from "./conf-change.js";
import type { NodeState, Progress, RaftConfig } from "./config.js";
import { assert, bytesOf, limit } from "./entries.js";
import { majorityCommitted, voteResult } from "./quorum.js";
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type ConfState,
  type Entry,
  EntryType,
  emptyMessage,
  type HardState,
  type Message,
  type MessageType,
  ProposalDropped,
  type ProposedEntry,
  type RaftStorage,
  type ReadContext,
  type ReadState,
  type Snapshot,
} from "./types.js";

export interface Ready {
  readonly hardState: HardState | null;
  readonly messages: readonly Message[];
  readonly readStates: readonly ReadState[];
}
export class RawNode {
  readonly id: number;
  term: number;
  vote: number;
  state: NodeState = "follower";
  leader = 0;
  transferee = 0;
  committed: number;
  private readonly c: RaftConfig;
  private readonly st: RaftStorage;
  private unstable: Entry[] = [];
  private offset: number;
  private offsetInProgress: number;
  private pendingSnap: Snapshot | null = null;
  private snapInProgress = false;
  private applying: number;
  applied: number;
  conf: ConfState;
  private prs = new Map<number, Progress>();
  private votes = new Map<number, boolean>();
  private elapsed = 0;
  private hbElapsed = 0;
  private randomized = 0;
  private msgs: Message[] = [];
  private after: Message[] = [];
  private lastHs: HardState;
  private uncommitted = 0;
  private pendingConf = 0;
  private reads: { index: number; context: ReadContext; acks: Set<number> }[] = [];
  private readStates: ReadState[] = [];
  constructor(c: RaftConfig) {
    this.c = c;
    this.st = c.storage;
    this.id = c.id;
    const { hardState, confState } = c.storage.initialState();
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.committed = Math.max(hardState.commit, c.applied, c.storage.firstIndex() - 1);
    this.lastHs = { term: this.term, vote: this.vote, commit: this.committed };
    this.applied = Math.max(c.applied, c.storage.firstIndex() - 1);
    this.applying = this.applied;
    this.offset = c.storage.lastIndex() + 1;
    this.offsetInProgress = this.offset;
    this.conf = confState;
    this.sync();
    this.becomeFollower(this.term, 0);
  }
  get lastIndex(): number {
    return this.unstable.length > 0
      ? this.offset + this.unstable.length - 1
      : this.pendingSnap !== null
        ? this.pendingSnap.metadata.index
        : this.st.lastIndex();
  }
  get commit(): number {
    return this.committed;
  }
  get committedInTerm(): boolean {
    return this.termOf(this.committed) === this.term;
  }
  private get firstIndex(): number {
    return this.pendingSnap !== null ? this.pendingSnap.metadata.index + 1 : this.st.firstIndex();
  }
  private termOf(i: number): number {
    if (i === 0) return 0;
    if (i >= this.offset) {
      const e = this.unstable[i - this.offset];
      return e === undefined ? 0 : e.term;
    }
    if (this.pendingSnap !== null && this.pendingSnap.metadata.index === i) return this.pendingSnap.metadata.term;
    const t = this.st.term(i);
    return typeof t === "number" ? t : 0;
  }
  private entriesFrom(lo: number, hi: number, max: number): readonly Entry[] | "compacted" | "unavailable" | "pending" {
    if (lo >= hi) return [];
    if (lo < this.firstIndex) return "compacted";
    if (lo >= this.offset) return limit(this.unstable.slice(lo - this.offset, hi - this.offset), max);
    const stable = this.st.entries(lo, Math.min(hi, this.offset), max);
    if (typeof stable === "string") return stable;
    if (hi <= this.offset || stable.length < this.offset - lo) return stable;
    return limit([...stable, ...this.unstable.slice(0, hi - this.offset)], max);
  }
  private voters(): number[] {
    return [...new Set([...this.conf.voters, ...this.conf.votersOutgoing])];
  }
  peers(): number[] {
    return [...this.prs.keys()].filter((id) => id !== this.id);
  }
  progress(id: number): Progress | null {
    return this.prs.get(id) ?? null;
  }
  private sync(): void {
    const ids = new Set([...this.voters(), ...this.conf.learners, ...this.conf.learnersNext]);
    for (const id of [...this.prs.keys()]) if (!ids.has(id)) this.prs.delete(id);
    for (const id of ids)
      if (!this.prs.has(id))
        this.prs.set(id, {
          match: 0,
          next: Math.max(1, this.lastIndex),
          state: "probe",
          pendingSnapshot: 0,
          recentActive: true,
          paused: false,
          inflight: [],
          inflightBytes: 0,
        });
  }
  private joint(f: (set: readonly number[]) => boolean): boolean {
    return f(this.conf.voters) && (this.conf.votersOutgoing.length === 0 || f(this.conf.votersOutgoing));
  }
  private reset(term: number): void {
    if (this.term !== term) {
      this.term = term;
      this.vote = 0;
    }
    this.leader = 0;
    this.elapsed = 0;
    this.hbElapsed = 0;
    this.randomized = this.c.electionTicks + this.c.random(this.c.electionTicks);
    this.transferee = 0;
    this.votes.clear();
    for (const [id, p] of this.prs) {
      p.match = id === this.id ? this.lastIndex : 0;
      p.next = this.lastIndex + 1;
      p.state = "probe";
      p.pendingSnapshot = 0;
      p.recentActive = id === this.id;
      p.paused = false;
      p.inflight = [];
      p.inflightBytes = 0;
    }
    this.pendingConf = 0;
    this.uncommitted = 0;
    this.reads = [];
  }
  private becomeFollower(term: number, leader: number): void {
    this.reset(term);
    this.state = "follower";
    this.leader = leader;
  }
  private becomeLeader(): void {
    this.reset(this.term);
    this.state = "leader";
    this.leader = this.id;
    const p = this.prs.get(this.id);
    if (p) {
      p.state = "replicate";
      p.recentActive = true;
    }
    this.pendingConf = this.lastIndex;
    assert(this.append([{ type: EntryType.normal, data: new Uint8Array(0) }]), "the no-op is never refused");
    this.bcastAppend();
  }
  private append(ps: readonly ProposedEntry[]): boolean {
    const size = ps.reduce((n, p) => n + p.data.length, 0);
    if (this.uncommitted > 0 && size > 0 && this.uncommitted + size > this.c.maxUncommittedSize) return false;
    this.uncommitted += size;
    for (const p of ps) {
      const i = this.lastIndex + 1;
      const e = this.c.createEntry ? this.c.createEntry(p, this.term, i) : { ...p, term: this.term, index: i };
      if (this.unstable.length === 0 && this.pendingSnap === null) {
        this.offset = i;
        this.offsetInProgress = Math.max(this.offsetInProgress, i);
        if (this.offsetInProgress > i) this.offsetInProgress = i;
      }
      this.unstable.push(e);
    }
    this.after.push({ ...emptyMessage("MsgAppResp", this.id, this.id), term: this.term, index: this.lastIndex });
    return true;
  }
  private send(m: Message): void {
    const term = m.term !== 0 || m.type === "MsgReadIndex" ? m.term : this.term;
    const out = term === m.term ? m : { ...m, term };
    if (m.type === "MsgAppResp" || m.type === "MsgVoteResp" || m.type === "MsgPreVoteResp") this.after.push(out);
    else this.msgs.push(out);
  }
  private mk(type: MessageType, to: number): Message {
    return emptyMessage(type, this.id, to);
  }
  tick(): void {
    if (this.state === "leader") {
      this.hbElapsed++;
      this.elapsed++;
      if (this.elapsed >= this.c.electionTicks) {
        this.elapsed = 0;
        if (this.c.checkQuorum) {
          const self = this.prs.get(this.id);
          if (self) self.recentActive = true;
          const active = (set: readonly number[]): boolean =>
            set.filter((id) => this.prs.get(id)?.recentActive).length > set.length / 2;
          if (!this.joint(active)) {
            this.becomeFollower(this.term, 0);
            return;
          }
          for (const [id, p] of this.prs) if (id !== this.id) p.recentActive = false;
        }
        this.transferee = 0;
      }
      if (this.hbElapsed >= this.c.heartbeatTicks) {
        this.hbElapsed = 0;
        this.bcastHeartbeat(this.reads.length > 0 ? (this.reads[this.reads.length - 1]?.context ?? null) : null);
      }
    } else {
      this.elapsed++;
      if (this.elapsed >= this.randomized && this.promotable()) {
        this.elapsed = 0;
        this.campaign();
      }
    }
  }
  private promotable(): boolean {
    return this.voters().includes(this.id) && this.pendingSnap === null;
  }
  forgetLeader(): void {
    if (this.state === "follower") this.leader = 0;
  }
  campaign(transfer = false): void {
    if (this.state === "leader" || !this.promotable()) return;
    for (let i = this.applied + 1; i <= this.committed; i++) {
      const es = this.entriesFrom(i, i + 1, 1);
      if (typeof es !== "string" && es[0] !== undefined && es[0].type !== EntryType.normal) return;
    }
    const pre = this.c.preVote && !transfer;
    let term: number;
    if (pre) {
      this.votes.clear();
      this.state = "preCandidate";
      this.leader = 0;
      this.elapsed = 0;
      this.randomized = this.c.electionTicks + this.c.random(this.c.electionTicks);
      term = this.term + 1;
    } else {
      this.reset(this.term + 1);
      this.state = "candidate";
      this.vote = this.id;
      term = this.term;
    }
    for (const id of this.voters().sort((a, b) => a - b)) {
      if (id === this.id) {
        this.after.push({ ...this.mk(pre ? "MsgPreVoteResp" : "MsgVoteResp", id), term });
        continue;
      }
      this.send({
        ...this.mk(pre ? "MsgPreVote" : "MsgVote", id),
        term,
        index: this.lastIndex,
        logTerm: this.termOf(this.lastIndex),
        context: transfer ? "transfer" : null,
      });
    }
  }
  propose(ps: readonly ProposedEntry[]): void {
    if (this.state !== "leader" || !this.prs.has(this.id) || this.transferee !== 0 || !this.append(ps))
      throw new ProposalDropped("proposal dropped");
    this.bcastAppend();
  }
  proposeConfChange(cc: ConfChangeV2): void {
    if (this.state !== "leader" || this.pendingConf > this.applied)
      throw new ProposalDropped("a configuration change is under way");
    const joint = this.conf.votersOutgoing.length > 0;
    if (joint !== (cc.changes.length === 0)) throw new ProposalDropped("joint state does not fit");
    this.pendingConf = this.lastIndex + 1;
    this.propose([{ type: EntryType.confChangeV2, data: encodeConfChange(cc) }]);
  }
  /** A committed change takes effect; the configuration after it. */
  applyConfChange(cc: ConfChangeV2): ConfState {
    this.conf = nextConf(this.conf, cc);
    this.sync();
    if (this.state === "leader") {
      if (this.c.stepDownOnRemoval && !this.conf.voters.includes(this.id) && this.conf.votersOutgoing.length === 0)
        this.becomeFollower(this.term, 0);
      else {
        if (this.maybeCommit()) this.bcastAppend();
        else for (const id of this.peers()) this.maybeSend(id, false);
      }
    }
    return this.conf;
  }
  readIndex(context: ReadContext): void {
    if (this.state !== "leader" || !this.committedInTerm) return;
    if (this.voters().length === 1) {
      this.readStates.push({ index: this.committed, context });
      return;
    }
    this.reads.push({ index: this.committed, context, acks: new Set([this.id]) });
    this.bcastHeartbeat(context);
  }
  transferLeader(to: number): void {
    if (this.state !== "leader" || to === this.id || this.transferee === to) return;
    const p = this.prs.get(to);
    if (!p || !this.conf.voters.includes(to)) return;
    this.elapsed = 0;
    this.transferee = to;
    if (p.match === this.lastIndex) this.send(this.mk("MsgTimeoutNow", to));
    else this.maybeSend(to, true);
  }
  reportUnreachable(id: number): void {
    const p = this.prs.get(id);
    if (this.state === "leader" && p && p.state === "replicate") this.toProbe(p);
  }
  reportSnapshot(id: number, ok: boolean): void {
    const p = this.prs.get(id);
    if (p?.state !== "snapshot") return;
    if (!ok) p.pendingSnapshot = 0;
    this.toProbe(p);
    p.paused = true;
  }
  retry(id: number): void {
    if (this.state === "leader") {
      const p = this.prs.get(id);
      if (p) {
        p.paused = false;
        while (this.maybeSend(id, false)) {}
      }
    }
  }
  private toProbe(p: Progress): void {
    p.next = p.state === "snapshot" ? Math.max(p.match + 1, p.pendingSnapshot + 1) : p.match + 1;
    p.state = "probe";
    p.paused = false;
    p.inflight = [];
    p.inflightBytes = 0;
    p.pendingSnapshot = 0;
  }
  private toReplicate(p: Progress): void {
    p.state = "replicate";
    p.paused = false;
    p.inflight = [];
    p.inflightBytes = 0;
    p.pendingSnapshot = 0;
    p.next = p.match + 1;
  }
  private isPaused(p: Progress): boolean {
    return p.state === "snapshot" ? true : p.paused;
  }
  private bcastAppend(): void {
    for (const id of this.peers()) this.maybeSend(id, true);
  }
  private bcastHeartbeat(context: ReadContext | null): void {
    for (const id of this.peers()) {
      const p = this.prs.get(id) as Progress;
      this.send({ ...this.mk("MsgHeartbeat", id), commit: Math.min(p.match, this.committed), context });
    }
  }
  private full(p: Progress): boolean {
    return (
      p.inflight.length >= this.c.maxInflightMessages ||
      (p.inflightBytes >= this.c.maxInflightBytes && p.inflightBytes > 0)
    );
  }
  private maybeSend(to: number, empty: boolean): boolean {
    const p = this.prs.get(to);
    if (!p || this.isPaused(p)) return false;
    const prev = p.next - 1;
    const full = p.state === "replicate" && this.full(p);
    let es: readonly Entry[] = [];
    if (prev < this.firstIndex - 1) return this.sendSnap(to, p);
    if (!full) {
      const r = this.entriesFrom(p.next, this.lastIndex + 1, this.c.maxSizePerMessage);
      if (r === "pending") return false;
      if (typeof r === "string") return this.sendSnap(to, p);
      es = r;
    }
    if (es.length === 0 && !empty) return false;
    this.send({
      ...this.mk("MsgApp", to),
      index: prev,
      logTerm: this.termOf(prev),
      entries: es,
      commit: this.committed,
    });
    if (p.state === "replicate") {
      if (es.length > 0) {
        p.next += es.length;
        const b = bytesOf(es);
        p.inflight.push({ last: p.next - 1, bytes: b });
        p.inflightBytes += b;
      }
      p.paused = this.full(p);
    } else if (es.length > 0) p.paused = true;
    return es.length > 0;
  }
  private sendSnap(to: number, p: Progress): boolean {
    if (!p.recentActive) return false;
    const s = this.st.snapshot();
    if (s === "pending") return false;
    p.state = "snapshot";
    p.pendingSnapshot = s.metadata.index;
    p.next = s.metadata.index + 1;
    p.inflight = [];
    p.inflightBytes = 0;
    this.send({ ...this.mk("MsgSnap", to), snapshot: s });
    return true;
  }
  private maybeCommit(): boolean {
    const acked = (id: number): number => this.prs.get(id)?.match ?? 0;
    const i = Math.min(majorityCommitted(this.conf.voters, acked), majorityCommitted(this.conf.votersOutgoing, acked));
    if (
      i <= this.committed ||
      i > this.lastIndex ||
      (this.termOf(i) !== this.term && this.c.faults?.commitOldTerm !== true)
    )
      return false;
    this.committed = i;
    return true;
  }
  step(m: Message): void {
    if (m.term > this.term && m.term !== 0) {
      if (m.type === "MsgVote" || m.type === "MsgPreVote") {
        if (m.context !== "transfer" && this.c.checkQuorum && this.leader !== 0 && this.elapsed < this.c.electionTicks)
          return;
      }
      if (m.type !== "MsgPreVote" && !(m.type === "MsgPreVoteResp" && !m.reject))
        this.becomeFollower(
          m.term,
          m.type === "MsgApp" || m.type === "MsgHeartbeat" || m.type === "MsgSnap" ? m.from : 0,
        );
    } else if (m.term < this.term && m.term !== 0) {
      if (m.type === "MsgHeartbeat" || m.type === "MsgApp") {
        if (this.c.checkQuorum || this.c.preVote) this.send(this.mk("MsgAppResp", m.from));
      } else if (m.type === "MsgPreVote")
        this.send({ ...this.mk("MsgPreVoteResp", m.from), term: this.term, reject: true });
      else if (m.type === "MsgStorageAppendResp") {
        if (m.snapshot !== null) this.appliedSnap(m.snapshot);
      } else if (m.type === "MsgStorageApplyResp") this.applyResp(m);
      return;
    }
    switch (m.type) {
      case "MsgStorageAppendResp":
        if (m.index !== 0) this.stableTo(m.index, m.logTerm);
        if (m.snapshot !== null) this.appliedSnap(m.snapshot);
        return;
      case "MsgStorageApplyResp":
        this.applyResp(m);
        return;
      case "MsgVote":
      case "MsgPreVote": {
        const can =
          this.vote === m.from ||
          (this.vote === 0 && this.leader === 0) ||
          (m.type === "MsgPreVote" && m.term > this.term);
        const lt = this.termOf(this.lastIndex);
        const fresh = m.logTerm > lt || (m.logTerm === lt && m.index >= this.lastIndex);
        const resp = m.type === "MsgVote" ? "MsgVoteResp" : "MsgPreVoteResp";
        if (can && fresh) {
          this.send({ ...this.mk(resp, m.from), term: m.term });
          if (m.type === "MsgVote") {
            this.elapsed = 0;
            this.vote = m.from;
          }
        } else this.send({ ...this.mk(resp, m.from), term: this.term, reject: true });
        return;
      }
      default:
        break;
    }
    if (this.state === "leader") this.stepLeader(m);
    else if (this.state === "follower") this.stepFollower(m);
    else this.stepCandidate(m);
  }
  private stepCandidate(m: Message): void {
    const my = this.state === "preCandidate" ? "MsgPreVoteResp" : "MsgVoteResp";
    if (m.type === "MsgApp" || m.type === "MsgHeartbeat" || m.type === "MsgSnap") {
      this.becomeFollower(m.term, m.from);
      this.stepFollower(m);
    } else if (m.type === my) {
      if (!this.votes.has(m.from)) this.votes.set(m.from, !m.reject);
      const r = voteResult(this.conf, this.votes);
      if (r === "won") {
        if (this.state === "preCandidate") this.campaignNow();
        else this.becomeLeader();
      } else if (r === "lost") this.becomeFollower(this.term, 0);
    }
  }
  private campaignNow(): void {
    this.reset(this.term + 1);
    this.state = "candidate";
    this.vote = this.id;
    for (const id of this.voters().sort((a, b) => a - b)) {
      if (id === this.id) this.after.push({ ...this.mk("MsgVoteResp", id), term: this.term });
      else
        this.send({
          ...this.mk("MsgVote", id),
          term: this.term,
          index: this.lastIndex,
          logTerm: this.termOf(this.lastIndex),
        });
    }
  }
  private stepFollower(m: Message): void {
    switch (m.type) {
      case "MsgApp":
        this.elapsed = 0;
        this.leader = m.from;
        this.handleApp(m);
        break;
      case "MsgHeartbeat":
        this.elapsed = 0;
        this.leader = m.from;
        this.commitTo(m.commit);
        this.send({ ...this.mk("MsgHeartbeatResp", m.from), context: m.context });
        break;
      case "MsgSnap":
        this.elapsed = 0;
        this.leader = m.from;
        this.handleSnap(m);
        break;
      case "MsgTimeoutNow":
        this.campaign(true);
        break;
      default:
        break;
    }
  }
  private commitTo(i: number): void {
    if (i > this.committed) {
      assert(i <= this.lastIndex, "commit is within the log");
      this.committed = i;
    }
  }
  private handleApp(m: Message): void {
    if (m.index < this.committed) {
      this.send({ ...this.mk("MsgAppResp", m.from), index: this.committed });
      return;
    }
    if (m.index <= this.lastIndex && this.termOf(m.index) === m.logTerm) {
      const last = m.index + m.entries.length;
      let at = 0;
      for (; at < m.entries.length; at++) {
        const e = m.entries[at] as Entry;
        if (e.index > this.lastIndex || this.termOf(e.index) !== e.term) break;
      }
      if (at < m.entries.length) {
        const es = m.entries.slice(at);
        const first = (es[0] as Entry).index;
        assert(first > this.committed, "a committed entry is never replaced");
        if (first <= this.offset) {
          this.offset = first;
          this.unstable = [...es];
          this.offsetInProgress = first;
        } else {
          this.unstable = [...this.unstable.slice(0, first - this.offset), ...es];
          this.offsetInProgress = Math.min(this.offsetInProgress, first);
        }
      }
      this.commitTo(Math.min(m.commit, last));
      this.send({ ...this.mk("MsgAppResp", m.from), index: last });
      return;
    }
    let hint = Math.min(m.index, this.lastIndex);
    while (hint > 0 && this.termOf(hint) > m.logTerm) hint--;
    this.send({
      ...this.mk("MsgAppResp", m.from),
      index: m.index,
      reject: true,
      rejectHint: hint,
      logTerm: this.termOf(hint),
    });
  }
  private handleSnap(m: Message): void {
    const s = m.snapshot;
    if (s === null) return;
    const { index, term, confState } = s.metadata;
    if (index <= this.committed) {
      this.send({ ...this.mk("MsgAppResp", m.from), index: this.committed });
      return;
    }
    if (this.termOf(index) === term) {
      this.commitTo(index);
      this.send({ ...this.mk("MsgAppResp", m.from), index: this.committed });
      return;
    }
    this.pendingSnap = s;
    this.snapInProgress = false;
    this.unstable = [];
    this.offset = index + 1;
    this.offsetInProgress = index + 1;
    this.committed = index;
    this.conf = confState;
    this.sync();
    this.send({ ...this.mk("MsgAppResp", m.from), index: this.lastIndex });
  }
  private stepLeader(m: Message): void {
    const p = this.prs.get(m.from);
    if (!p) return;
    if (m.type === "MsgAppResp") {
      p.recentActive = true;
      if (m.reject) {
        let next = m.rejectHint;
        if (m.logTerm > 0) {
          next = Math.min(m.rejectHint, this.lastIndex);
          while (next > 0 && this.termOf(next) > m.logTerm) next--;
        }
        if (p.state === "replicate") {
          if (m.index <= p.match) return;
          p.next = p.match + 1;
          this.toProbe(p);
          this.maybeSend(m.from, true);
        } else {
          if (p.next - 1 !== m.index) return;
          p.next = Math.max(Math.min(m.index, next + 1), p.match + 1);
          p.paused = false;
          this.maybeSend(m.from, true);
        }
        return;
      }
      if (m.index > p.match || (p.match === m.index && p.state === "probe")) {
        p.match = Math.max(p.match, m.index);
        p.next = Math.max(p.next, m.index + 1);
        p.paused = false;
        if (p.state === "probe") this.toReplicate(p);
        else if (p.state === "snapshot" && p.match + 1 >= this.firstIndex) {
          this.toProbe(p);
          this.toReplicate(p);
        } else if (p.state === "replicate") {
          let k = 0;
          while (k < p.inflight.length && (p.inflight[k] as { last: number }).last <= m.index) {
            p.inflightBytes -= (p.inflight[k] as { bytes: number }).bytes;
            k++;
          }
          p.inflight.splice(0, k);
        }
        if (this.maybeCommit()) this.bcastAppend();
        else if (m.from !== this.id) this.maybeSend(m.from, false);
        if (m.from !== this.id) while (this.maybeSend(m.from, false)) {}
        if (m.from === this.transferee && p.match === this.lastIndex) this.send(this.mk("MsgTimeoutNow", m.from));
      }
    } else if (m.type === "MsgHeartbeatResp") {
      p.recentActive = true;
      p.paused = false;
      if (p.match < this.lastIndex || p.state === "probe") this.maybeSend(m.from, true);
      if (m.context !== null) {
        const at = this.reads.findIndex((r) => r.context === m.context);
        const r = this.reads[at];
        if (r) {
          r.acks.add(m.from);
          const ok = (set: readonly number[]): boolean => set.filter((id) => r.acks.has(id)).length > set.length / 2;
          if (this.joint(ok))
            for (const done of this.reads.splice(0, at + 1))
              this.readStates.push({ index: done.index, context: done.context });
        }
      }
    } else if (m.type === "MsgSnapStatus") this.reportSnapshot(m.from, !m.reject);
  }
  private stableTo(index: number, term: number): void {
    if (index < this.offset || this.termOf(index) !== term) return;
    const n = index + 1 - this.offset;
    this.unstable = this.unstable.slice(n);
    this.offset = index + 1;
    this.offsetInProgress = Math.max(this.offsetInProgress, this.offset);
  }
  private appliedSnap(s: Snapshot): void {
    if (this.pendingSnap !== null && this.pendingSnap.metadata.index === s.metadata.index) {
      this.pendingSnap = null;
      this.snapInProgress = false;
    }
    if (s.metadata.index > this.applied) {
      this.applied = s.metadata.index;
      this.applying = Math.max(this.applying, this.applied);
    }
  }
  private applyResp(m: Message): void {
    const last = m.entries[m.entries.length - 1];
    if (!last) return;
    this.applied = Math.max(this.applied, last.index);
    this.uncommitted = Math.max(0, this.uncommitted - bytesOf(m.entries));
    if (
      this.state === "leader" &&
      this.conf.autoLeave &&
      this.conf.votersOutgoing.length > 0 &&
      this.pendingConf <= this.applied
    ) {
      try {
        this.pendingConf = this.lastIndex + 1;
        this.append([
          {
            type: EntryType.confChangeV2,
            data: encodeConfChange({ transition: "auto", changes: [], context: new Uint8Array(0) }),
          },
        ]);
        this.bcastAppend();
      } catch {
        /* tried again at the next apply */
      }
    }
  }
  private applyHi(): number {
    return Math.min(this.committed, this.pendingSnap !== null ? 0 : this.offset - 1);
  }
  hasReady(): boolean {
    return (
      this.msgs.length > 0 ||
      this.after.length > 0 ||
      this.readStates.length > 0 ||
      (this.offsetInProgress <= this.lastIndex && this.unstable.length > this.offsetInProgress - this.offset) ||
      (this.pendingSnap !== null && !this.snapInProgress) ||
      this.applyHi() > this.applying ||
      this.term !== this.lastHs.term ||
      this.vote !== this.lastHs.vote ||
      this.committed !== this.lastHs.commit
    );
  }
  ready(): Ready {
    const hs: HardState = { term: this.term, vote: this.vote, commit: this.committed };
    const changed = hs.term !== this.lastHs.term || hs.vote !== this.lastHs.vote || hs.commit !== this.lastHs.commit;
    this.lastHs = hs;
    const es = this.unstable.slice(Math.max(0, this.offsetInProgress - this.offset));
    const snap = this.pendingSnap !== null && !this.snapInProgress ? this.pendingSnap : null;
    const msgs = this.msgs;
    const responses = this.after;
    this.msgs = [];
    this.after = [];
    if (changed || es.length > 0 || snap !== null || responses.length > 0) {
      const last = es[es.length - 1];
      const resp: Message[] = [...responses];
      if (es.length > 0 || snap !== null)
        resp.push({
          ...emptyMessage("MsgStorageAppendResp", APPEND_THREAD, this.id),
          term: this.term,
          index: last?.index ?? 0,
          logTerm: last?.term ?? 0,
          snapshot: snap,
        });
      msgs.push({
        ...emptyMessage("MsgStorageAppend", this.id, APPEND_THREAD),
        term: hs.term,
        vote: hs.vote,
        commit: hs.commit,
        entries: es,
        snapshot: snap,
        responses: resp,
      });
      if (es.length > 0) this.offsetInProgress = this.offset + this.unstable.length;
      if (snap !== null) this.snapInProgress = true;
    }
    const hi = this.applyHi();
    if (hi > this.applying) {
      const r = this.entriesFrom(this.applying + 1, hi + 1, this.c.maxCommittedSizePerReady);
      if (typeof r !== "string" && r.length > 0) {
        this.applying = (r[r.length - 1] as Entry).index;
        msgs.push({
          ...emptyMessage("MsgStorageApply", this.id, APPLY_THREAD),
          entries: r,
          responses: [{ ...emptyMessage("MsgStorageApplyResp", APPLY_THREAD, this.id), entries: r }],
        });
      }
    }
    const readStates = this.readStates;
    this.readStates = [];
    return { hardState: changed ? hs : null, messages: msgs, readStates };
  }
}
