/**
 * layout.ts: where the fields of a record batch v2 lie, read and stamped in place, without an object per batch.
 *
 * ```
 *  0 int64 base offset          16 int8   magic (2)            35 int64 max timestamp, ms
 *  8 int32 length from here on  17 uint32 CRC32C from 21 on    43 int64 producer id, -1 = none
 * 12 int32 leader epoch         21 int16  attributes           51 int16 producer epoch
 *                               23 int32  last offset delta    53 int32 base sequence
 *                               27 int64  base timestamp, ms   57 int32 record count; records from 61
 * ```
 * Invariants:
 *   B1  base offset and leader epoch lie outside the CRC: a leader stamps them, nobody computes a checksum again
 *   B2  every reader here takes the position of a batch of which at least BATCH_HEADER_BYTES are there
 * Source: Apache Kafka documentation, "Record Batch"; KIP-98.
 */
import { assert, COMPRESSION_IDS, type CompressionKind, compressionKindOf, INT31_MAX, type Offset } from "@varve/base";
import { readInt16, readInt32, readInt64, readUint32, writeInt32, writeInt64 } from "./bytes.js";

/** Bytes before the first record. */
export const BATCH_HEADER_BYTES = 61;
/** Bytes before the part that the length field counts. */
export const BATCH_PREFIX_BYTES = 12;
/** The only batch version written and read here. */
export const BATCH_MAGIC = 2;
/** Where the bytes that the checksum covers begin. */
export const BATCH_CRC_START = 21;

const COMPRESSION_MASK = 0b111;
const APPEND_TIME_BIT = 1 << 3;
const TRANSACTIONAL_BIT = 1 << 4;
const CONTROL_BIT = 1 << 5;

/** Offset of the first record: as stamped by the leader, 0 or arbitrary before that. NaN beyond 2^53 - 1. */
export function batchBaseOffset(bytes: Uint8Array, at = 0): Offset {
  return readInt64(bytes, at);
}

/** Bytes of the whole batch by its own length field, prefix included; may be nonsense in unchecked input. */
export function batchByteLength(bytes: Uint8Array, at = 0): number {
  return readInt32(bytes, at + 8) + BATCH_PREFIX_BYTES;
}

/** Epoch of the leader that stamped the batch. */
export function batchLeaderEpoch(bytes: Uint8Array, at = 0): number {
  return readInt32(bytes, at + 12);
}

export function batchMagic(bytes: Uint8Array, at = 0): number {
  return bytes[at + 16] as number;
}

/** The stored CRC32C, unsigned. */
export function batchCrc(bytes: Uint8Array, at = 0): number {
  return readUint32(bytes, at + 17);
}

/** Bits 0-2 compression, 3 append time, 4 transactional, 5 control, 6 delete horizon. */
export function batchAttributes(bytes: Uint8Array, at = 0): number {
  return readInt16(bytes, at + 21);
}

/** The compression by the attributes, or null when the number is unknown. */
export function batchCompression(bytes: Uint8Array, at = 0): CompressionKind | null {
  return compressionKindOf(batchAttributes(bytes, at) & COMPRESSION_MASK);
}

/** Whether all records carry the broker's append time (the max timestamp) instead of their own. */
export function batchHasAppendTime(bytes: Uint8Array, at = 0): boolean {
  return (batchAttributes(bytes, at) & APPEND_TIME_BIT) !== 0;
}

export function batchIsTransactional(bytes: Uint8Array, at = 0): boolean {
  return (batchAttributes(bytes, at) & TRANSACTIONAL_BIT) !== 0;
}

/** Whether the batch holds markers for readers instead of records. */
export function batchIsControl(bytes: Uint8Array, at = 0): boolean {
  return (batchAttributes(bytes, at) & CONTROL_BIT) !== 0;
}

/** Offset of the last record minus the base offset; the batch takes this many offsets plus one. */
export function batchLastOffsetDelta(bytes: Uint8Array, at = 0): number {
  return readInt32(bytes, at + 23);
}

/** Offset of the last record. */
export function batchLastOffset(bytes: Uint8Array, at = 0): Offset {
  return batchBaseOffset(bytes, at) + batchLastOffsetDelta(bytes, at);
}

/** Timestamp that the records' own are relative to, milliseconds since 1970. NaN when out of range. */
export function batchBaseTimestampMs(bytes: Uint8Array, at = 0): number {
  return readInt64(bytes, at + 27);
}

/** Latest timestamp of a record, milliseconds since 1970. NaN when out of range. */
export function batchMaxTimestampMs(bytes: Uint8Array, at = 0): number {
  return readInt64(bytes, at + 35);
}

/** Id of the idempotent producer, -1 = none. NaN when out of range. */
export function batchProducerId(bytes: Uint8Array, at = 0): number {
  return readInt64(bytes, at + 43);
}

export function batchProducerEpoch(bytes: Uint8Array, at = 0): number {
  return readInt16(bytes, at + 51);
}

/** Sequence number of the first record for its producer and partition. */
export function batchBaseSequence(bytes: Uint8Array, at = 0): number {
  return readInt32(bytes, at + 53);
}

export function batchRecordCount(bytes: Uint8Array, at = 0): number {
  return readInt32(bytes, at + 57);
}

/** All header fields as one object, for tools and messages; the hot paths read single fields. */
export interface BatchHeader {
  readonly baseOffset: Offset;
  readonly byteLength: number;
  readonly leaderEpoch: number;
  readonly magic: number;
  readonly crc: number;
  readonly attributes: number;
  readonly compression: CompressionKind | null;
  readonly lastOffsetDelta: number;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}

/** The header of the batch that starts at `at`; nothing in it has been checked (B2). */
export function readBatchHeader(bytes: Uint8Array, at = 0): BatchHeader {
  return {
    baseOffset: batchBaseOffset(bytes, at),
    byteLength: batchByteLength(bytes, at),
    leaderEpoch: batchLeaderEpoch(bytes, at),
    magic: batchMagic(bytes, at),
    crc: batchCrc(bytes, at),
    attributes: batchAttributes(bytes, at),
    compression: batchCompression(bytes, at),
    lastOffsetDelta: batchLastOffsetDelta(bytes, at),
    baseTimestampMs: batchBaseTimestampMs(bytes, at),
    maxTimestampMs: batchMaxTimestampMs(bytes, at),
    producerId: batchProducerId(bytes, at),
    producerEpoch: batchProducerEpoch(bytes, at),
    baseSequence: batchBaseSequence(bytes, at),
    recordCount: batchRecordCount(bytes, at),
  };
}

/** Writes the offset of the first record and the leader's epoch into the batch itself (B1). */
export function stampBatch(bytes: Uint8Array, baseOffset: Offset, leaderEpoch: number): void {
  assert(bytes.length >= BATCH_HEADER_BYTES, "B2: a batch has a whole header");
  assert(Number.isSafeInteger(baseOffset) && baseOffset >= 0, "an offset is an integer in 0 .. 2^53 - 1");
  assert(Number.isInteger(leaderEpoch) && leaderEpoch >= 0, "a leader epoch is an integer >= 0");
  assert(leaderEpoch <= INT31_MAX, "a leader epoch is below 2^31");
  writeInt64(bytes, 0, baseOffset);
  writeInt32(bytes, 12, leaderEpoch);
}

/** The attributes of a batch of records with that compression and the producer's own timestamps. */
export function attributesFor(compression: CompressionKind): number {
  return COMPRESSION_IDS[compression];
}
