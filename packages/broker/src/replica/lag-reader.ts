/**
 * lag-reader.ts: reads frames for followers that lag behind what a leader has in memory.
 *
 * Invariants:
 *   L1  one read at a time
 *   L2  what is read for those that only learn keeps to their pace; a voter never waits for it
 */
import type { Clock, RaftIndex, TimerHandle } from "@varve/base";
import type { GroupLog } from "@varve/storage";

export interface LagReaderOptions {
  readonly log: Pick<GroupLog, "load">;
  readonly clock: Clock;
  /** Notes what was read for a replica that only learns; how long to wait before more is read, milliseconds. */
  readonly learnerPaceMs: (bytes: number) => number;
  /** Whether a voter lags so far that it waits for the frames from `lo` on, too. */
  readonly isNeededByVoter: (lo: RaftIndex) => boolean;
  /** What was read can be sent, and what was held back may be asked for again. */
  readonly onRead: () => void;
  /** Nothing was read; Raft asks again with the next heartbeat. */
  readonly onError: (error: unknown) => void;
}

export class LagReader {
  private readonly options: LagReaderOptions;
  private isReading = false;
  /** Runs while those that only learn have had their share. */
  private pause: TimerHandle | null = null;
  private isStopped = false;

  constructor(options: LagReaderOptions) {
    this.options = options;
  }

  /** Begins to read frames from `lo` up to, not including, `hi`, unless they have to wait: then they are asked for again. */
  read(lo: RaftIndex, hi: RaftIndex, bytesMax: number): void {
    const { log, isNeededByVoter, onError } = this.options;
    if (this.isReading || this.isStopped || (this.pause !== null && !isNeededByVoter(lo))) return;
    this.endPause();
    this.isReading = true;
    log.load(lo, hi, bytesMax).then(
      (bytes) => this.finished(lo, bytes),
      (error: unknown) => {
        this.isReading = false;
        if (!this.isStopped) onError(error);
      },
    );
  }

  /** Nothing is told any more. */
  stop(): void {
    this.isStopped = true;
    this.endPause();
  }

  private finished(lo: RaftIndex, bytes: number): void {
    this.isReading = false;
    if (this.isStopped) return;
    const { clock, isNeededByVoter, learnerPaceMs, onRead } = this.options;
    const waitMs = isNeededByVoter(lo) ? 0 : learnerPaceMs(bytes);
    if (waitMs === 0) {
      onRead();
      return;
    }
    this.pause = clock.setTimer(waitMs, () => {
      this.pause = null;
      onRead();
    });
  }

  private endPause(): void {
    this.pause?.cancel();
    this.pause = null;
  }
}
