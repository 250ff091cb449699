/**
 * stall-watch.ts: for how long a loop has not turned, as seen from another thread. Pure.
 *
 * Invariant W1: only time counts in which the watching thread itself ran: a process that was stopped as a whole, or a machine that slept, has not
 * hung. So between two looks at most `lookMsMax` is counted.
 */
export class StallWatch {
  private readonly lookMsMax: number;
  private turns = 0;
  private lookedAtMs: number;
  private stalled = 0;

  constructor(nowMs: number, lookMsMax: number) {
    this.lookedAtMs = nowMs;
    this.lookMsMax = lookMsMax;
  }

  /** `turns`: a count that the loop raises at each beat. */
  look(turns: number, nowMs: number): void {
    const passedMs = Math.min(Math.max(0, nowMs - this.lookedAtMs), this.lookMsMax); // W1
    this.lookedAtMs = nowMs;
    this.stalled = turns === this.turns ? this.stalled + passedMs : 0;
    this.turns = turns;
  }

  /** Time without a turn, as of the last look. */
  get stalledMs(): number {
    return this.stalled;
  }
}
