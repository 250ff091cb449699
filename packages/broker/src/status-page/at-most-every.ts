/**
 * at-most-every.ts: shares one costly read among all who ask for it.
 *
 * Invariants:
 *   A1  two reads never start within `periodMs` of each other, and never overlap
 *   A2  whoever asks gets a read that was under way, or whose start lies less than `periodMs` back
 * One result is kept; a failure is shared in the same way, so that a broken source is not asked more often than a working one.
 */
import type { Clock } from "@varve/base";

export function atMostEvery<T>(clock: Clock, periodMs: number, read: () => Promise<T>): () => Promise<T> {
  let last: { readonly result: Promise<T>; readonly startedMs: number } | null = null;
  let underWay = false;
  return () => {
    const nowMs = clock.monotonicMs();
    if (last !== null && (underWay || nowMs - last.startedMs < periodMs)) return last.result;
    underWay = true;
    const result = read().finally(() => {
      underWay = false;
    });
    // Whoever waits hears of a failure; a result that nobody waits for any more must not end the process.
    result.catch(() => {});
    last = { result, startedMs: nowMs };
    return result;
  };
}
