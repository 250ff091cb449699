/**
 * cluster-clock.ts: the time that appends and retention go by, so that one wrong clock deletes nothing.
 *
 * Every broker tells its wall clock once a second. "Now" of the cluster is the median of what was heard and the own clock; an append
 * time is the own clock, but at most 10 s ahead of that median.
 */
import type { BrokerId, Clock } from "@varve/base";

const AHEAD_MAX_MS = 10_000;
/** What a silent broker said is forgotten after this time. */
const HEARD_MS = 30_000;

export class ClusterClock {
  private readonly clock: Clock;
  private readonly offsets = new Map<BrokerId, { readonly offsetMs: number; readonly heardAtMs: number }>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** A peer said what its wall clock shows; what is no time is passed over. */
  heard(broker: BrokerId, wallMs: number): void {
    if (!Number.isFinite(wallMs) || wallMs <= 0) return;
    this.offsets.set(broker, { offsetMs: wallMs - this.clock.wallMs(), heardAtMs: this.clock.monotonicMs() });
  }

  /** The median of the brokers' clocks, milliseconds since 1970. With an even number, the earlier of the two in the middle. */
  nowMs(): number {
    const since = this.clock.monotonicMs() - HEARD_MS;
    const offsets = [0];
    for (const { offsetMs, heardAtMs } of this.offsets.values()) if (heardAtMs >= since) offsets.push(offsetMs);
    offsets.sort((left, right) => left - right);
    return this.clock.wallMs() + (offsets[Math.floor((offsets.length - 1) / 2)] ?? 0);
  }

  /** The time that a new frame gets. */
  appendMs(): number {
    return this.offsets.size === 0 ? this.clock.wallMs() : Math.min(this.clock.wallMs(), this.nowMs() + AHEAD_MAX_MS);
  }
}
