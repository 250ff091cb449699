/**
 * trace.ts: the history of a run, as a running hash and, when asked for, event by event.
 *
 * Two runs are the same run exactly when their hashes are equal: every event that an invariant looks at goes in, with its time.
 */

/** `where`: node, client or "world". */
export interface TraceEvent {
  readonly atMs: number;
  readonly where: string;
  readonly what: string;
  readonly numbers: readonly number[];
}

export class Trace {
  private readonly nowMs: () => number;
  private readonly tell: ((event: TraceEvent) => void) | null;
  private high = 0x811c9dc5;
  private low = 0x1b873593;
  lines = 0;

  constructor(nowMs: () => number, tell: ((event: TraceEvent) => void) | null) {
    this.nowMs = nowMs;
    this.tell = tell;
  }

  /** Adds one event. */
  note(where: string, what: string, ...numbers: readonly number[]): void {
    const atMs = this.nowMs();
    const line = `${atMs.toFixed(3)} ${where} ${what} ${numbers.join(" ")}`;
    for (let at = 0; at < line.length; at++) {
      const code = line.charCodeAt(at);
      this.high = Math.imul(this.high ^ code, 0x01000193);
      this.low = Math.imul((this.low ^ code) + 0x9e3779b9, 0x85ebca6b);
    }
    this.lines++;
    this.tell?.({ atMs, where, what, numbers });
  }

  get hash(): string {
    return [this.high, this.low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }
}
