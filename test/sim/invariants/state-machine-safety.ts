/**
 * state-machine-safety.ts: every replica applies the same entry at the same index, once and in order.
 *
 * Source: Raft paper, figure 3, "State Machine Safety".
 */
import type { Frame } from "@varve/storage";
import { type CommittedEntry, digestOf } from "../truth.js";
import { hold } from "../violation.js";

export class StateMachineSafety {
  private readonly applied = new Map<number, number>();

  /** A replica applies a frame; `entry` is the committed one at its index. */
  onApplied(replicaId: number, frame: Frame, entry: CommittedEntry): void {
    const before = this.applied.get(replicaId) ?? 0;
    hold(
      "state-machine-safety",
      frame.index === before + 1,
      () => `${replicaId}: index ${frame.index} after ${before}`,
    );
    hold(
      "state-machine-safety",
      frame.term === entry.term && digestOf(frame) === entry.digest,
      () => `${replicaId} applies another entry of term ${frame.term} at ${frame.index}; committed: term ${entry.term}`,
    );
    this.applied.set(replicaId, frame.index);
  }

  /** A replica stands at `index` without applying up to it: a recovery or a snapshot. */
  standsAt(replicaId: number, index: number): void {
    this.applied.set(replicaId, index);
  }

  appliedIndex(replicaId: number): number {
    return this.applied.get(replicaId) ?? 0;
  }
}
