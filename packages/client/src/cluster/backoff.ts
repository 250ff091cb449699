/**
 * backoff.ts: how long to wait before the next attempt: doubling, with jitter, and no less than the broker asked for.
 */
import { type Random, randomBelow } from "@varve/base";

const FIRST_MS = 20;
const MAX_MS = 500;
/** What a broker may ask for at most. */
const ADVICE_MAX_MS = 5_000;

/** @param failures attempts that failed in a row, >= 1. */
export function backoffMs(random: Random, failures: number, retryAfterMs: number | null): number {
  const ceiling = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10));
  const jittered = ceiling / 2 + randomBelow(random, Math.ceil(ceiling / 2) + 1);
  return Math.max(jittered, Math.min(retryAfterMs ?? 0, ADVICE_MAX_MS));
}
