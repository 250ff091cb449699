/**
 * pipe.ts: one direction of a simulated stream: messages in order, delayed, with a bound on what is under way.
 */
import { type Clock, VarveError } from "@varve/base";

/** Messages under way in one direction before writers wait. */
const UNDER_WAY_MAX = 16;

type End = { readonly kind: "ended" } | { readonly kind: "failed"; readonly error: VarveError };

/** A queue with one reader. After its end nothing more arrives. */
export class Pipe {
  private readonly clock: Clock;
  private readonly latencyMs: () => number;
  private readonly arrived: Uint8Array[] = [];
  private underWay = 0;
  private lastArrivalMs = 0;
  private end: End | null = null;
  private readers: (() => void)[] = [];
  private writers: (() => void)[] = [];

  constructor(clock: Clock, latencyMs: () => number) {
    this.clock = clock;
    this.latencyMs = latencyMs;
  }

  /** Sends; resolves when the next message may be sent. */
  async write(message: Uint8Array): Promise<void> {
    this.refuseWhenOver();
    this.underWay++;
    this.later(() => {
      this.arrived.push(message);
    });
    while (this.underWay >= UNDER_WAY_MAX && this.end === null) {
      await new Promise<void>((resolve) => this.writers.push(resolve));
    }
    this.refuseWhenOver();
  }

  /** Ends in order, after what is under way. */
  finish(): void {
    this.later(() => {
      this.end ??= { kind: "ended" };
    });
  }

  /** Ends at once; what is under way is lost. */
  fail(error: VarveError): void {
    if (this.end === null) {
      this.end = { kind: "failed", error };
      this.arrived.length = 0;
    }
    this.wake();
  }

  /** Ends with an error after what is under way. */
  finishWith(error: VarveError): void {
    this.later(() => {
      this.end ??= { kind: "failed", error };
    });
  }

  async *messages(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const message = this.arrived.shift();
      if (message !== undefined) {
        this.underWay--;
        this.wake();
        yield message;
      } else if (this.end === null) {
        await new Promise<void>((resolve) => this.readers.push(resolve));
      } else if (this.end.kind === "failed") {
        throw this.end.error;
      } else {
        return;
      }
    }
  }

  /** Runs after the latency, never before what was sent earlier. */
  private later(action: () => void): void {
    const nowMs = this.clock.monotonicMs();
    this.lastArrivalMs = Math.max(this.lastArrivalMs, nowMs + this.latencyMs());
    this.clock.setTimer(this.lastArrivalMs - nowMs, () => {
      if (this.end === null) action();
      this.wake();
    });
  }

  private refuseWhenOver(): void {
    if (this.end === null) return;
    if (this.end.kind === "failed") throw this.end.error;
    throw new VarveError("UNREACHABLE", { message: "the stream has ended", effect: "UNKNOWN" });
  }

  private wake(): void {
    const wakes = [...this.readers, ...this.writers];
    this.readers = [];
    this.writers = [];
    for (const wake of wakes) wake();
  }
}
