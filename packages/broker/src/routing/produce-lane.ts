/**
 * produce-lane.ts: the produce calls of one client connection for one partition, in the order in which they arrived, up to the leader's append.
 *
 * Many are in flight at once. A leader appends in the order in which calls reach it, and a link keeps that order; but one that was refused because
 * the leadership moves is sent again, and those behind it must not pass it then: the leader would see a gap in their producer's sequences.
 * States of a lane:
 *   open      calls go as they come, all to the leader of one term
 *   draining  one came back and is to be sent again: nothing goes until all in flight have come back
 *   probing   the first goes alone; a verdict on it opens the lane
 * Invariants:
 *   Q1  a call goes only when all before it have gone, and none of them came back to be sent again
 *   Q2  calls in flight are with the leader of one term
 *   Q3  a gap in a producer's sequences is a verdict only on the first call of a lane that is not draining: what the leader missed before another
 *       may be on its way
 *   Q4  a call that waits ends by its deadline. How many wait, and their bytes, is bounded by what a connection may have in flight (traffic.ts)
 */
import { assert, type Clock, isVarveError, type Term, type TimerHandle, type VarveError } from "@varve/base";
import { isSafeToRepeat, RETRY_FIRST_MS, RETRY_MAX_MS } from "./repeatable.js";

/** A leader that calls can be made to. */
export interface LaneTarget {
  readonly term: Term;
}

/** One call and how it is made. */
export interface LaneCall<Target extends LaneTarget, T> {
  /** Resolves when it is known where the call goes; null: it is. */
  readonly located: Promise<void> | null;
  /** The leader that it would be made to now; null: none is known. */
  target(): Target | null;
  /** Makes the call: it is appended, or has left, when this returns. */
  send(target: Target): Promise<T>;
  /** Why a call that was not written waits no more; null: it does. It is asked again after at most `nextMs`. */
  endOfWait(waitedMs: number, nextMs: number): VarveError | null;
}

interface Entry<Target extends LaneTarget, T> {
  readonly call: LaneCall<Target, T>;
  readonly number: number;
  readonly arrivedAtMs: number;
  readonly resolve: (result: T) => void;
  readonly reject: (error: unknown) => void;
  isLocated: boolean;
}

export class ProduceLane<Target extends LaneTarget, T> {
  private readonly clock: Clock;
  private readonly onEmpty: () => void;
  private state: "open" | "draining" | "probing" = "open";
  /** Calls that are not settled, in the order of their arrival. */
  private readonly entries = new Set<Entry<Target, T>>();
  /** Those among them that are not in flight, in the same order. */
  private readonly waiting: Entry<Target, T>[] = [];
  private inFlight = 0;
  /** Of the leader that has those in flight. */
  private term: Term = 0;
  private lastNumber = 0;
  private backoffMs = RETRY_FIRST_MS;
  private notBeforeMs = 0;
  private timer: TimerHandle | null = null;

  /** @param onEmpty told when no call is left; the lane is not used again. */
  constructor(clock: Clock, onEmpty: () => void) {
    this.clock = clock;
    this.onEmpty = onEmpty;
  }

  /** Makes the call in its turn: before this returns, when nothing waits and a leader is known. @throws what the call throws. */
  submit(call: LaneCall<Target, T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const arrivedAtMs = this.clock.monotonicMs();
      const number = ++this.lastNumber;
      const entry = { call, number, arrivedAtMs, resolve, reject, isLocated: call.located === null };
      this.entries.add(entry);
      this.waiting.push(entry);
      if (call.located !== null) this.locate(entry, call.located);
      this.pump();
    });
  }

  private locate(entry: Entry<Target, T>, located: Promise<void>): void {
    located.then(
      () => {
        if (!this.entries.has(entry)) return; // Its wait had ended.
        entry.isLocated = true;
        this.pump();
      },
      (error: unknown) => {
        if (!this.entries.has(entry)) return;
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        this.settle(entry, () => entry.reject(error));
        this.pump();
      },
    );
  }

  /** Sends what may go, in order. */
  private pump(): void {
    for (;;) {
      const next = this.waiting[0];
      const target = next === undefined ? null : this.targetOf(next);
      if (next === undefined || target === null) break;
      this.waiting.shift();
      this.go(next, target);
    }
    if (this.waiting.length > 0) this.lookAgain();
    else if (this.entries.size === 0) this.end();
  }

  /** Where the first of those that wait may go now. Q1, Q2. */
  private targetOf({ call, isLocated }: Entry<Target, T>): Target | null {
    if (!isLocated || (this.state !== "open" && this.inFlight > 0)) return null;
    if (this.notBeforeMs > 0 && this.clock.monotonicMs() < this.notBeforeMs) return null;
    const target = call.target();
    return target !== null && (this.inFlight === 0 || target.term === this.term) ? target : null;
  }

  private go(entry: Entry<Target, T>, target: Target): void {
    if (this.state === "draining") this.state = "probing";
    if (this.state === "open") this.backoffMs = RETRY_FIRST_MS;
    this.inFlight++;
    this.term = target.term;
    entry.call.send(target).then(
      (result) => this.verdict(entry, () => entry.resolve(result)),
      (error: unknown) => {
        if (this.isNoVerdict(entry, error)) this.comeBack(entry);
        else this.verdict(entry, () => entry.reject(error));
      },
    );
  }

  private verdict(entry: Entry<Target, T>, tell: () => void): void {
    this.inFlight--;
    if (this.state === "probing") this.open();
    this.settle(entry, tell);
    this.pump();
  }

  private open(): void {
    this.state = "open";
    this.notBeforeMs = 0;
  }

  private settle(entry: Entry<Target, T>, tell: () => void): void {
    assert(this.entries.delete(entry), "a call is settled once");
    tell();
  }

  private isNoVerdict(entry: Entry<Target, T>, error: unknown): boolean {
    if (isSafeToRepeat(error)) return true;
    if (!isVarveError(error) || error.code !== "OUT_OF_ORDER_SEQUENCE") return false;
    const [first] = this.entries;
    return this.state === "draining" || entry !== first; // Q3
  }

  private comeBack(entry: Entry<Target, T>): void {
    this.inFlight--;
    this.state = "draining";
    this.insert(entry);
    if (this.inFlight === 0) {
      this.endWaits();
      this.notBeforeMs = this.clock.monotonicMs() + this.backoffMs;
    }
    this.pump();
  }

  private insert(entry: Entry<Target, T>): void {
    const at = this.waiting.findIndex(({ number }) => number > entry.number);
    this.waiting.splice(at < 0 ? this.waiting.length : at, 0, entry);
  }

  /** While something waits, it is looked at again and again, ever less often. */
  private lookAgain(): void {
    if (this.timer !== null) return;
    this.timer = this.clock.setTimer(this.backoffMs, () => {
      this.timer = null;
      this.backoffMs = Math.min(RETRY_MAX_MS, this.backoffMs * 2);
      this.endWaits();
      this.pump();
    });
  }

  /** Q4. */
  private endWaits(): void {
    const nowMs = this.clock.monotonicMs();
    for (const entry of this.waiting.splice(0)) {
      const error = entry.call.endOfWait(nowMs - entry.arrivedAtMs, this.backoffMs);
      if (error === null) this.waiting.push(entry);
      else this.settle(entry, () => entry.reject(error));
    }
  }

  private end(): void {
    this.timer?.cancel();
    this.timer = null;
    this.onEmpty();
  }
}
