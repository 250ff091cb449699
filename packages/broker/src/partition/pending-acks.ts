/**
 * pending-acks.ts: appended batches whose producers wait for the verdict of the log.
 *
 * Invariant A1: each batch is settled once, by the frame applied at its index or after leadership was lost; each caller by that or its deadline.
 */
import { assert, type Offset, type RaftIndex, type Term, type VarveError } from "@varve/base";
import type { ProducerStamp } from "@varve/storage";

export interface Pending {
  readonly index: RaftIndex;
  readonly term: Term;
  readonly baseOffset: Offset;
  readonly bytes: number;
  readonly stamp: ProducerStamp;
  readonly appendedAtMs: number;
  /** Callers that wait: the first, and repeats of the same batch that arrived meanwhile. */
  waiters: Waiter[];
}

export interface Waiter {
  readonly resolve: (duplicate: boolean) => void;
  readonly reject: (error: VarveError) => void;
  readonly duplicate: boolean;
  readonly deadlineAtMs: number;
}

export class PendingAcks {
  private readonly byIndex = new Map<RaftIndex, Pending>();
  private orphans: { readonly pending: Pending; readonly untilMs: number }[] = [];

  get size(): number {
    return this.byIndex.size + this.orphans.length;
  }

  add(pending: Pending): void {
    assert(!this.byIndex.has(pending.index), "A1: one batch per index and leadership");
    this.byIndex.set(pending.index, pending);
  }

  /** The batches that waited for the frame at `index`, with whether it is theirs. */
  take(index: RaftIndex, term: Term): { readonly pending: Pending; readonly applied: boolean }[] {
    const found: { pending: Pending; applied: boolean }[] = [];
    const pending = this.byIndex.get(index);
    if (pending !== undefined) {
      this.byIndex.delete(index);
      found.push({ pending, applied: pending.term === term });
    }
    if (this.orphans.length > 0) {
      for (const orphan of this.orphans) {
        if (orphan.pending.index === index)
          found.push({ pending: orphan.pending, applied: orphan.pending.term === term });
      }
      this.orphans = this.orphans.filter((orphan) => orphan.pending.index !== index);
    }
    return found;
  }

  /** Leadership was lost: the log may still settle these until `untilMs`. */
  orphanAll(untilMs: number): void {
    for (const pending of this.byIndex.values()) this.orphans.push({ pending, untilMs });
    this.byIndex.clear();
  }

  /** Callers whose deadline has passed (their batch stays, a repeat may still join it), and batches that nobody will settle. */
  expire(nowMs: number): {
    readonly late: { readonly pending: Pending; readonly waiter: Waiter }[];
    readonly unknown: Pending[];
  } {
    const late: { pending: Pending; waiter: Waiter }[] = [];
    for (const pending of this.byIndex.values()) {
      if (!pending.waiters.some((waiter) => waiter.deadlineAtMs <= nowMs)) continue;
      for (const waiter of pending.waiters) if (waiter.deadlineAtMs <= nowMs) late.push({ pending, waiter });
      pending.waiters = pending.waiters.filter((waiter) => waiter.deadlineAtMs > nowMs);
    }
    const unknown = this.orphans.filter((orphan) => orphan.untilMs <= nowMs).map((orphan) => orphan.pending);
    if (unknown.length > 0) this.orphans = this.orphans.filter((orphan) => orphan.untilMs > nowMs);
    return { late, unknown };
  }

  takeAll(): Pending[] {
    const all = [...this.byIndex.values(), ...this.orphans.map((orphan) => orphan.pending)];
    this.byIndex.clear();
    this.orphans = [];
    return all;
  }
}
