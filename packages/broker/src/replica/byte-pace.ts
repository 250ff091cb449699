/**
 * byte-pace.ts: how long to wait so that what is read stays below so many bytes a second, over all that share the pace. Pure but for the
 * clock: a bucket that holds one second's worth, and that may be overdrawn by what was read last.
 */
import type { Clock } from "@varve/base";

export class BytePace {
  private readonly clock: Clock;
  private readonly bytesPerSecond: number;
  /** When the bucket is not overdrawn any more. */
  private paidAtMs: number;

  /** `bytesPerSecond` -1: no limit. */
  constructor(clock: Clock, bytesPerSecond: number) {
    this.clock = clock;
    this.bytesPerSecond = bytesPerSecond;
    this.paidAtMs = clock.monotonicMs();
  }

  /** Notes that so much was read, and answers how long to wait before more is, milliseconds. */
  take(bytes: number): number {
    if (this.bytesPerSecond < 0) return 0;
    const nowMs = this.clock.monotonicMs();
    this.paidAtMs = Math.max(this.paidAtMs, nowMs - 1_000) + (1_000 * bytes) / this.bytesPerSecond;
    return Math.max(0, this.paidAtMs - nowMs);
  }
}
