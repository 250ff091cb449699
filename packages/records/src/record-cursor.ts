/**
 * record-cursor.ts: walks the records of one batch; makes a key, a value or an object only when asked for it.
 *
 * Invariants:
 *   D1  a step reads nothing outside the record's own bytes, and the record lies inside the batch
 *   D2  a step consumes at least RECORD_BYTES_MIN bytes, so a walk ends whatever the bytes are
 *   D3  offsets rise strictly and stay within base offset .. base offset + lastOffsetDelta
 *   D4  what breaks a rule is a VarveError CORRUPT_BATCH with effect NONE, thrown at the record that breaks it
 * Memory: views of the batch, or of one decompressed buffer of at most `bytesMax` bytes; see README, "Bounds".
 */
import { type Codec, type ErrorDetails, isVarveError, type Offset } from "@varve/base";
import type { RecordHeader } from "./batch-builder.js";
import { corruptBatch, unsupportedCodec } from "./batch-errors.js";
import {
  BATCH_HEADER_BYTES,
  batchAttributes,
  batchBaseOffset,
  batchBaseTimestampMs,
  batchCompression,
  batchHasAppendTime,
  batchLastOffset,
  batchLastOffsetDelta,
  batchMaxTimestampMs,
  batchRecordCount,
} from "./layout.js";
import { DECOMPRESSED_BYTES_MAX, RECORD_BYTES_MIN } from "./limits.js";
import { VarintReader } from "./varint-reader.js";
import { verifyBatch, verifyBatchFrame } from "./verify-batch.js";

export interface DecodeOptions {
  /** Most bytes of the records after decompression. Default DECOMPRESSED_BYTES_MAX. */
  readonly bytesMax?: number;
  /** Records below this offset are skipped without looking into them; a batch that ends below it is not decompressed. */
  readonly fromOffset?: Offset;
  /** Whether the checksum is compared first (default). False only for bytes that were verified before. */
  readonly checkCrc?: boolean;
}

/** One record as a reader sees it. Key, value and header values are views: they keep the batch's buffer alive. */
export interface DecodedRecord {
  readonly offset: Offset;
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** Decoded at first use. @throws VarveError CORRUPT_BATCH */
  readonly headers: readonly RecordHeader[];
}

/**
 * A cursor before the first record of the batch that `bytes` are.
 * @throws VarveError, effect NONE: CORRUPT_BATCH, INVALID_BATCH (magic), UNSUPPORTED_CODEC, BATCH_TOO_LARGE (`bytesMax`).
 */
export function decodeRecords(bytes: Uint8Array, codec: Codec, options: DecodeOptions = {}): RecordCursor {
  try {
    if (options.checkCrc === false) verifyBatchFrame(bytes);
    else verifyBatch(bytes, codec);
    return new RecordCursor(bytes, codec, options);
  } catch (error) {
    throw isVarveError(error) ? error.withEffect("NONE") : error;
  }
}

const EMPTY = new Uint8Array(0);
const utf8 = new TextDecoder();

/** Made by decodeRecords. Either call `advance` until false and read the fields, or iterate for an object per record. */
export class RecordCursor implements Iterable<DecodedRecord> {
  private readonly baseOffset: Offset;
  private readonly lastOffsetDelta: number;
  private readonly baseTimestampMs: number;
  /** The time that all records carry, or null when each has its own. */
  private readonly appendTimeMs: number | null;
  private readonly fromOffset: Offset;
  private readonly body: Uint8Array;
  private readonly reader: VarintReader;
  private readonly recordCount: number;
  private recordsSeen = 0;
  private offsetDelta = -1;
  private timestampDelta = 0;
  private keyStart = 0;
  private keyBytes = -1;
  private valueStart = 0;
  private valueBytes = -1;
  private headersStart = 0;
  private headerCount = 0;
  private recordEnd = 0;

  /** Use decodeRecords, which checks the frame first. */
  constructor(bytes: Uint8Array, codec: Codec, options: DecodeOptions) {
    this.baseOffset = batchBaseOffset(bytes);
    this.lastOffsetDelta = batchLastOffsetDelta(bytes);
    this.baseTimestampMs = batchBaseTimestampMs(bytes);
    this.appendTimeMs = batchHasAppendTime(bytes) ? batchMaxTimestampMs(bytes) : null;
    this.fromOffset = options.fromOffset ?? 0;
    this.recordCount = batchRecordCount(bytes);
    this.checkHeader(bytes);
    const wanted = batchLastOffset(bytes) >= this.fromOffset;
    this.body = wanted ? recordsOf(bytes, codec, options.bytesMax ?? DECOMPRESSED_BYTES_MAX) : EMPTY;
    if (!wanted) this.recordsSeen = this.recordCount;
    else if (this.recordCount * RECORD_BYTES_MIN > this.body.length) {
      throw this.corrupt("its records are fewer than its count");
    }
    if (this.recordCount === 0 && this.body.length > 0) throw this.corrupt("it has bytes but no record");
    this.reader = new VarintReader(this.body);
  }

  /** Steps to the next record at or above `fromOffset`; false at the end. @throws VarveError CORRUPT_BATCH */
  advance(): boolean {
    while (this.recordsSeen < this.recordCount) {
      this.readRecordStart();
      this.recordsSeen++;
      if (this.offset >= this.fromOffset) {
        this.readRecordRest();
        return true;
      }
      this.reader.at = this.recordEnd;
      this.checkEnd();
    }
    return false;
  }

  get offset(): Offset {
    return this.baseOffset + this.offsetDelta;
  }

  /** Milliseconds since 1970: the record's own, or the broker's append time where the batch says so. */
  get timestampMs(): number {
    return this.appendTimeMs ?? this.baseTimestampMs + this.timestampDelta;
  }

  /** Bytes of key, value and headers: what the limit of a record counts. */
  get payloadBytes(): number {
    return Math.max(0, this.keyBytes) + Math.max(0, this.valueBytes) + this.recordEnd - this.headersStart;
  }

  /** A view of the key; null when the record has none. */
  key(): Uint8Array | null {
    return this.view(this.keyStart, this.keyBytes);
  }

  /** A view of the value; null when the record has none. */
  value(): Uint8Array | null {
    return this.view(this.valueStart, this.valueBytes);
  }

  /** The headers in order, repeats kept. @throws VarveError CORRUPT_BATCH */
  headers(): RecordHeader[] {
    return readHeaders(this.body, this.headersStart, this.recordEnd, this.headerCount, this.offset);
  }

  /** The record as an object that outlives the next step. */
  record(): DecodedRecord {
    return new LazyRecord(
      this.offset,
      this.timestampMs,
      this.key(),
      this.value(),
      this.body,
      this.headersStart,
      this.recordEnd,
      this.headerCount,
    );
  }

  /** The records that are left, an object each. */
  *[Symbol.iterator](): Generator<DecodedRecord, void, undefined> {
    while (this.advance()) yield this.record();
  }

  private checkHeader(bytes: Uint8Array): void {
    if (Number.isNaN(this.baseOffset + this.baseTimestampMs + batchMaxTimestampMs(bytes))) {
      throw this.corrupt("an offset or a timestamp is beyond 2^53 - 1");
    }
    if (this.baseOffset < 0 || !Number.isSafeInteger(this.baseOffset + this.lastOffsetDelta)) {
      throw this.corrupt("its offsets are not 0 .. 2^53 - 1");
    }
    if (this.recordCount < 0) throw this.corrupt("its record count is negative");
  }

  /** Reads up to the offset: enough to skip the record. */
  private readRecordStart(): void {
    const { reader } = this;
    reader.end = this.body.length;
    const bodyBytes = reader.readInt32();
    const end = reader.at + bodyBytes;
    if (reader.failed || bodyBytes < RECORD_BYTES_MIN - 1 || end > this.body.length) {
      throw this.corrupt("a record's length is impossible");
    }
    this.recordEnd = end;
    reader.end = end;
    reader.at++;
    this.timestampDelta = reader.readInt64();
    const offsetDelta = reader.readInt32();
    if (reader.failed || Number.isNaN(this.timestampDelta)) throw this.corrupt("a record's number is damaged");
    if (!Number.isSafeInteger(this.baseTimestampMs + this.timestampDelta)) {
      throw this.corrupt("a record's timestamp is beyond 2^53 - 1");
    }
    if (offsetDelta <= this.offsetDelta || offsetDelta > this.lastOffsetDelta) {
      throw this.corrupt("a record's offset is out of order"); // D3
    }
    this.offsetDelta = offsetDelta;
  }

  /** Finds key, value and headers inside the record; their bytes are not touched. */
  private readRecordRest(): void {
    const { reader } = this;
    this.keyBytes = reader.readInt32();
    this.keyStart = reader.at;
    reader.skip(this.keyBytes);
    this.valueBytes = reader.readInt32();
    this.valueStart = reader.at;
    reader.skip(this.valueBytes);
    this.headerCount = reader.readInt32();
    this.headersStart = reader.at;
    if (reader.failed) throw this.corrupt("a record's key or value does not fit into it");
    if (this.headerCount < 0 || this.headerCount * 2 > this.recordEnd - reader.at) {
      throw this.corrupt("a record's header count is impossible");
    }
    if (this.headerCount === 0 && reader.at !== this.recordEnd) throw this.corrupt("a record has bytes left over");
    reader.at = this.recordEnd;
    this.checkEnd();
  }

  private checkEnd(): void {
    if (this.recordsSeen < this.recordCount || this.recordEnd === this.body.length) return;
    throw this.corrupt("bytes follow its last record");
  }

  private view(start: number, length: number): Uint8Array | null {
    return length < 0 ? null : this.body.subarray(start, start + length);
  }

  private corrupt(problem: string): Error {
    return corruptRecord(problem, { baseOffset: this.baseOffset, recordIndex: this.recordsSeen });
  }
}

/** What iteration yields: headers are decoded when they are first read. */
class LazyRecord implements DecodedRecord {
  private decodedHeaders: readonly RecordHeader[] | null = null;

  constructor(
    readonly offset: Offset,
    readonly timestampMs: number,
    readonly key: Uint8Array | null,
    readonly value: Uint8Array | null,
    private readonly body: Uint8Array,
    private readonly headersStart: number,
    private readonly recordEnd: number,
    private readonly headerCount: number,
  ) {}

  get headers(): readonly RecordHeader[] {
    this.decodedHeaders ??= readHeaders(this.body, this.headersStart, this.recordEnd, this.headerCount, this.offset);
    return this.decodedHeaders;
  }
}

function recordsOf(bytes: Uint8Array, codec: Codec, bytesMax: number): Uint8Array {
  const compression = batchCompression(bytes);
  if (compression === null) throw unsupportedCodec("unknown number", batchAttributes(bytes) & 0b111);
  return codec.decompress(compression, bytes.subarray(BATCH_HEADER_BYTES), bytesMax);
}

function readHeaders(body: Uint8Array, start: number, end: number, count: number, offset: Offset): RecordHeader[] {
  const headers: RecordHeader[] = [];
  const reader = new VarintReader(body);
  reader.at = start;
  reader.end = end;
  for (let index = 0; index < count; index++) {
    const nameBytes = reader.readInt32();
    const nameStart = reader.at;
    reader.skip(nameBytes);
    const valueBytes = reader.readInt32();
    const valueStart = reader.at;
    reader.skip(valueBytes);
    if (reader.failed || nameBytes < 0) throw corruptRecord("a header does not fit into its record", { offset });
    const name = utf8.decode(body.subarray(nameStart, nameStart + nameBytes));
    headers.push([name, valueBytes < 0 ? null : body.subarray(valueStart, valueStart + valueBytes)]);
  }
  if (reader.at !== end) throw corruptRecord("bytes follow a record's last header", { offset });
  return headers;
}

function corruptRecord(problem: string, details: ErrorDetails): Error {
  return corruptBatch(problem, details).withEffect("NONE");
}
