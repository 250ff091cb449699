/**
 * process-clock.ts: time as one process of the simulation sees it: it runs a little fast or slow, its wall clock may be off and may jump, it can
 * be paused, as by SIGSTOP or a long collection, and killed.
 *
 * Invariants: nothing of a killed process runs again; what falls due in a pause runs after it, in the order in which it fell due.
 */
import type { Clock, TimerHandle } from "@varve/base";

/** The clock of a machine, which outlives its processes. */
export interface Oscillator {
  /** Its seconds per second of the world; never changes. */
  readonly rate: number;
  /** How far its wall clock is off, milliseconds. */
  wallOffsetMs: number;
}

export const EXACT: Oscillator = { rate: 1, wallOffsetMs: 0 };

export class ProcessClock implements Clock {
  private readonly world: Clock;
  private readonly oscillator: Oscillator;
  private held: (() => void)[] = [];
  private state: "running" | "paused" | "killed" = "running";

  constructor(world: Clock, oscillator: Oscillator = EXACT) {
    this.world = world;
    this.oscillator = oscillator;
  }

  get isPaused(): boolean {
    return this.state === "paused";
  }

  monotonicMs(): number {
    return this.world.monotonicMs() * this.oscillator.rate;
  }

  wallMs(): number {
    const drifted = this.world.monotonicMs() * (this.oscillator.rate - 1);
    return Math.floor(this.world.wallMs() + drifted + this.oscillator.wallOffsetMs);
  }

  setTimer(delayMs: number, callback: () => void): TimerHandle {
    let isCancelled = false;
    const timer = this.world.setTimer(delayMs / this.oscillator.rate, () =>
      this.enter(() => {
        if (!isCancelled) callback();
      }),
    );
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  defer(callback: () => void): void {
    this.setTimer(0, callback);
  }

  /** Runs `work` in this process: now, after its pause, or never. */
  enter(work: () => void): void {
    if (this.state === "running") work();
    else if (this.state === "paused") this.held.push(work);
  }

  pause(): void {
    if (this.state === "running") this.state = "paused";
  }

  resume(): void {
    if (this.state !== "paused") return;
    this.state = "running";
    // Each as an event of its own: promise callbacks run between them, as they would in a process.
    for (const work of this.held) this.world.setTimer(0, () => this.enter(work));
    this.held = [];
  }

  kill(): void {
    this.state = "killed";
    this.held = [];
  }
}
