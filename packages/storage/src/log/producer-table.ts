/**
 * producer-table.ts: what the committed log knows of idempotent producers; a function of its frames.
 *
 * Invariants:
 *   P1  per producer only the newest epoch counts, and of it the last five batches with their offsets
 *   P2  a producer is forgotten only when it was silent for the expiry time, by append times
 * Source: KIP-98, KIP-360.
 */
import type { Offset, Term } from "@varve/base";
import type { ProducerStamp, ProducerVerdict } from "../api.js";

const BATCHES_KEPT = 5;
const SEQUENCE_MODULUS = 2 ** 31;

interface KeptBatch {
  readonly baseSequence: number;
  readonly recordCount: number;
  readonly baseOffset: Offset;
  readonly term: Term;
}

interface Producer {
  epoch: number;
  batches: KeptBatch[];
  lastAppendMs: number;
}

/** A producer as it stands in checkpoints. */
export type ProducerRow = readonly [
  producerId: number,
  epoch: number,
  lastAppendMs: number,
  batches: readonly KeptBatch[],
];

export class ProducerTable {
  private readonly producers = new Map<number, Producer>();
  private readonly expiryMs: number;
  private lastSweepMs = 0;

  constructor(expiryMs: number, rows: readonly ProducerRow[] = []) {
    this.expiryMs = expiryMs;
    for (const [id, epoch, lastAppendMs, batches] of rows)
      this.producers.set(id, { epoch, lastAppendMs, batches: [...batches] });
  }

  get size(): number {
    return this.producers.size;
  }

  verdict(stamp: ProducerStamp): ProducerVerdict {
    const producer = this.producers.get(stamp.producerId);
    if (producer === undefined) return { kind: "unknown" };
    if (stamp.producerEpoch < producer.epoch) return { kind: "fenced", currentEpoch: producer.epoch };
    if (stamp.producerEpoch > producer.epoch) {
      return stamp.baseSequence === 0 ? { kind: "append" } : { kind: "gap", expectedSequence: 0 };
    }
    const same = producer.batches.find(
      (batch) => batch.baseSequence === stamp.baseSequence && batch.recordCount === stamp.recordCount,
    );
    if (same !== undefined) return { kind: "duplicate", baseOffset: same.baseOffset, epochOfLog: same.term };
    const expected = nextSequence(producer);
    return stamp.baseSequence === expected ? { kind: "append" } : { kind: "gap", expectedSequence: expected };
  }

  state(producerId: number): { readonly epoch: number; readonly lastSequence: number } | null {
    const producer = this.producers.get(producerId);
    if (producer === undefined) return null;
    const next = nextSequence(producer);
    return { epoch: producer.epoch, lastSequence: (next + SEQUENCE_MODULUS - 1) % SEQUENCE_MODULUS };
  }

  /** A committed batch, in log order. */
  apply(stamp: ProducerStamp, baseOffset: Offset, term: Term, appendTimeMs: number): void {
    this.expire(appendTimeMs);
    let producer = this.producers.get(stamp.producerId);
    if (producer === undefined || producer.epoch !== stamp.producerEpoch) {
      producer = { epoch: stamp.producerEpoch, batches: [], lastAppendMs: appendTimeMs };
      this.producers.set(stamp.producerId, producer);
    }
    producer.lastAppendMs = appendTimeMs;
    producer.batches.push({ baseSequence: stamp.baseSequence, recordCount: stamp.recordCount, baseOffset, term });
    if (producer.batches.length > BATCHES_KEPT) producer.batches.shift();
  }

  /** Sorted by producer id, so that equal tables give equal bytes. */
  rows(): ProducerRow[] {
    return [...this.producers]
      .sort(([left], [right]) => left - right)
      .map(([id, { epoch, lastAppendMs, batches }]) => [id, epoch, lastAppendMs, [...batches]]);
  }

  private expire(nowMs: number): void {
    if (nowMs - this.lastSweepMs < this.expiryMs / 100) return;
    this.lastSweepMs = nowMs;
    for (const [id, producer] of this.producers) {
      if (nowMs - producer.lastAppendMs > this.expiryMs) this.producers.delete(id);
    }
  }
}

function nextSequence({ batches }: Producer): number {
  const last = batches[batches.length - 1];
  return last === undefined ? 0 : (last.baseSequence + last.recordCount) % SEQUENCE_MODULUS;
}
