/**
 * read-queue.ts: linearizable reads that wait until a quorum has confirmed their leader.
 *
 * Reads are numbered in the order of their arrival. A heartbeat carries the number of the newest read; an answer to it
 * confirms the leader for that read and all before it, since they all came before the heartbeat left.
 * Invariants:
 *   R1  a read's index is the commit index at its arrival, in a term whose first entry is committed
 *   R2  a read is released only when a quorum answered a heartbeat that left after its arrival
 *   R3  at most READS_MAX reads wait; one more is refused
 * Source: Raft thesis section 6.4.
 */
import { assert } from "../assert.js";
import type { ReadContext } from "../types.js";

/** Reads that may wait on a leader; hosts that expect more share one read among many of their callers. */
export const READS_MAX = 10_000;

/** A read, and who asked for it. */
export interface PendingRead {
  readonly from: number;
  readonly context: ReadContext;
}

interface NumberedRead extends PendingRead {
  readonly round: number;
  readonly index: number;
}

export class ReadQueue {
  private lastRound = 0;
  private waitingForQuorum: NumberedRead[] = [];
  private waitingForTerm: PendingRead[] = [];

  get isFull(): boolean {
    return this.waitingForQuorum.length + this.waitingForTerm.length >= READS_MAX; // R3
  }

  /** Number that heartbeats carry; null if no read waits. */
  get newestRound(): number | null {
    return this.waitingForQuorum.length === 0 ? null : this.lastRound;
  }

  /** Keeps a read until the leader has committed an entry of its term. */
  postpone(read: PendingRead): void {
    assert(!this.isFull, "R3");
    this.waitingForTerm.push(read);
  }

  /** The postponed reads, which are no longer here. */
  takePostponed(): readonly PendingRead[] {
    const reads = this.waitingForTerm;
    if (reads.length > 0) this.waitingForTerm = [];
    return reads;
  }

  add(read: PendingRead, index: number): void {
    assert(index > 0, "R1: a leader that serves reads has committed something");
    this.waitingForQuorum.push({ from: read.from, context: read.context, round: ++this.lastRound, index });
  }

  /** Reads up to `confirmedRound`, which are no longer here. */
  release(confirmedRound: number): readonly NumberedRead[] {
    let count = 0;
    while ((this.waitingForQuorum[count]?.round ?? Number.POSITIVE_INFINITY) <= confirmedRound) count++;
    return count === 0 ? [] : this.waitingForQuorum.splice(0, count);
  }

  /** A new term, or no longer leader: whoever waits must ask again. */
  clear(): void {
    this.lastRound = 0;
    if (this.waitingForQuorum.length > 0) this.waitingForQuorum = [];
    if (this.waitingForTerm.length > 0) this.waitingForTerm = [];
  }
}
