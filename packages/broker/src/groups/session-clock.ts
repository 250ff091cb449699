/**
 * session-clock.ts: when each member of the groups led here was last heard, and whose time is over.
 *
 * Kept on the leader only: a new leader gives every member a whole session timeout from the moment it leads. Time in which this broker
 * itself stood still (paused, swapped out) is not counted against members, who could not be heard then.
 */

/** A member that has not been heard in time. */
export interface SilentMember {
  readonly group: string;
  readonly memberId: string;
}

interface Session extends SilentMember {
  timeoutMs: number;
  heardAtMs: number;
}

/** A sweep that comes this much later than the one before means that the process stood still, milliseconds. */
const STANDSTILL_MS = 1_000;

export class SessionClock {
  private readonly sessions = new Map<string, Session>();
  private sweptAtMs: number | null = null;

  get size(): number {
    return this.sessions.size;
  }

  heard(group: string, memberId: string, timeoutMs: number, nowMs: number): void {
    const key = keyOf(group, memberId);
    const known = this.sessions.get(key);
    if (known === undefined) this.sessions.set(key, { group, memberId, timeoutMs, heardAtMs: nowMs });
    else Object.assign(known, { timeoutMs, heardAtMs: nowMs });
  }

  forget(group: string, memberId: string): void {
    this.sessions.delete(keyOf(group, memberId));
  }

  clear(): void {
    this.sessions.clear();
    this.sweptAtMs = null;
  }

  /** Members that have been silent for longer than their timeout. They stay until they are forgotten. */
  silent(nowMs: number): SilentMember[] {
    const missedMs = this.sweptAtMs === null ? 0 : nowMs - this.sweptAtMs;
    this.sweptAtMs = nowMs;
    const creditMs = missedMs > STANDSTILL_MS ? missedMs : 0;
    const silent: SilentMember[] = [];
    for (const session of this.sessions.values()) {
      session.heardAtMs = Math.min(nowMs, session.heardAtMs + creditMs);
      if (nowMs - session.heardAtMs > session.timeoutMs) silent.push(session);
    }
    return silent;
  }
}

function keyOf(group: string, memberId: string): string {
  return `${group}/${memberId}`;
}
