/**
 * bucket.ts: allows so many of something at once, and so many a second in the long run.
 */

export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

export class Bucket {
  private tokens: number;
  private atMs = performance.now();
  private readonly rate: Rate;

  constructor(rate: Rate) {
    this.rate = rate;
    this.tokens = rate.burst;
  }

  /** Takes one; false when there was none. */
  take(): boolean {
    const left = this.left();
    this.tokens = Math.max(0, left - 1);
    return left >= 1;
  }

  get isEmpty(): boolean {
    return this.left() < 1;
  }

  /** Nothing was taken for so long that it need not be remembered. */
  get isFull(): boolean {
    return this.left() >= this.rate.burst;
  }

  private left(): number {
    const nowMs = performance.now();
    this.tokens = Math.min(this.rate.burst, this.tokens + ((nowMs - this.atMs) * this.rate.perSecond) / 1_000);
    this.atMs = nowMs;
    return this.tokens;
  }
}
