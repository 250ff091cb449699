/**
 * batch-builder.ts: makes a record batch v2, record by record, in one growing buffer.
 *
 * A record is written once, where it will be sent from: no object and no copy per record beyond that.
 * Invariants:
 *   E1  `byteLength` is exactly the size of the batch if it is built without compression
 *   E2  a batch never exceeds `batchBytesMax`, except that its first record always fits
 *   E3  a built batch belongs to the caller; the builder touches it no more
 * Source: Apache Kafka documentation, "Record Batch", "Record".
 */
import { assert, type Codec, type CompressionKind, INT31_MAX, LIMITS } from "@varve/base";
import { recordTooLarge } from "./batch-errors.js";
import { writeInt16, writeInt32, writeInt64 } from "./bytes.js";
import { attributesFor, BATCH_CRC_START, BATCH_HEADER_BYTES, BATCH_MAGIC, BATCH_PREFIX_BYTES } from "./layout.js";
import { varintBytes, varlongBytes, writeVarint, writeVarlong } from "./varint.js";

/** Name and value of one record header; names may repeat, order is kept. */
export type RecordHeader = readonly [name: string, value: Uint8Array | null];

export interface BatchBuilderOptions {
  /** Size at which the batch is full, bytes before compression. Default and most: LIMITS.batchBytesMax. */
  readonly batchBytesMax?: number;
  /** Largest record, bytes of key, value and headers. Default and most: LIMITS.recordBytesMax. */
  readonly recordBytesMax?: number;
  /** Most records. Default and most: LIMITS.batchRecordsMax. */
  readonly recordsMax?: number;
}

/** What stands in the header of a batch about its producer, and how its records are compressed. */
export interface BuildOptions {
  /** Default none. A batch that compression does not shrink is sent uncompressed. */
  readonly compression?: CompressionKind;
  /** -1 (default): not idempotent. */
  readonly producerId?: number;
  readonly producerEpoch?: number;
  /** Sequence number of the first record, 0 .. 2^31 - 1. */
  readonly baseSequence?: number;
}

const BUFFER_BYTES_FIRST = 4096;
/** Below this a loop beats the call of TypedArray.set. */
const COPY_LOOP_BYTES_MAX = 24;
const NO_HEADERS: readonly RecordHeader[] = [];
const utf8 = new TextEncoder();

/** Fills one batch; used once. */
export class BatchBuilder {
  private readonly batchBytesMax: number;
  private readonly recordBytesMax: number;
  private readonly recordsMax: number;
  private buffer: Uint8Array;
  private end = BATCH_HEADER_BYTES;
  private count = 0;
  private baseTimestampMs = 0;
  private maxTimestampMs = 0;
  private built = false;

  constructor(options: BatchBuilderOptions = {}) {
    this.batchBytesMax = options.batchBytesMax ?? LIMITS.batchBytesMax;
    this.recordBytesMax = options.recordBytesMax ?? LIMITS.recordBytesMax;
    this.recordsMax = options.recordsMax ?? LIMITS.batchRecordsMax;
    assert(this.batchBytesMax > BATCH_HEADER_BYTES, "a batch holds more than its header");
    assert(this.batchBytesMax <= LIMITS.batchBytesMax, "a batch is at most LIMITS.batchBytesMax");
    assert(this.recordBytesMax <= LIMITS.recordBytesMax, "a record is at most LIMITS.recordBytesMax");
    assert(this.recordsMax >= 1, "a batch holds at least one record");
    assert(this.recordsMax <= LIMITS.batchRecordsMax, "a batch holds at most LIMITS.batchRecordsMax records");
    this.buffer = new Uint8Array(Math.min(this.batchBytesMax, BUFFER_BYTES_FIRST));
  }

  /** Records appended so far. */
  get recordCount(): number {
    return this.count;
  }

  /** Bytes of the batch if it were built now without compression (E1). */
  get byteLength(): number {
    return this.end;
  }

  /**
   * Appends one record; false, and nothing happened, when the batch is full: build it and start another (E2).
   * @param timestampMs safe integer, milliseconds since 1970; need not be in order.
   * @throws VarveError RECORD_TOO_LARGE: key, value and headers exceed `recordBytesMax`; nothing happened.
   */
  append(
    timestampMs: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly RecordHeader[] = NO_HEADERS,
  ): boolean {
    assert(!this.built, "E3: nothing is appended to a built batch");
    assert(Number.isSafeInteger(timestampMs), "a timestamp is a safe integer");
    if (this.count >= this.recordsMax) return false;
    const names = headers.length === 0 ? null : headers.map(([name]) => utf8.encode(name));
    const headersBytes = names === null ? 1 : sizeOfHeaders(headers, names);
    this.checkRecordSize((key?.length ?? 0) + (value?.length ?? 0) + headersBytes - 1);
    const timestampDelta = this.count === 0 ? 0 : timestampMs - this.baseTimestampMs;
    const bodyBytes =
      1 + varlongBytes(timestampDelta) + varintBytes(this.count) + fieldBytes(key) + fieldBytes(value) + headersBytes;
    const end = this.end + varintBytes(bodyBytes) + bodyBytes;
    if (end > this.batchBytesMax && this.count > 0) return false;
    this.reserve(end);
    this.writeRecord(bodyBytes, timestampDelta, key, value, headers, names);
    assert(this.end === end, "E1: a record is as long as was computed");
    this.noteTimestamp(timestampMs);
    this.count++;
    return true;
  }

  /**
   * The finished batch with base offset 0 and leader epoch 0, to be stamped by the leader. Call it once, with >= 1 record.
   * The answer may be a view of a buffer up to twice its size.
   */
  build(codec: Codec, options: BuildOptions = {}): Uint8Array {
    assert(!this.built, "E3: a batch is built once");
    assert(this.count > 0, "a batch holds at least one record");
    this.built = true;
    const compression = options.compression ?? "none";
    if (compression === "none") return this.finish(this.buffer.subarray(0, this.end), "none", codec, options);
    const records = this.buffer.subarray(BATCH_HEADER_BYTES, this.end);
    const compressed = codec.compress(compression, records);
    if (compressed.length >= records.length) {
      return this.finish(this.buffer.subarray(0, this.end), "none", codec, options);
    }
    const batch = new Uint8Array(BATCH_HEADER_BYTES + compressed.length);
    batch.set(compressed, BATCH_HEADER_BYTES);
    return this.finish(batch, compression, codec, options);
  }

  private finish(batch: Uint8Array, compression: CompressionKind, codec: Codec, options: BuildOptions): Uint8Array {
    writeInt64(batch, 0, 0);
    writeInt32(batch, 8, batch.length - BATCH_PREFIX_BYTES);
    writeInt32(batch, 12, 0);
    batch[16] = BATCH_MAGIC;
    writeInt16(batch, 21, attributesFor(compression));
    writeInt32(batch, 23, this.count - 1);
    writeInt64(batch, 27, this.baseTimestampMs);
    writeInt64(batch, 35, this.maxTimestampMs);
    writeInt32(batch, 57, this.count);
    stampProducer(batch, codec, {
      producerId: options.producerId ?? -1,
      producerEpoch: options.producerEpoch ?? -1,
      baseSequence: options.baseSequence ?? -1,
    });
    return batch;
  }

  private checkRecordSize(recordBytes: number): void {
    if (recordBytes <= this.recordBytesMax) return;
    throw recordTooLarge(recordBytes, this.recordBytesMax);
  }

  private noteTimestamp(timestampMs: number): void {
    if (this.count === 0) this.baseTimestampMs = timestampMs;
    if (this.count === 0 || timestampMs > this.maxTimestampMs) this.maxTimestampMs = timestampMs;
  }

  /** Makes room up to `end`, doubling, so that a batch is copied a bounded number of times. */
  private reserve(end: number): void {
    if (end <= this.buffer.length) return;
    const doubled = Math.min(this.buffer.length * 2, this.batchBytesMax);
    const grown = new Uint8Array(Math.max(end, doubled));
    grown.set(this.buffer.subarray(0, this.end));
    this.buffer = grown;
  }

  private writeRecord(
    bodyBytes: number,
    timestampDelta: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly RecordHeader[],
    names: readonly Uint8Array[] | null,
  ): void {
    const buffer = this.buffer;
    let at = writeVarint(buffer, this.end, bodyBytes);
    buffer[at++] = 0;
    at = writeVarlong(buffer, at, timestampDelta);
    at = writeVarint(buffer, at, this.count);
    at = writeField(buffer, at, key);
    at = writeField(buffer, at, value);
    at = writeVarint(buffer, at, headers.length);
    if (names !== null) {
      for (let index = 0; index < names.length; index++) {
        at = writeField(buffer, at, names[index] ?? null);
        at = writeField(buffer, at, headers[index]?.[1] ?? null);
      }
    }
    this.end = at;
  }
}

/** The identity that lets a broker recognise a batch sent again. */
export interface ProducerStamp {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

/**
 * Writes the producer's identity into a finished batch and computes its checksum, for example when a producer raised its
 * epoch and sends the batch under a new sequence. Not for batches whose bytes somebody may still be sending.
 */
export function stampProducer(batch: Uint8Array, codec: Codec, stamp: ProducerStamp): void {
  assert(Number.isSafeInteger(stamp.producerId) && stamp.producerId >= -1, "a producer id is -1 or an id");
  assert(stamp.producerEpoch >= -1 && stamp.producerEpoch <= 0x7fff, "a producer epoch is -1 or below 2^15");
  assert(stamp.baseSequence >= -1 && stamp.baseSequence <= INT31_MAX, "a sequence is -1 or below 2^31");
  writeInt64(batch, 43, stamp.producerId);
  writeInt16(batch, 51, stamp.producerEpoch);
  writeInt32(batch, 53, stamp.baseSequence);
  writeInt32(batch, 17, codec.crc32c(batch.subarray(BATCH_CRC_START)));
}

/** Bytes of a key, value or header value with its length; null is length -1. */
function fieldBytes(field: Uint8Array | null): number {
  return field === null ? 1 : varintBytes(field.length) + field.length;
}

function sizeOfHeaders(headers: readonly RecordHeader[], names: readonly Uint8Array[]): number {
  let total = varintBytes(headers.length);
  for (const name of names) total += fieldBytes(name);
  for (const [, value] of headers) total += fieldBytes(value);
  return total;
}

function writeField(buffer: Uint8Array, start: number, field: Uint8Array | null): number {
  if (field === null) return writeVarint(buffer, start, -1);
  const length = field.length;
  const at = writeVarint(buffer, start, length);
  if (length > COPY_LOOP_BYTES_MAX) buffer.set(field, at);
  else for (let index = 0; index < length; index++) buffer[at + index] = field[index] as number;
  return at + length;
}
