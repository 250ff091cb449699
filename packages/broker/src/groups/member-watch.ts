/**
 * member-watch.ts: waits until there is news for a member of a group.
 *
 * Invariant W1: at most one wait for each member; a new one ends the one before.
 */

import type { Clock, TimerHandle } from "@varve/base";
import { onAbort } from "@varve/base";

interface Watcher {
  readonly memberId: string;
  readonly hasNews: () => boolean;
  readonly end: () => void;
}

export class MemberWatch {
  private readonly clock: Clock;
  private readonly groups = new Map<string, Map<string, Watcher>>();
  private closed = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Resolves when `hasNews` holds, is looked at again after changes of the group; or after `waitMs`, or at the latest with `close`. */
  wait(
    { group, memberId }: { readonly group: string; readonly memberId: string },
    waitMs: number,
    signal: AbortSignal,
    hasNews: () => boolean,
  ): Promise<void> {
    if (this.closed || signal.aborted || hasNews()) return Promise.resolve();
    return new Promise((resolve) => {
      const members = this.groups.get(group) ?? new Map<string, Watcher>();
      this.groups.set(group, members);
      members.get(memberId)?.end(); // W1
      const timer: TimerHandle = this.clock.setTimer(waitMs, () => watcher.end());
      const stopListening = onAbort(signal, () => watcher.end());
      const watcher: Watcher = {
        memberId,
        hasNews,
        end: () => {
          timer.cancel();
          stopListening();
          if (members.get(memberId) === watcher) members.delete(memberId);
          if (members.size === 0 && this.groups.get(group) === members) this.groups.delete(group);
          resolve();
        },
      };
      members.set(memberId, watcher);
      this.groups.set(group, members);
    });
  }

  groupChanged(group: string): void {
    for (const watcher of [...(this.groups.get(group)?.values() ?? [])]) if (watcher.hasNews()) watcher.end();
  }

  wakeAll(): void {
    for (const members of [...this.groups.values()]) for (const watcher of [...members.values()]) watcher.end();
  }

  close(): void {
    this.closed = true;
    this.wakeAll();
  }
}
