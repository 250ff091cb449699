/**
 * failover-watch.ts: what the acknowledgements say about a failover. Pure: times come with the calls.
 *
 * The gap of a partition is the time from the kill of its leader to the first acknowledgement in a later epoch; the gap of the run is the longest.
 */
import { assert } from "@varve/base";

/** One partition when its leader was killed. */
export interface PartitionAtKill {
  readonly partition: number;
  readonly leader: number | null;
  readonly epoch: number;
}

export interface FailoverFigures {
  /** Partitions that the killed broker led. */
  readonly partitionsMoved: number;
  /** Longest of their gaps; null when none of them acknowledged anything afterwards. */
  readonly gapMs: number | null;
  /** Records acknowledged in a later epoch than that of the kill. */
  readonly recordsInLaterEpoch: number;
}

export class FailoverWatch {
  private killedAtMs = 0;
  private victim: number | null = null;
  private readonly epochAtKill = new Map<number, number>();
  private readonly led = new Set<number>();
  private readonly gapsMs = new Map<number, number>();
  private recordsInLaterEpoch = 0;

  killed(broker: number, partitions: readonly PartitionAtKill[], nowMs: number): void {
    assert(this.victim === null, "one kill per run");
    this.victim = broker;
    this.killedAtMs = nowMs;
    for (const { partition, leader, epoch } of partitions) {
      this.epochAtKill.set(partition, epoch);
      if (leader === broker) this.led.add(partition);
    }
  }

  acknowledged(partition: number, epoch: number, nowMs: number): void {
    const before = this.epochAtKill.get(partition);
    if (before === undefined || epoch <= before) return;
    this.recordsInLaterEpoch += 1;
    if (this.led.has(partition) && !this.gapsMs.has(partition)) this.gapsMs.set(partition, nowMs - this.killedAtMs);
  }

  figures(): FailoverFigures {
    const gaps = [...this.gapsMs.values()];
    return {
      partitionsMoved: this.led.size,
      gapMs: gaps.length === 0 ? null : Math.round(Math.max(...gaps)),
      recordsInLaterEpoch: this.recordsInLaterEpoch,
    };
  }
}

/** The broker that leads most partitions; the smallest id of several. */
export function leaderOfMost(partitions: readonly PartitionAtKill[]): number | null {
  const counts = new Map<number, number>();
  for (const { leader } of partitions) if (leader !== null) counts.set(leader, (counts.get(leader) ?? 0) + 1);
  const ordered = [...counts].sort(([a, countA], [b, countB]) => countB - countA || a - b);
  return ordered[0]?.[0] ?? null;
}
