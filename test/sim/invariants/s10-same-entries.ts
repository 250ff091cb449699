/**
 * s10-same-entries.ts: every replica applies the same bytes at the same index, once and in order.
 *
 * Source: Raft paper, figure 3, "State Machine Safety".
 */
import type { Frame, GroupLog } from "@varve/storage";
import { type CommittedEntry, digestOf } from "../truth.js";
import { hold } from "../violation.js";

export class SameEntries {
  /** By log, which lives as long as its process. */
  private readonly applied = new WeakMap<GroupLog, number>();

  /** A replica applies a frame; `entry` is the committed one at its index. */
  onApplied(log: GroupLog, frame: Frame, entry: CommittedEntry): void {
    const { replicaId } = log.spec;
    const before = this.applied.get(log) ?? 0;
    hold("S10", frame.index === before + 1, () => `${replicaId}: index ${frame.index} after ${before}`);
    hold(
      "S10",
      frame.term === entry.term && digestOf(frame) === entry.digest,
      () => `${replicaId} applies another entry of term ${frame.term} at ${frame.index}; committed: term ${entry.term}`,
    );
    this.applied.set(log, frame.index);
  }

  /** A replica stands at `index` without applying up to it: a recovery or a snapshot. */
  standsAt(log: GroupLog, index: number): void {
    this.applied.set(log, index);
  }
}
