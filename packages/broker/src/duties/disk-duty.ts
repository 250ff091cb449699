/**
 * disk-duty.ts: what a broker does about a disk that is slow, or answers no more.
 *
 * A slow one still keeps its promises, late: its broker hands its leaderships to others and tells them, so that they do not hand them back
 * (reliability: a leader whose disk is stuck is replaced within the election bound). One that does not answer will not answer: the
 * process ends, so that a supervisor starts it anew, or a person looks.
 * Invariants:
 *   D1  time counts only while this process runs: one that was stopped for a minute finds no hung disk when it wakes
 *   D2  a broker is called slow, and calls itself slow, for a while after the last reason to, so that leaderships do not swing
 */
import type { BrokerId, Clock, Logger } from "@varve/base";
import type { PendingWork } from "@varve/storage";

export interface DiskDutyOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pendingWrite: () => PendingWork | null;
  /** A WAL flush of so long is slow; so is the disk when several are. */
  readonly slowMs: number;
  /** A write without an answer for so long ends the process. */
  readonly hungMs: number;
  readonly onHung: (error: DiskHung) => void;
  /** Hands every leadership away that another replica can take. */
  readonly leave: () => void;
  /** Tells all brokers that this one's disk is slow. */
  readonly tell: () => void;
}

/** A write or sync has no answer, and nothing will end it: not even an orderly exit, which would wait for the thread in it. */
export class DiskHung extends Error {
  override readonly name = "DiskHung";

  constructor(path: string, forMs: number) {
    super(`the disk has not answered a write or sync of ${path} for ${Math.round(forMs / 1_000)} s; this broker ends`);
  }
}

/** Longest step of time between two looks that counts (D1). */
const STEP_MS_MAX = 500;
/** So many slow flushes in so long are a slow disk, whatever else came between: one is a hiccup. */
const SLOW_FLUSHES = 3;
const WINDOW_MS = 10_000;
/** D2 */
const SLOW_FOR_MS = 30_000;
const HEARD_FOR_MS = 5_000;

export class DiskDuty {
  private readonly options: DiskDutyOptions;
  /** When the last slow flushes ended. */
  private slowFlushes: number[] = [];
  private waiting: { readonly id: number; forMs: number } = { id: 0, forMs: 0 };
  private lookedAtMs: number;
  private slowUntilMs = Number.NEGATIVE_INFINITY;
  private isHung = false;
  private readonly slowBrokers = new Map<BrokerId, number>();

  constructor(options: DiskDutyOptions) {
    this.options = options;
    this.lookedAtMs = options.clock.monotonicMs();
  }

  /** A WAL flush took so long. */
  flushed(durationMs: number): void {
    if (durationMs < this.options.slowMs) return;
    this.slowFlushes = [...this.slowFlushes, this.options.clock.monotonicMs()].slice(-SLOW_FLUSHES);
  }

  /** Called several times a second. */
  look(): void {
    const { clock, pendingWrite, hungMs, slowMs, onHung } = this.options;
    const nowMs = clock.monotonicMs();
    const stepMs = Math.min(nowMs - this.lookedAtMs, STEP_MS_MAX);
    this.lookedAtMs = nowMs;
    const pending = pendingWrite();
    if (pending === null || pending.id !== this.waiting.id) this.waiting = { id: pending?.id ?? 0, forMs: 0 };
    else this.waiting.forMs += stepMs;
    if (pending !== null && this.waiting.forMs >= hungMs && !this.isHung) {
      this.isHung = true;
      onHung(new DiskHung(pending.path, this.waiting.forMs));
    }
    if (this.waiting.forMs >= 2 * slowMs || this.areFlushesSlow(nowMs)) this.isSlowFrom(nowMs);
  }

  /** Called once a second. */
  step(): void {
    if (!this.isSlowHere()) return;
    this.options.tell();
    this.options.leave();
  }

  isSlowHere(): boolean {
    return this.options.clock.monotonicMs() < this.slowUntilMs;
  }

  /** Another broker says that its disk is slow. */
  heard(from: BrokerId): void {
    this.slowBrokers.set(from, this.options.clock.monotonicMs() + HEARD_FOR_MS);
  }

  /** Whether a leadership would be no better off there. */
  isSlow(broker: BrokerId): boolean {
    const untilMs = this.slowBrokers.get(broker);
    return untilMs !== undefined && this.options.clock.monotonicMs() < untilMs;
  }

  private isSlowFrom(nowMs: number): void {
    const isNews = !this.isSlowHere();
    this.slowUntilMs = nowMs + SLOW_FOR_MS;
    if (!isNews) return;
    this.options.logger.warn({ pendingMs: this.waiting.forMs }, "the disk is slow: leaderships go to other brokers");
    this.step();
  }

  private areFlushesSlow(nowMs: number): boolean {
    const [first] = this.slowFlushes;
    return this.slowFlushes.length === SLOW_FLUSHES && first !== undefined && first >= nowMs - WINDOW_MS;
  }
}
