/**
 * loop-guard.ts: finds out that a handler kept the event loop to itself: a timer that should have fired long ago says so.
 */

/** Names kept for the message, the newest: what was begun last is the likeliest to have kept the loop. */
const SUSPECTS_MAX = 8;

export class LoopGuard {
  private readonly toleranceMs: number;
  private dueAtMs: number | null = null;
  private suspects = new Set<string>();

  /** @param toleranceMs delays below it are nobody's business. */
  constructor(toleranceMs: number) {
    this.toleranceMs = toleranceMs;
  }

  /** The timer will fire at `atMs`. `inWork`: what may be to blame if it does not. */
  expect(atMs: number, inWork: Iterable<string>): void {
    this.dueAtMs = atMs;
    this.suspects = new Set();
    for (const name of inWork) this.started(name);
  }

  /** A handler was called. */
  started(name: string): void {
    this.suspects.delete(name);
    this.suspects.add(name);
    const [oldest] = this.suspects;
    if (this.suspects.size > SUSPECTS_MAX && oldest !== undefined) this.suspects.delete(oldest);
  }

  /** How much later than expected the timer fires if it does so now. */
  lateMs(nowMs: number): number {
    return this.dueAtMs === null ? 0 : Math.max(0, nowMs - this.dueAtMs);
  }

  /** Whether the timer is so late already that `fired` would blame somebody. */
  isBlocked(nowMs: number): boolean {
    return this.lateMs(nowMs) > this.toleranceMs;
  }

  /** The timer fired: how long the loop was blocked and who was in work meanwhile, or null when all is well. */
  fired(nowMs: number): { readonly blockedMs: number; readonly suspects: readonly string[] } | null {
    const lateMs = this.lateMs(nowMs);
    this.dueAtMs = null;
    return lateMs > this.toleranceMs ? { blockedMs: lateMs, suspects: [...this.suspects] } : null;
  }
}
