/**
 * sim-pipe.ts: one direction of one simulated connection: what was put in comes out in order, later, or waits while the path is blocked.
 */
import type { Clock, TimerHandle } from "@varve/base";

/** What travels: bytes, and the signals of a TCP connection. */
export type Segment =
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "open" | "refused" | "end" | "reset" };

/** A directed pair of hosts, as its pipes see it. */
export interface SimPath {
  readonly blocked: boolean;
  /** Pipes that want to be pumped when the path opens. */
  readonly busy: Set<SimPipe>;
  delayMs(): number;
}

interface Travelling {
  readonly segment: Segment;
  readonly atMs: number;
}

export class SimPipe {
  private readonly clock: Clock;
  private readonly path: SimPath;
  private readonly deliver: (segment: Segment) => void;
  private travelling: Travelling[] = [];
  private timer: TimerHandle | null = null;
  private lastAtMs = 0;

  constructor(clock: Clock, path: SimPath, deliver: (segment: Segment) => void) {
    this.clock = clock;
    this.path = path;
    this.deliver = deliver;
  }

  put(segment: Segment): void {
    this.lastAtMs = Math.max(this.lastAtMs, this.clock.monotonicMs() + this.path.delayMs());
    this.travelling.push({ segment, atMs: this.lastAtMs });
    this.pump();
  }

  /** Loses what has not arrived. */
  drop(): void {
    this.travelling = [];
  }

  /** The path may have been opened. */
  pump(): void {
    const first = this.travelling[0];
    if (first === undefined) {
      this.path.busy.delete(this);
      return;
    }
    this.path.busy.add(this);
    if (this.timer !== null || this.path.blocked) return;
    this.timer = this.clock.setTimer(first.atMs - this.clock.monotonicMs(), () => {
      this.timer = null;
      if (!this.path.blocked) this.arrive();
      this.pump();
    });
  }

  private arrive(): void {
    const nowMs = this.clock.monotonicMs();
    for (let first = this.travelling[0]; first !== undefined && first.atMs <= nowMs; first = this.travelling[0]) {
      this.travelling.shift();
      this.deliver(first.segment);
    }
  }
}
