/**
 * check-batch.ts: is this one intact batch that a broker may append? Reads the header and the checksum; of a batch that is larger
 * than one record may be, the sizes of its records, too.
 *
 * Order of the checks: what tells "damaged" comes before what tells "not allowed", so a flipped bit is never reported
 * as a broken rule. Exception: sizes, which are judged first and cost nothing.
 */
import { type Codec, type CompressionKind, type ErrorDetails, LIMITS } from "@varve/base";
import { batchTooLarge, invalidBatch, recordTooLarge, unsupportedCodec } from "./batch-errors.js";
import {
  BATCH_HEADER_BYTES,
  batchAttributes,
  batchBaseOffset,
  batchBaseSequence,
  batchBaseTimestampMs,
  batchCompression,
  batchLastOffsetDelta,
  batchMaxTimestampMs,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
} from "./layout.js";
import { RECORD_BYTES_MIN } from "./limits.js";
import { decodeRecords } from "./record-cursor.js";
import { verifyBatch } from "./verify-batch.js";

/** Bounds of a batch that comes from a producer. */
export interface BatchLimits {
  /** Bytes of the whole batch as sent. Default LIMITS.batchBytesMax. */
  readonly batchBytesMax?: number;
  /** Default LIMITS.batchRecordsMax. */
  readonly recordsMax?: number;
  /** Key, value and headers of one record, of batches that are not compressed: others are opaque here. Default LIMITS.recordBytesMax. */
  readonly recordBytesMax?: number;
}

/** Attribute bits that a producer may set: the compression. Time type, transactions and control marks are the broker's. */
const PRODUCER_ATTRIBUTES = 0b111;

/**
 * Checks a batch from a producer before it is appended; `bytes` must be exactly that batch.
 * @throws VarveError, all NOT_APPLIED: BATCH_TOO_LARGE; CORRUPT_BATCH (length, checksum); INVALID_BATCH (magic, counts,
 *   attributes, timestamps, producer fields); UNSUPPORTED_CODEC (unknown compression number); RECORD_TOO_LARGE.
 */
export function checkBatch(bytes: Uint8Array, codec: Codec, limits: BatchLimits = {}): void {
  const batchBytesMax = limits.batchBytesMax ?? LIMITS.batchBytesMax;
  if (bytes.length > batchBytesMax) {
    throw batchTooLarge("the record batch exceeds the topic's limit", bytes.length, batchBytesMax);
  }
  verifyBatch(bytes, codec);
  const compression = compressionOf(bytes);
  checkCounts(bytes, compression, limits.recordsMax ?? LIMITS.batchRecordsMax);
  const attributes = batchAttributes(bytes);
  demand((attributes & ~PRODUCER_ATTRIBUTES) === 0, "its attributes are not a producer's to set", { attributes });
  checkProducer(bytes);
  checkRecordSizes(bytes, compression, codec, limits.recordBytesMax ?? LIMITS.recordBytesMax);
}

/** A batch that is not larger than a record may be has none that is too large: then nothing is read. */
function checkRecordSizes(bytes: Uint8Array, compression: CompressionKind, codec: Codec, recordBytesMax: number): void {
  if (compression !== "none" || bytes.length <= recordBytesMax) return;
  const records = decodeRecords(bytes, codec, { checkCrc: false });
  while (records.advance())
    if (records.payloadBytes > recordBytesMax) throw recordTooLarge(records.payloadBytes, recordBytesMax);
}

function compressionOf(bytes: Uint8Array): CompressionKind {
  const compression = batchCompression(bytes);
  if (compression === null) throw unsupportedCodec("unknown number", batchAttributes(bytes) & 0b111);
  return compression;
}

function checkCounts(bytes: Uint8Array, compression: CompressionKind, recordsMax: number): void {
  const recordCount = batchRecordCount(bytes);
  const lastOffsetDelta = batchLastOffsetDelta(bytes);
  demand(recordCount >= 1, "it has no record", { recordCount });
  demand(recordCount <= recordsMax, "it has too many records", { recordCount, recordCountMax: recordsMax });
  demand(lastOffsetDelta === recordCount - 1, "its last offset delta is not its record count - 1", {
    recordCount,
    lastOffsetDelta,
  });
  const recordsBytes = bytes.length - BATCH_HEADER_BYTES;
  const fits = compression === "none" ? recordCount * RECORD_BYTES_MIN <= recordsBytes : recordsBytes > 0;
  demand(fits, "it is too short for its record count", { recordCount, recordsBytes });
}

function checkProducer(bytes: Uint8Array): void {
  demand(!Number.isNaN(batchBaseOffset(bytes)), "its base offset is beyond 2^53 - 1");
  const baseTimestampMs = batchBaseTimestampMs(bytes);
  const maxTimestampMs = batchMaxTimestampMs(bytes);
  demand(!Number.isNaN(baseTimestampMs + maxTimestampMs), "its timestamps are beyond 2^53 - 1");
  const producerId = batchProducerId(bytes);
  demand(producerId >= -1, "its producer id is not -1 .. 2^53 - 1", { producerId: String(producerId) });
  if (producerId === -1) return;
  const producerEpoch = batchProducerEpoch(bytes);
  const baseSequence = batchBaseSequence(bytes);
  demand(producerEpoch >= 0, "an idempotent producer's epoch is negative", { producerId, producerEpoch });
  demand(baseSequence >= 0, "an idempotent producer's sequence is negative", { producerId, baseSequence });
}

function demand(holds: boolean, problem: string, details?: ErrorDetails): void {
  if (!holds) throw invalidBatch(problem, details);
}
