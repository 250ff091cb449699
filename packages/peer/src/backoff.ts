/**
 * backoff.ts: when to dial again.
 *
 * At once after a link broke, since the answer tells a killed process from a lost packet; then 10 ms, 50 ms and half as long again each time, up to
 * 1 s, each less a random part of up to a half, so that brokers that lost one peer together do not come back together. It grows slowly
 * since brokers of one cluster start within a second of each other, and each waits for the others. A link that breaks right after its
 * handshake, time after time, gets no more than one attempt without delay in `immediateRedialMs`.
 */
import { type Clock, type Random, randomBelow } from "@varve/base";
import { PEER_LIMITS } from "./limits.js";

const GROWTH = 1.5;

export class Backoff {
  private readonly clock: Clock;
  private readonly random: Random;
  private failures = 0;
  private immediateAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  /** Delay before the next attempt, after an attempt or a link has failed. */
  nextDelayMs(): number {
    const failures = this.failures++;
    if (failures === 0 && this.takeImmediate()) return 0;
    if (failures <= 1) return this.jittered(PEER_LIMITS.redialFirstMs);
    const grown = PEER_LIMITS.redialMs * GROWTH ** Math.min(failures - 2, 16);
    return this.jittered(Math.min(grown, PEER_LIMITS.redialMsMax));
  }

  /** A handshake succeeded. */
  reset(): void {
    this.failures = 0;
  }

  private takeImmediate(): boolean {
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.immediateAtMs < PEER_LIMITS.immediateRedialMs) return false;
    this.immediateAtMs = nowMs;
    return true;
  }

  private jittered(delayMs: number): number {
    return delayMs / 2 + (randomBelow(this.random, 1_000) / 1_000) * (delayMs / 2);
  }
}
