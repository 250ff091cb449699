/**
 * watermark-waiters.ts: long polls of one partition, woken by a commit, a deadline, a lost leadership or their caller.
 */
import { type Clock, type Offset, onAbort, type TimerHandle } from "@varve/base";

interface Waiter {
  readonly above: Offset;
  readonly wake: () => void;
}

export class WatermarkWaiters {
  private readonly clock: Clock;
  private readonly waiters = new Set<Waiter>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get count(): number {
    return this.waiters.size;
  }

  /** Resolves when `rise` was called with a high watermark above `above`, `wakeAll` was called, `waitMs` passed or `signal` aborted. */
  wait(above: Offset, waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      let timer: TimerHandle | null = null;
      const wake = (): void => {
        this.waiters.delete(waiter);
        timer?.cancel();
        forget?.();
        resolve();
      };
      const waiter: Waiter = { above, wake };
      this.waiters.add(waiter);
      if (Number.isFinite(waitMs)) timer = this.clock.setTimer(waitMs, wake);
      const forget = signal === undefined ? null : onAbort(signal, wake);
    });
  }

  rise(highWatermark: Offset): void {
    if (this.waiters.size === 0) return;
    for (const waiter of [...this.waiters]) if (highWatermark > waiter.above) waiter.wake();
  }

  wakeAll(): void {
    for (const waiter of [...this.waiters]) waiter.wake();
  }
}
