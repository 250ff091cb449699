/**
 * disk-watch.ts: what the disk is asked to do right now, and since when, so that somebody can notice that it does not answer.
 *
 * Pure bookkeeping: it measures nothing by itself and ends nothing.
 */
import type { Clock } from "@varve/base";

/** Something that was begun and has not ended. */
export interface PendingWork {
  /** Tells this work from any other; counts up. */
  readonly id: number;
  /** The file. */
  readonly path: string;
  readonly sinceMs: number;
}

export class DiskWatch {
  private readonly clock: Clock;
  /** In the order of their beginning. */
  private readonly pending = new Map<number, PendingWork>();
  private lastId = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Notes that work on a file begins; call what it returns when it has ended, either way. */
  begin(path: string): () => void {
    const id = ++this.lastId;
    this.pending.set(id, { id, path, sinceMs: this.clock.monotonicMs() });
    return () => this.pending.delete(id);
  }

  async during<T>(path: string, work: () => Promise<T>): Promise<T> {
    const end = this.begin(path);
    try {
      return await work();
    } finally {
      end();
    }
  }

  /** What waits longest; null: nothing does. */
  oldest(): PendingWork | null {
    for (const work of this.pending.values()) return work;
    return null;
  }
}
