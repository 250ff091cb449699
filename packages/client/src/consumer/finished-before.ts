/**
 * finished-before.ts: what a member had finished, and not committed, of partitions that it lost because its own event loop was blocked.
 *
 * A handler that blocks for longer than the session timeout always finishes too late to commit: begun at the committed offset again, such a
 * member would do the same records for ever.
 * Invariants:
 *   P1  a partition goes on past its committed offset only if this member finished all records between, and only if nobody committed
 *       since: what is committed is what it was when the partition was lost
 *   P2  what is remembered is used at the partition's next assignment to this member, or forgotten
 */
import type { Offset } from "@varve/base";
import type { PartitionWork } from "./partition-work.js";

interface Finished {
  readonly committed: Offset | null;
  readonly next: Offset;
}

export class FinishedBefore {
  private readonly finished = new Map<string, Finished>();

  /** A partition is lost; to be called while its work is still in its last state. */
  note(work: PartitionWork): void {
    if (work.state === "starting") return;
    if (work.isDirty) this.finished.set(work.key, { committed: work.committed, next: work.prefix.committable });
    else this.finished.delete(work.key);
  }

  /** Where a partition that is given anew goes on; null: where the group says. */
  take({ key, committedAtStart, seeked }: PartitionWork): Offset | null {
    const found = this.finished.get(key);
    this.finished.delete(key);
    return found !== undefined && !seeked && found.committed === committedAtStart ? found.next : null; // P1
  }
}
