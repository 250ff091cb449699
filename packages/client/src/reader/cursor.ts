/**
 * cursor.ts: where a reader stands in one partition.
 *
 * Invariants:
 *   U1  fetchOffset is the offset after the last record that was taken over from a broker; it never decreases
 *   U2  records are handed out in the order of their offsets, each once, those in [start, end) only
 */
import type { Offset, PartitionId, Term } from "@varve/base";

export class PartitionCursor {
  readonly partition: PartitionId;
  start: Offset;
  /** Exclusive; null: follows. */
  readonly end: Offset | null;
  fetchOffset: Offset;
  /** Leader epoch of the last batch taken over; 0: none. */
  lastEpoch: Term = 0;
  /** One past the last committed record, as last heard. */
  highWatermark: Offset;
  /** Records handed out, or passed over because the log has no record there. */
  doneOffset: Offset;

  constructor(partition: PartitionId, start: Offset, end: Offset | null, highWatermark: Offset) {
    this.partition = partition;
    this.start = start;
    this.end = end;
    this.fetchOffset = start;
    this.doneOffset = start;
    this.highWatermark = highWatermark;
  }

  /** Whether everything up to `end` was fetched. */
  get isFetched(): boolean {
    return this.end !== null && this.fetchOffset >= this.end;
  }

  /** Begins later, because the log does; only before anything was fetched. */
  moveStart(offset: Offset): void {
    this.start = offset;
    this.fetchOffset = offset;
    this.doneOffset = offset;
  }

  /** Offsets that this reader got through. */
  get done(): number {
    return Math.max(0, Math.min(this.doneOffset, this.end ?? this.doneOffset) - this.start);
  }

  /** Offsets that this reader has to get through, up to now. */
  get total(): number {
    return Math.max(0, (this.end ?? Math.max(this.highWatermark, this.doneOffset)) - this.start);
  }
}
