/**
 * pacer.ts: holds a reader to a number of records per second; what was missed in the last tenth of a second may be caught up.
 */
import type { Clock } from "@varve/base";

const CATCH_UP_MS = 100;

export class Pacer {
  private readonly clock: Clock;
  private readonly intervalMs: number;
  private nextAtMs: number;

  constructor(clock: Clock, recordsPerSecond: number) {
    this.clock = clock;
    this.intervalMs = 1_000 / recordsPerSecond;
    this.nextAtMs = clock.monotonicMs();
  }

  /** How long to wait before the next record, milliseconds. */
  waitMs(): number {
    return Math.max(0, this.nextAtMs - this.clock.monotonicMs());
  }

  /** A record was handed out. */
  count(): void {
    const nowMs = this.clock.monotonicMs();
    this.nextAtMs = Math.max(this.nextAtMs, nowMs - CATCH_UP_MS) + this.intervalMs;
  }
}
