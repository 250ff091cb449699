/**
 * clock.ts: the port to time. Elections, timeouts and waits use the monotonic clock; only append times use the wall clock.
 */
import { onAbort } from "../abort.js";

export interface TimerHandle {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds that never go back; the zero point has no meaning. */
  monotonicMs(): number;
  /** Milliseconds since 1970-01-01T00:00Z; may jump. */
  wallMs(): number;
  /** Calls `callback` once, not before `delayMs` have passed. Does not keep the process alive by itself. */
  setTimer(delayMs: number, callback: () => void): TimerHandle;
  /** Calls `callback` after the input that is being handled now, together with whatever else arrived with it. */
  defer(callback: () => void): void;
}

/** Resolves after `delayMs`; rejects at once with `signal.reason` when `signal` is or becomes aborted. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const timer = clock.setTimer(delayMs, () => {
      forget?.();
      resolve();
    });
    const forget =
      signal === undefined
        ? null
        : onAbort(signal, () => {
            timer.cancel();
            reject(signal.reason);
          });
  });
}
