/**
 * progress.ts: what a leader knows of one node's log, and how fast it may send to it.
 *
 * States: probe (one append until the next answer or heartbeat) -> replicate (a pipeline, bounded by Inflights), when
 * the logs are known to match; either -> snapshot (nothing but a snapshot), when the entries are gone; snapshot ->
 * probe -> replicate, when it was installed. replicate -> probe after a refusal or an unreachable report.
 * Invariants:
 *   P1  match < next
 *   P2  match never goes back within a leader's term
 *   P3  in state snapshot nothing is sent
 * Source: Raft paper section 5.3 (nextIndex, matchIndex); thesis section 10.2.2 for the pipeline.
 */
import { assert } from "../assert.js";
import type { ProgressState, ProgressView } from "../types.js";
import { Inflights } from "./inflights.js";

/** Bounds of the pipeline to one follower. */
export interface FlowLimits {
  readonly maxInflightMessages: number;
  /** 0: no limit. */
  readonly maxInflightBytes: number;
}

export class Progress implements ProgressView {
  match = 0;
  state: ProgressState = "probe";
  recentActive = false;
  /** It was active in the interval that the last check of the quorum ended. */
  private wasActive = false;
  pendingSnapshot = 0;
  /** Whether the last append must be answered, or a heartbeat be, before the next. */
  flowPaused = false;
  /** Whether the host loads the entries that go next. */
  loading = false;
  /** The highest round of reads that this node has confirmed its leader for. */
  confirmedRead = 0;
  private readonly inflights: Inflights;
  /** The highest commit index that was sent and not known to be lost. */
  private sentCommit = 0;

  constructor(
    public next: number,
    public isLearner: boolean,
    limits: FlowLimits,
  ) {
    assert(next >= 1, "P1");
    this.inflights = new Inflights(limits.maxInflightMessages, limits.maxInflightBytes);
  }

  get isPaused(): boolean {
    return this.state === "snapshot" || this.flowPaused; // P3
  }

  get inflightCount(): number {
    return this.inflights.count;
  }

  get inflightFull(): boolean {
    return this.inflights.isFull;
  }

  get isAnswering(): boolean {
    return this.recentActive || this.wasActive;
  }

  /** The quorum was checked: whoever is there has to answer again. */
  endInterval(): void {
    this.wasActive = this.recentActive;
    this.recentActive = false;
  }

  /** Forgets everything, as a new leader or candidate must. */
  reset(match: number, next: number): void {
    this.enter("probe");
    this.match = match;
    this.next = next;
    this.recentActive = false;
    this.wasActive = false;
    this.loading = false;
    this.confirmedRead = 0;
    this.sentCommit = 0;
    assert(this.match < this.next, "P1");
  }

  becomeProbe(): void {
    const installed = this.state === "snapshot" ? this.pendingSnapshot : 0;
    this.enter("probe");
    this.next = Math.max(this.match, installed) + 1;
    this.capSentCommit();
  }

  becomeReplicate(): void {
    this.enter("replicate");
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    assert(index > 0, "a snapshot has an index");
    this.enter("snapshot");
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  /** An append with `count` entries left. */
  sentEntries(count: number, bytes: number): void {
    assert(this.state !== "snapshot", "P3");
    if (this.state === "probe") {
      // An empty probe costs little and may be repeated; one with entries must be answered first.
      if (count > 0) this.flowPaused = true;
      return;
    }
    if (count > 0) {
      this.next += count;
      this.inflights.add(this.next - 1, bytes);
    }
    this.flowPaused = this.inflights.isFull;
  }

  sentCommitIndex(index: number): void {
    this.sentCommit = index;
  }

  /** Whether sending `index` may raise the node's commit index, as far as this leader knows. */
  canRaiseCommit(index: number): boolean {
    return index > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** The node has everything up to `index`. False: that was known. */
  maybeUpdate(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index; // P2
    this.next = Math.max(this.next, index + 1);
    this.flowPaused = false;
    return true;
  }

  /** Appends up to `index` are answered. */
  freeInflights(index: number): void {
    this.inflights.freeTo(index);
  }

  /** The node refused the append after `rejected` and may match at `hint`. False: an answer to an older append. */
  maybeDecrease(rejected: number, hint: number): boolean {
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      this.capSentCommit();
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    assert(this.match < this.next, "P1");
    this.capSentCommit();
    this.flowPaused = false;
    return true;
  }

  private enter(state: ProgressState): void {
    this.state = state;
    this.flowPaused = false;
    this.pendingSnapshot = 0;
    this.inflights.clear();
  }

  private capSentCommit(): void {
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
  }
}
