/**
 * producer-overlay.ts: idempotent batches that this leader has appended and that are not committed yet.
 *
 * The committed producer table is a function of the log; this overlay lies on top of it for one term and is dropped when the
 * leader steps down. A repeat of a batch in flight waits for the fate of the first.
 * Invariant P1: per producer and epoch, the sequences of the table and then the overlay have no gap.
 * Source: KIP-98 (sequence numbers), KIP-360; a duplicate in flight must not be answered before its original is committed.
 */
import type { ProducerStamp, ProducerVerdict } from "@varve/storage";

const SEQUENCE_MODULUS = 2 ** 31;

/** The sequence number `count` after `sequence`; they wrap from 2^31 - 1 to 0. */
export function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCE_MODULUS;
}

/** What the overlay adds to the committed table's verdicts. `T` is the caller's handle of a batch in flight. */
export type OverlayVerdict<T> = ProducerVerdict | { readonly kind: "in-flight"; readonly original: T };

interface InFlight<T> {
  readonly baseSequence: number;
  readonly recordCount: number;
  readonly handle: T;
}

interface ProducerInFlight<T> {
  readonly epoch: number;
  nextSequence: number;
  readonly batches: InFlight<T>[];
}

export class ProducerOverlay<T> {
  private readonly producers = new Map<number, ProducerInFlight<T>>();

  /** What to do with a batch; `committed` answers from the log. */
  verdict(stamp: ProducerStamp, committed: (stamp: ProducerStamp) => ProducerVerdict): OverlayVerdict<T> {
    const ahead = this.producers.get(stamp.producerId);
    if (ahead === undefined || ahead.batches.length === 0) return startOrTable(stamp, committed(stamp));
    if (stamp.producerEpoch < ahead.epoch) return { kind: "fenced", currentEpoch: ahead.epoch };
    if (stamp.producerEpoch > ahead.epoch) {
      return stamp.baseSequence === 0 ? { kind: "append" } : { kind: "gap", expectedSequence: 0 };
    }
    if (stamp.baseSequence === ahead.nextSequence) return { kind: "append" };
    const same = ahead.batches.find(
      (batch) => batch.baseSequence === stamp.baseSequence && batch.recordCount === stamp.recordCount,
    );
    if (same !== undefined) return { kind: "in-flight", original: same.handle };
    const known = committed(stamp);
    return known.kind === "duplicate" ? known : { kind: "gap", expectedSequence: ahead.nextSequence };
  }

  /** The batch was appended to this leader's log. */
  appended(stamp: ProducerStamp, handle: T): void {
    let ahead = this.producers.get(stamp.producerId);
    if (ahead === undefined || ahead.epoch !== stamp.producerEpoch) {
      ahead = { epoch: stamp.producerEpoch, nextSequence: 0, batches: [] };
      this.producers.set(stamp.producerId, ahead);
    }
    ahead.nextSequence = sequenceAfter(stamp.baseSequence, stamp.recordCount);
    ahead.batches.push({ baseSequence: stamp.baseSequence, recordCount: stamp.recordCount, handle });
  }

  /** The batch was committed: the table knows it now. */
  committed(stamp: ProducerStamp): void {
    const ahead = this.producers.get(stamp.producerId);
    if (ahead === undefined || ahead.epoch !== stamp.producerEpoch) return;
    const at = ahead.batches.findIndex((batch) => batch.baseSequence === stamp.baseSequence);
    if (at >= 0) ahead.batches.splice(0, at + 1);
    if (ahead.batches.length === 0) this.producers.delete(stamp.producerId);
  }

  clear(): void {
    this.producers.clear();
  }
}

/** A producer that the log does not know starts at sequence 0; anything else means that its past is missing. */
function startOrTable(stamp: ProducerStamp, verdict: ProducerVerdict): ProducerVerdict {
  if (verdict.kind !== "unknown") return verdict;
  return stamp.baseSequence === 0 ? { kind: "append" } : { kind: "gap", expectedSequence: 0 };
}
