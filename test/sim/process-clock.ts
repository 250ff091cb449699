/**
 * process-clock.ts: time as one process of the simulation sees it: it can be paused, as by SIGSTOP or a long collection, and killed.
 *
 * Invariants: nothing of a killed process runs again; what falls due in a pause runs after it, in the order in which it fell due.
 */
import type { Clock, TimerHandle } from "@varve/base";

export class ProcessClock implements Clock {
  private readonly world: Clock;
  private held: (() => void)[] = [];
  private state: "running" | "paused" | "killed" = "running";

  constructor(world: Clock) {
    this.world = world;
  }

  get isPaused(): boolean {
    return this.state === "paused";
  }

  monotonicMs(): number {
    return this.world.monotonicMs();
  }

  wallMs(): number {
    return this.world.wallMs();
  }

  setTimer(delayMs: number, callback: () => void): TimerHandle {
    let isCancelled = false;
    const timer = this.world.setTimer(delayMs, () =>
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
