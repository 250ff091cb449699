/**
 * sim-clock.ts: one event heap that is all the time there is in a simulation.
 *
 * Events at one time run in the order they were set. Between two events the owner lets promise callbacks finish.
 */
import type { Clock, TimerHandle } from "../ports/clock.js";

interface SimEvent {
  readonly atMs: number;
  readonly order: number;
  callback: (() => void) | null;
}

function before(left: SimEvent, right: SimEvent): boolean {
  return left.atMs !== right.atMs ? left.atMs < right.atMs : left.order < right.order;
}

/** Shortest wait that is not none. */
const RESOLUTION_MS = 0.001;

/** Events between two hops over the real event loop, which cost far more than the events. */
const EVENTS_PER_BREATH = 512;

export class SimClock implements Clock {
  private readonly heap: SimEvent[] = [];
  private nowMs = 0;
  private order = 0;
  private readonly epochMs: number;

  constructor(epochMs = 1_700_000_000_000) {
    this.epochMs = epochMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.epochMs + Math.floor(this.nowMs);
  }

  setTimer(delayMs: number, callback: () => void): TimerHandle {
    // A wait moves the time on, as on any real clock: one that vanishes in rounding would be waited for without end.
    const waitMs = delayMs > 0 ? Math.max(delayMs, RESOLUTION_MS) : 0;
    const event: SimEvent = { atMs: this.nowMs + waitMs, order: this.order++, callback };
    this.push(event);
    return {
      cancel: () => {
        event.callback = null;
      },
    };
  }

  defer(callback: () => void): void {
    this.setTimer(0, callback);
  }

  /** Time of the next event, or null when nothing is set. */
  nextAtMs(): number | null {
    while (this.heap[0] !== undefined && this.heap[0].callback === null) this.pop();
    return this.heap[0]?.atMs ?? null;
  }

  /** Moves to the next event and runs it; false when there is none. */
  runNext(): boolean {
    const at = this.nextAtMs();
    if (at === null) return false;
    const event = this.pop();
    this.nowMs = at;
    event?.callback?.();
    return true;
  }

  /** Runs everything up to `untilMs`, letting promise callbacks finish between events, and stops there. */
  async runUntil(untilMs: number): Promise<void> {
    await breathe();
    for (let ran = 1; ; ran++) {
      const at = this.nextAtMs();
      if (at === null || at > untilMs) break;
      this.runNext();
      await (ran % EVENTS_PER_BREATH === 0 ? breathe() : settle());
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  private push(event: SimEvent): void {
    const heap = this.heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as SimEvent;
      if (!before(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  private pop(): SimEvent | undefined {
    const heap = this.heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && before(heap[down + 1] as SimEvent, heap[down] as SimEvent)) down++;
      if (!before(heap[down] as SimEvent, last)) break;
      heap[at] = heap[down] as SimEvent;
      at = down;
    }
    heap[at] = last;
    return first;
  }
}

/** Lets every promise callback that is ready run, and those they make ready: the tick queue comes after all of them. */
function settle(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** The same with a hop over the real event loop, so that the process hears of the world now and then. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
