/**
 * stop-notices.ts: which brokers have said that they are about to stop. Soft state with a lease: a broker that was told to stop and came back, or
 * never went, is one like any other soon after.
 */
import type { BootId, BrokerId, Clock } from "@varve/base";
import type { Stopping } from "./stop-risk.js";

/** It is said once a second while it holds. */
const LEASE_MS = 5_000;
/** Of one that is gone, it is known for longer that it meant to go. */
const GONE_MS = 60_000;

interface Notice {
  readonly state: Stopping;
  readonly bootId: BootId;
  readonly heardAtMs: number;
}

export class StopNotices {
  private readonly clock: Clock;
  /** By broker: bounded by those of the cluster. */
  private readonly notices = new Map<BrokerId, Notice>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  heard(broker: BrokerId, state: Stopping, bootId: BootId): void {
    this.notices.set(broker, { state, bootId, heardAtMs: this.clock.monotonicMs() });
  }

  /** A link to a broker is up: what another start of it has said no longer counts. */
  met(broker: BrokerId, bootId: BootId): void {
    if (this.notices.get(broker)?.bootId !== bootId) this.notices.delete(broker);
  }

  /** What counts of it now. */
  stopping(broker: BrokerId, isUp: boolean): Stopping | null {
    const notice = this.notices.get(broker);
    if (notice === undefined) return null;
    const ageMs = this.clock.monotonicMs() - notice.heardAtMs;
    return ageMs <= (isUp ? LEASE_MS : GONE_MS) ? notice.state : null;
  }
}

/** One byte. */
export function encodeStopping(state: Stopping): Uint8Array {
  return Uint8Array.of(state === "waiting" ? 1 : 2);
}

/** What a later version says in more bytes, or otherwise, counts as leaving. */
export function decodeStopping(payload: Uint8Array): Stopping {
  return payload[0] === 1 ? "waiting" : "leaving";
}
