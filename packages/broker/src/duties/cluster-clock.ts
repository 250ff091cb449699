/**
 * cluster-clock.ts: the time that appends and retention go by, so that one wrong clock deletes nothing.
 *
 * Every broker tells its wall clock once a second. "Now" of the cluster is the median of what was heard and the own clock; an append
 * time is the own clock, but at most 10 s ahead of that median.
 *
 * Invariant: what was heard goes on by the monotonic clock alone, so that a jump of the own wall clock moves none of the others with it, not even
 * until they are heard again.
 */
import type { BrokerId, Clock } from "@varve/base";

const AHEAD_MAX_MS = 10_000;
/** What a silent broker said is forgotten after this time. */
const HEARD_MS = 30_000;

export class ClusterClock {
  private readonly clock: Clock;
  private readonly peers = new Map<BrokerId, { readonly wallMs: number; readonly heardAtMs: number }>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** A peer said what its wall clock shows; what is no time is passed over. */
  heard(broker: BrokerId, wallMs: number): void {
    if (!Number.isFinite(wallMs) || wallMs <= 0) return;
    this.peers.set(broker, { wallMs, heardAtMs: this.clock.monotonicMs() });
  }

  /** The median of the brokers' clocks, whole milliseconds since 1970. With an even number, the earlier of the two in the middle. */
  nowMs(): number {
    const own = this.clock.wallMs();
    const monotonicMs = this.clock.monotonicMs();
    const clocks = [own];
    for (const { wallMs, heardAtMs } of this.peers.values())
      if (monotonicMs - heardAtMs <= HEARD_MS) clocks.push(wallMs + Math.round(monotonicMs - heardAtMs));
    clocks.sort((left, right) => left - right);
    return clocks[Math.floor((clocks.length - 1) / 2)] ?? own;
  }

  /** The time that a new frame gets. */
  appendMs(): number {
    return this.peers.size === 0 ? this.clock.wallMs() : Math.min(this.clock.wallMs(), this.nowMs() + AHEAD_MAX_MS);
  }
}
