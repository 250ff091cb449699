/**
 * space.ts: work that needs disk space waits until there is some, instead of ending the process.
 *
 * Only what has written nothing that counts yet may wait: it is done again from its start. A failed sync is final, whatever its reason (D3 of
 * the disk port). What waits is bounded by what asked for it: one piece of work a log, and one file of the WAL.
 */
import { type Clock, delay, type Logger } from "@varve/base";

const RETRY_MS = 500;
const NO_SPACE: readonly unknown[] = ["ENOSPC", "EDQUOT"];
const SYNCS: readonly unknown[] = ["fsync", "fdatasync"];

/** Whether the disk refused to take more; a sync that says so has failed for good. */
export function isNoSpace(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error) || !NO_SPACE.includes(error.code)) return false;
  return !("syscall" in error && SYNCS.includes(error.syscall));
}

/** What the disk would say. */
export function noSpace(message: string): Error {
  return Object.assign(new Error(`ENOSPC: ${message}`), { code: "ENOSPC" });
}

/** Who waits for space on the disk of one data directory. */
export class SpaceQueue {
  private readonly clock: Clock;
  private readonly logger: Logger;
  private waiting = 0;

  constructor(clock: Clock, logger: Logger) {
    this.clock = clock;
    this.logger = logger;
  }

  get isWaiting(): boolean {
    return this.waiting > 0;
  }

  /** Does `work`, again and again while there is no space for it; null when `isOver` came first. */
  async whenSpace<T>(isOver: () => boolean, work: () => Promise<T>): Promise<T | null> {
    let isWaiting = false;
    try {
      for (;;) {
        try {
          return await work();
        } catch (error) {
          if (!isNoSpace(error)) throw error;
          if (!isWaiting) this.begin(error);
          isWaiting = true;
        }
        if (isOver()) return null;
        await delay(this.clock, RETRY_MS);
        if (isOver()) return null;
      }
    } finally {
      if (isWaiting) this.end();
    }
  }

  private begin(error: unknown): void {
    if (this.waiting++ > 0) return;
    this.logger.error({ error: String(error) }, "the disk is full: what must be written waits until space is freed");
  }

  private end(): void {
    if (--this.waiting === 0) this.logger.info({}, "the disk takes writes again");
  }
}
