/**
 * gap-meter.ts: the longest time for which a partition acknowledged nothing, while something is being done to the cluster.
 *
 * Invariants:
 *   M1  a gap counts from the last acknowledgement, or from the moment at which measuring began, to the next, or to the moment of the question
 *   M2  what came before `restart` counts for nothing: a partition that waits at that moment waits from then on
 */
import type { Gaps } from "./plan.js";

interface Series {
  lastMs: number;
  longestMs: number;
}

export class GapMeter {
  private readonly partitions: Series[];

  constructor(partitions: number, nowMs: number) {
    this.partitions = Array.from({ length: partitions }, () => ({ lastMs: nowMs, longestMs: 0 }));
  }

  /** Something else is done from now on. */
  restart(nowMs: number): void {
    for (const series of this.partitions) Object.assign(series, { lastMs: nowMs, longestMs: 0 });
  }

  /** A record was acknowledged. */
  acknowledged(partition: number, nowMs: number): void {
    const series = this.partitions[partition];
    if (series === undefined) return;
    series.longestMs = Math.max(series.longestMs, nowMs - series.lastMs);
    series.lastMs = Math.max(series.lastMs, nowMs);
  }

  gaps(nowMs: number): Gaps {
    return this.partitions.map(({ lastMs, longestMs }, partition) => ({
      partition,
      ms: Math.max(longestMs, nowMs - lastMs),
    }));
  }
}
