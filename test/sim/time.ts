/**
 * time.ts: lets simulated time pass, until something holds or for a while, and stops at the first violation.
 */
import type { SimClock } from "@varve/base/testing";
import type { Checks } from "./checks.js";
import { Violation } from "./violation.js";

const SLICE_MS = 50;

export class Time {
  private readonly clock: SimClock;
  private readonly checks: Checks;
  /** When the violation was seen, to a slice. */
  violationAtMs = 0;

  constructor(clock: SimClock, checks: Checks) {
    this.clock = clock;
    this.checks = checks;
  }

  nowMs(): number {
    return this.clock.monotonicMs();
  }

  async pass(forMs: number): Promise<void> {
    const endMs = this.nowMs() + forMs;
    while (this.nowMs() < endMs) await this.slice(Math.min(endMs, this.nowMs() + SLICE_MS));
  }

  /** @throws Violation of liveness when it does not hold in time. */
  async until(what: string, withinMs: number, isThere: () => boolean): Promise<void> {
    const endMs = this.nowMs() + withinMs;
    while (!isThere()) {
      if (this.nowMs() >= endMs) throw this.noted(new Violation("liveness", `not within ${withinMs} ms: ${what}`));
      await this.slice(this.nowMs() + SLICE_MS);
    }
  }

  /** What a promise resolves with, which needs simulated time. */
  async finish<T>(what: string, withinMs: number, promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.until(what, withinMs, () => isSettled);
    return promise;
  }

  private async slice(untilMs: number): Promise<void> {
    await this.clock.runUntil(untilMs);
    if (this.checks.violation !== null) throw this.noted(this.checks.violation);
  }

  private noted(violation: Violation): Violation {
    this.violationAtMs = this.nowMs();
    return violation;
  }
}
