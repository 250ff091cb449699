/**
 * batch.ts: one batch of one partition on its way: its records, its attempts, and the promise that all its sends share.
 *
 * States: filling -> closed (no more records) -> in flight <-> waiting for another attempt -> settled.
 * Invariants:
 *   B1  a sequence, once the batch left under it, changes only after every attempt was NOT_APPLIED
 *   B2  `done` settles once; the bytes are given back to the buffer once
 */
import { assert, type Codec, type CompressionKind, type Effect, LIMITS, VarveError } from "@varve/base";
import { BatchBuilder, stampProducer } from "@varve/records";
import { codeOfUnwritten } from "../errors.js";
import type { EncodedRecord } from "./encoded-record.js";
import type { SendTerms } from "./send-terms.js";

/** Who sends: an id and the epoch that counts for one partition. */
export interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

const NO_SEQUENCE = -1;
const NOBODY: Identity = { producerId: -1, producerEpoch: -1 };

/** What the broker answered for a batch. */
export interface BatchPlace {
  /** -1 with acks none. */
  readonly baseOffset: number;
  readonly epoch: number;
}

export class Batch {
  /** The earliest deadline of its records. */
  readonly deadlineAtMs: number;
  /** The round of flushes that all its records belong to. */
  readonly round: number;
  /** Where the batch is in the log. */
  readonly done: Promise<BatchPlace>;
  /** Bytes that its records take from the producer's buffer. */
  bufferedBytes = 0;
  /** The linger time is over: it may leave although it is not full. */
  ripe = false;
  sequence = NO_SEQUENCE;
  attempts = 0;
  /** An attempt may have put it into the log. */
  maybeApplied = false;
  /** When it last left, batches before it were unanswered: where they were not written yet, or never, it does not fit. */
  leftBehindOthers = false;
  /** How many batches of its lane had left before it. */
  turn = 0;
  lastError: VarveError | null = null;
  settled = false;
  private readonly builder: BatchBuilder;
  private bytes: Uint8Array | null = null;
  private resolve: (place: BatchPlace) => void = () => {};
  private reject: (error: VarveError) => void = () => {};

  /** For records that come with `terms`, or soon after. */
  constructor(batchBytesMax: number, terms: SendTerms) {
    this.builder = new BatchBuilder({ batchBytesMax: Math.min(batchBytesMax, LIMITS.batchBytesMax) });
    this.deadlineAtMs = terms.deadlineAtMs;
    this.round = terms.round;
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  get recordCount(): number {
    return this.builder.recordCount;
  }

  get byteLength(): number {
    return this.builder.byteLength;
  }

  /** False when it is full. @throws VarveError RECORD_TOO_LARGE. */
  append({ timestampMs, key, value, headers, bufferedBytes }: EncodedRecord): boolean {
    const fits = this.builder.append(timestampMs, key, value, headers);
    if (fits) this.bufferedBytes += bufferedBytes;
    return fits;
  }

  /** The bytes to send under this identity and sequence; null identity: not idempotent. */
  stamped(codec: Codec, compression: CompressionKind, identity: Identity | null, sequence: number): Uint8Array {
    const { producerId, producerEpoch } = identity ?? NOBODY;
    const baseSequence = identity === null ? NO_SEQUENCE : sequence;
    assert(this.sequence === NO_SEQUENCE || this.sequence === baseSequence || !this.maybeApplied, "B1");
    if (this.bytes === null) {
      this.bytes = this.builder.build(codec, { compression, producerId, producerEpoch, baseSequence });
    } else if (this.sequence !== baseSequence) {
      stampProducer(this.bytes, codec, { producerId, producerEpoch, baseSequence });
    }
    this.sequence = baseSequence;
    return this.bytes;
  }

  /** Its sequence counts no more: it will leave under another. */
  forgetSequence(): void {
    assert(!this.maybeApplied, "B1");
    this.sequence = NO_SEQUENCE;
  }

  succeed(place: BatchPlace): void {
    this.settled = true;
    this.resolve(place);
  }

  fail(error: VarveError): void {
    this.settled = true;
    this.reject(error);
  }

  /** What is known about all attempts together. */
  effect(inFlight: boolean): Effect {
    return this.maybeApplied || inFlight ? "UNKNOWN" : "NOT_APPLIED";
  }

  /** The error when its time is over. `trouble`: why the batches before it did not get through, if they did not. */
  expiry(where: string, timeoutMs: number, inFlight: boolean, trouble: VarveError | null): VarveError {
    const effect = this.effect(inFlight);
    const applied = effect === "UNKNOWN" ? "it may have been written" : "nothing was written";
    const held = trouble === null ? "" : `; it was held up behind others, of which the last said: ${trouble.message}`;
    const why = this.lastError === null ? held : `; the last attempt: ${this.lastError.message}`;
    const last = this.lastError ?? trouble;
    return new VarveError(
      effect === "NOT_APPLIED" && last !== null && saysWhy(last) ? codeOfUnwritten(last) : "TIMEOUT",
      {
        message: `${where} did not acknowledge ${this.recordCount} records within ${timeoutMs} ms after ${this.attempts} attempts; ${applied}${why}`,
        effect,
        retryable: last !== null && (last.retryable || !saysWhy(last)),
        details: { ...last?.details, attempts: this.attempts },
        ...(last === null ? {} : { cause: last }),
      },
    );
  }
}

/** Whether an error tells what is wrong. A sequence out of order says only that a batch before it did not get through. */
export function saysWhy({ code }: VarveError): boolean {
  return code !== "OUT_OF_ORDER_SEQUENCE";
}
