/**
 * producer-table.ts: what the committed log knows of idempotent producers. A pure function of its frames, in order.
 *
 * Invariants:
 *   P1  per producer only the newest epoch counts, and of it the last BATCHES_KEPT batches with their offsets
 *   P2  a producer is forgotten only when it was silent for the expiry time, by append times, or when more than PRODUCERS_MAX
 *       others wrote after it
 *   P3  the map's order is the order of last use, so what is forgotten is always at its front
 * Source: KIP-98 (sequences), KIP-360 (state outlives the records), KIP-679 (five in flight).
 */
import { assert, type Offset, type Term } from "@varve/base";
import type { ProducerStamp, ProducerVerdict } from "../api.js";

/** As many batches as a producer may have in flight. */
export const BATCHES_KEPT = 5;
/** Bound of one log's table; about 3 MiB when full. */
export const PRODUCERS_MAX = 10_000;
/** Sequences wrap to 0 here. */
const SEQUENCE_MODULUS = 2 ** 31;

/** A batch that was appended, as a duplicate of it is answered. */
export interface KeptBatch {
  readonly baseSequence: number;
  readonly recordCount: number;
  readonly baseOffset: Offset;
  readonly term: Term;
}

/** One producer, as it stands in checkpoints. */
export interface ProducerEntry {
  readonly producerId: number;
  readonly epoch: number;
  readonly lastAppendMs: number;
  readonly batches: readonly KeptBatch[];
}

export class ProducerTable {
  private readonly producers = new Map<number, ProducerEntry>();
  private readonly expiryMs: number;

  /** @param entries in order of last use, as `entries()` gives them. */
  constructor(expiryMs: number, entries: readonly ProducerEntry[] = []) {
    this.expiryMs = expiryMs;
    for (const entry of entries) this.producers.set(entry.producerId, entry);
  }

  get size(): number {
    return this.producers.size;
  }

  /** What is to be done with a batch, if nothing else of this producer is in flight. */
  verdict(stamp: ProducerStamp): ProducerVerdict {
    const entry = this.producers.get(stamp.producerId);
    if (entry === undefined) return stamp.baseSequence === 0 ? { kind: "append" } : { kind: "unknown" };
    if (stamp.producerEpoch < entry.epoch) return { kind: "fenced", currentEpoch: entry.epoch };
    if (stamp.producerEpoch > entry.epoch) {
      return stamp.baseSequence === 0 ? { kind: "append" } : { kind: "gap", expectedSequence: 0 };
    }
    const twin = entry.batches.find(
      (batch) => batch.baseSequence === stamp.baseSequence && batch.recordCount === stamp.recordCount,
    );
    if (twin !== undefined) return { kind: "duplicate", baseOffset: twin.baseOffset, epochOfLog: twin.term };
    const expectedSequence = nextSequence(entry);
    return stamp.baseSequence === expectedSequence ? { kind: "append" } : { kind: "gap", expectedSequence };
  }

  /** Last sequence and epoch of a producer, or null. */
  state(producerId: number): { readonly epoch: number; readonly lastSequence: number } | null {
    const entry = this.producers.get(producerId);
    if (entry === undefined) return null;
    return { epoch: entry.epoch, lastSequence: (nextSequence(entry) + SEQUENCE_MODULUS - 1) % SEQUENCE_MODULUS };
  }

  /** A committed batch, in log order. */
  apply(stamp: ProducerStamp, baseOffset: Offset, term: Term, appendTimeMs: number): void {
    assert(stamp.producerId >= 0, "only idempotent producers are in the table");
    assert(stamp.recordCount > 0, "a batch has a record");
    const before = this.producers.get(stamp.producerId);
    const kept = before !== undefined && before.epoch === stamp.producerEpoch ? before.batches : [];
    const batch: KeptBatch = { baseSequence: stamp.baseSequence, recordCount: stamp.recordCount, baseOffset, term };
    this.producers.delete(stamp.producerId); // P3
    this.producers.set(stamp.producerId, {
      producerId: stamp.producerId,
      epoch: stamp.producerEpoch,
      lastAppendMs: appendTimeMs,
      batches: [...kept.slice(1 - BATCHES_KEPT), batch],
    });
    this.forget(appendTimeMs);
  }

  /** In order of last use. */
  entries(): readonly ProducerEntry[] {
    return [...this.producers.values()];
  }

  private forget(nowMs: number): void {
    for (const [producerId, entry] of this.producers) {
      const isExpired = nowMs - entry.lastAppendMs > this.expiryMs;
      if (!isExpired && this.producers.size <= PRODUCERS_MAX) return;
      this.producers.delete(producerId);
    }
  }
}

function nextSequence({ batches }: ProducerEntry): number {
  const last = batches[batches.length - 1];
  assert(last !== undefined, "a producer in the table has a batch");
  return (last.baseSequence + last.recordCount) % SEQUENCE_MODULUS;
}
