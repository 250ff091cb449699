/**
 * scrub.ts: reads everything that this broker stores, slowly, round after round, so that rot is found while other replicas are still whole.
 *
 * What is found is the log's affair (it repairs or quarantines itself); this decides when and how fast, and says how far it is. The first round
 * begins soon after a start, since a broker that is restarted every few days would never come to one otherwise.
 * Invariants:
 *   B1  no more than `bytesPerSecond` on average: each read is paid for before it is done
 *   B2  one log at a time, one round at a time; a round that took longer than the interval is followed by the next at once
 */
import { type Clock, delay, type Logger } from "@varve/base";
import type { GroupLog, Storage } from "@varve/storage";

export interface ScrubOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logs: () => readonly GroupLog[];
  /** The write-ahead log, which is read first: it is small. */
  readonly wal: Pick<Storage, "walScrubBytes" | "scrubWal">;
  /** 0: nothing is read. */
  readonly bytesPerSecond: number;
  /** From the beginning of one round to that of the next. */
  readonly intervalMs: number;
}

/** Counts since the start, and where the round is. */
export interface ScrubStatus {
  readonly bytes: number;
  readonly rounds: number;
  /** Indexes, checkpoints and files of the WAL that were damaged and made anew. */
  readonly rebuilt: number;
  /** Replicas in which damage was found that only other replicas can repair. */
  readonly damaged: number;
  /** Of the running round, 0 .. 1; 1 between two rounds. */
  readonly progress: number;
  /** When the last whole round ended, milliseconds since 1970; 0: none has. */
  readonly lastRoundEndMs: number;
}

/** A start has other things to do. */
const FIRST_AFTER_MS = 60_000;

export class Scrub {
  private readonly options: ScrubOptions;
  private readonly stopped = new AbortController();
  private counts = { bytes: 0, rounds: 0, rebuilt: 0, damaged: 0, lastRoundEndMs: 0 };
  private round: { readonly totalBytes: number; readonly fromBytes: number } | null = null;

  constructor(options: ScrubOptions) {
    this.options = options;
  }

  status(): ScrubStatus {
    const { counts, round } = this;
    const done = round === null ? 1 : (counts.bytes - round.fromBytes) / Math.max(1, round.totalBytes);
    return { ...counts, progress: Math.min(1, done) };
  }

  /** Runs until `stop`; never rejects. */
  async run(): Promise<void> {
    const { clock, logger, bytesPerSecond, intervalMs } = this.options;
    if (bytesPerSecond === 0) return;
    try {
      await this.wait(Math.min(FIRST_AFTER_MS, intervalMs));
      for (;;) {
        const startedMs = clock.monotonicMs();
        await this.oneRound();
        await this.wait(Math.max(0, startedMs + intervalMs - clock.monotonicMs()));
      }
    } catch (error) {
      if (!this.stopped.signal.aborted)
        logger.error({ err: error }, "the scrub has ended; nothing is checked any more");
    }
  }

  stop(): void {
    this.stopped.abort(new Error("the scrub was stopped"));
  }

  private wait(ms: number): Promise<void> {
    return delay(this.options.clock, ms, this.stopped.signal);
  }

  private async oneRound(): Promise<void> {
    const { clock, logger, logs, wal } = this.options;
    const startedMs = clock.monotonicMs();
    const before = { ...this.counts };
    const whole = logs().filter(({ quarantine }) => quarantine === null);
    const totalBytes = whole.reduce((sum, log) => sum + log.diskBytes(), wal.walScrubBytes);
    this.round = { totalBytes, fromBytes: before.bytes };
    await this.scrubWal();
    for (const log of whole) await this.scrubLog(log);
    this.round = null;
    this.counts.rounds++;
    this.counts.lastRoundEndMs = clock.wallMs();
    const { bytes, rebuilt, damaged } = this.counts;
    const seconds = Math.round((clock.monotonicMs() - startedMs) / 1_000);
    const found = { bytes: bytes - before.bytes, rebuilt: rebuilt - before.rebuilt, damaged: damaged - before.damaged };
    logger.info({ logs: whole.length, seconds, ...found }, "everything stored here was read and checked");
  }

  private async scrubWal(): Promise<void> {
    try {
      const { rebuilt } = await this.options.wal.scrubWal((bytes) => this.pace(bytes));
      this.counts.rebuilt += rebuilt;
    } catch (error) {
      this.options.logger.error({ err: error }, "the WAL could not be checked");
    }
    if (this.stopped.signal.aborted) throw this.stopped.signal.reason;
  }

  /** A log that cannot be read through, for whatever reason, does not keep the others from it. */
  private async scrubLog(log: GroupLog): Promise<void> {
    if (log.quarantine !== null) return;
    try {
      const { rebuilt } = await log.scrub((bytes) => this.pace(bytes));
      this.counts.rebuilt += rebuilt;
    } catch (error) {
      if (this.stopped.signal.aborted) throw error;
      this.options.logger.error({ err: error, groupId: log.spec.groupId }, "a log could not be checked");
    }
    if (log.quarantine !== null) this.counts.damaged++;
    if (this.stopped.signal.aborted) throw this.stopped.signal.reason;
  }

  /** B1 */
  private async pace(bytes: number): Promise<boolean> {
    try {
      await this.wait((bytes / this.options.bytesPerSecond) * 1_000);
    } catch {
      return false;
    }
    this.counts.bytes += bytes;
    return true;
  }
}
