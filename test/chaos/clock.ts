/** clock.ts: the machine's monotonic clock, which is one for all processes, and waits on it. */
import { setTimeout as wait } from "node:timers/promises";

/** Milliseconds of CLOCK_MONOTONIC, with fractions. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Resolves after so long, or as soon as `signal` is aborted. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await wait(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {});
}

const LOOK_MS = 50;

/**
 * Waits until nothing is left of a number of things. @throws Error when the number does not fall for `stillMs`, or is above 0 after
 * `deadlineMs`.
 */
export async function waitUntilNone(
  what: string,
  { stillMs, deadlineMs }: { readonly stillMs: number; readonly deadlineMs: number },
  count: () => number,
): Promise<void> {
  const endMs = nowMs() + deadlineMs;
  let least = Number.POSITIVE_INFINITY;
  let leastAtMs = nowMs();
  for (;;) {
    const left = count();
    if (left === 0) return;
    if (left < least) {
      least = left;
      leastAtMs = nowMs();
    }
    if (nowMs() > leastAtMs + stillMs)
      throw new Error(`${what}: ${left} are left and no fewer for ${stillMs / 1_000} s`);
    if (nowMs() > endMs) throw new Error(`${what}: ${left} are left after ${deadlineMs / 1_000} s`);
    await pause(LOOK_MS);
  }
}

/** Looks until `isSo`. @throws Error after `deadlineMs`, with what the last look found wrong. */
export async function waitUntil(what: string, deadlineMs: number, isSo: () => Promise<true | string>): Promise<void> {
  const endMs = nowMs() + deadlineMs;
  for (;;) {
    const found = await isSo().catch((error: unknown) => String(error));
    if (found === true) return;
    if (nowMs() > endMs) throw new Error(`${what}: not within ${deadlineMs / 1_000} s: ${found}`);
    await pause(LOOK_MS);
  }
}
