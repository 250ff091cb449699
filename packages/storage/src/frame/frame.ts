/**
 * frame.ts: the frame header: the same bytes in the WAL, in segments and on the peer link; encoded once, then only copied.
 *
 * ```
 *  0 u32 magic "VFRM"   16 u64 index        32 u64 base offset     56 u32 payload bytes
 *  4 u8  version        24 u32 index span   40 u32 offset span     60 u32 payload CRC32C
 *  5 u8  kind           28 u32 term         44 u32 record count    64 u32 zero
 *  6 u16 flags (zero)                       48 u64 append time ms  68 u32 CRC32C of bytes 0..67
 *  8 u64 group id       all little-endian; the payload follows
 * ```
 * Invariants:
 *   F1  the payload CRC of a batch is the batch's own, so a batch is summed once, by its producer
 *   F2  a batch's own offset, length, epoch and offset span equal its frame's
 *   F3  a term is below 2^31, since it is the batch's leader epoch
 * Source of the batch's fields: Apache Kafka documentation, "Record Batch".
 */
import { assert, INT31_MAX } from "@varve/base";
import { BATCH_HEADER_BYTES, batchCrc, crc32c } from "@varve/records";
import { type Frame, FrameKind } from "../api.js";
import { corrupt, readU16, readU32, readU64, writeU32, writeU64 } from "../bytes.js";

/** Bytes of every encoded header. */
export const FRAME_HEADER_BYTES = 72;
/** Largest payload: twice the largest batch, so that commands of state machines fit too. */
export const FRAME_PAYLOAD_BYTES_MAX = 8 * 1024 * 1024;

const MAGIC = 0x4d524656;
const VERSION = 1;
const CRC_AT = 68;
const PAYLOAD_CRC_AT = 60;
const SLAB_HEADERS = 128;

/** What a caller says of a frame; the rest follows from it. */
export type FrameFields = Omit<Frame, "header" | "type">;

let slab = new Uint8Array(0);
let slabUsed = 0;

/** Headers are cut from small slabs: one allocation for many frames, and a kept frame pins little. */
function newHeader(): Uint8Array {
  if (slabUsed + FRAME_HEADER_BYTES > slab.length) {
    slab = new Uint8Array(SLAB_HEADERS * FRAME_HEADER_BYTES);
    slabUsed = 0;
  }
  const start = slabUsed;
  slabUsed += FRAME_HEADER_BYTES;
  return slab.subarray(start, slabUsed);
}

/**
 * Makes a frame. `data` is kept by reference and must not change any more; a batch must already carry its base offset and
 * leader epoch (F2). Costs one small header; the payload is summed only when it is not a batch (F1).
 */
export function encodeFrame(fields: FrameFields): Frame {
  const { groupId, kind, index, term, baseOffset, offsetSpan, recordCount, appendTimeMs, data } = fields;
  assert(Number.isInteger(term) && term >= 0 && term <= INT31_MAX, "F3: a term is below 2^31");
  assert(Number.isSafeInteger(index) && index >= 1, "the first index is 1");
  assert(Number.isSafeInteger(groupId) && groupId >= 0, "a group id is a whole number");
  assert(Number.isSafeInteger(baseOffset + offsetSpan) && baseOffset >= 0, "offsets are whole numbers below 2^53");
  assert(Number.isSafeInteger(appendTimeMs) && appendTimeMs >= 0, "an append time is in whole milliseconds");
  assert(data.length <= FRAME_PAYLOAD_BYTES_MAX, "a payload is at most 8 MiB");
  const isBatch = kind === FrameKind.batch;
  assert(!isBatch || data.length >= BATCH_HEADER_BYTES, "a batch has a whole header");
  assert(isBatch === offsetSpan > 0, "batches take offsets, nothing else does");
  const header = newHeader();
  writeU32(header, 0, MAGIC);
  header[4] = VERSION;
  header[5] = kind;
  writeU64(header, 8, groupId);
  writeU64(header, 16, index);
  writeU32(header, 24, 1);
  writeU32(header, 28, term);
  writeU64(header, 32, baseOffset);
  writeU32(header, 40, offsetSpan);
  writeU32(header, 44, recordCount);
  writeU64(header, 48, appendTimeMs);
  writeU32(header, 56, data.length);
  writeU32(header, PAYLOAD_CRC_AT, isBatch ? batchCrc(data) : crc32c(data));
  writeU32(header, CRC_AT, crc32c(header.subarray(0, CRC_AT)));
  const type = kind === FrameKind.conf ? 2 : 0;
  return { groupId, kind, type, index, term, baseOffset, offsetSpan, recordCount, appendTimeMs, data, header };
}

/** Bytes that a frame takes in the WAL (without its record prefix), in a segment and on the wire. */
export function frameBytes(frame: Frame): number {
  return FRAME_HEADER_BYTES + frame.data.length;
}

/** The payload checksum in a header. */
export function framePayloadCrc(frame: Frame): number {
  return readU32(frame.header, PAYLOAD_CRC_AT);
}

/** A header read from bytes that may be anything. */
export type HeaderReading =
  | { readonly kind: "frame"; readonly payloadBytes: number }
  /** No whole header is there. */
  | { readonly kind: "short" }
  /** The bytes are not an intact header; the text says why. */
  | { readonly kind: "damaged"; readonly problem: string };

/** Checks the header at `at` and says how many bytes of payload follow it. */
export function checkFrameHeader(bytes: Uint8Array, at: number): HeaderReading {
  if (at + FRAME_HEADER_BYTES > bytes.length) return { kind: "short" };
  if (readU32(bytes, at) !== MAGIC) return damaged("no frame begins there");
  const header = bytes.subarray(at, at + FRAME_HEADER_BYTES);
  if (crc32c(header.subarray(0, CRC_AT)) !== readU32(header, CRC_AT))
    return damaged("a frame header's checksum is wrong");
  if (header[4] !== VERSION || readU16(header, 6) !== 0)
    return damaged(`frame version ${header[4]} or its flags are unknown`);
  if (!isKind(header[5])) return damaged(`frame kind ${header[5]} is unknown`);
  const payloadBytes = readU32(header, 56);
  if (payloadBytes > FRAME_PAYLOAD_BYTES_MAX) return damaged(`a payload of ${payloadBytes} bytes is too long`);
  const numbers = readU64(header, 8) + readU64(header, 16) + readU64(header, 48);
  const endOffset = readU64(header, 32) + readU32(header, 40);
  if (Number.isNaN(numbers) || !Number.isSafeInteger(endOffset)) return damaged("a number is larger than 2^53 - 1");
  if (readU32(header, 28) > INT31_MAX) return damaged("a term is above 2^31 - 1");
  if (readU64(header, 16) === 0) return damaged("a frame has index 0");
  return { kind: "frame", payloadBytes };
}

function damaged(problem: string): HeaderReading {
  return { kind: "damaged", problem };
}

function isKind(kind: number | undefined): boolean {
  return kind !== undefined && kind >= FrameKind.batch && kind <= FrameKind.gap;
}

/** The frame at `at`, whose header has been checked and whose payload is there. Views of `bytes`, nothing is copied. */
export function frameAt(bytes: Uint8Array, at: number): Frame {
  const start = at + FRAME_HEADER_BYTES;
  const end = start + readU32(bytes, at + 56);
  assert(end <= bytes.length, "the whole frame is there");
  return makeFrame(bytes.subarray(at, start), bytes.subarray(start, end));
}

/** What the checked header at `at` says, as a frame without its payload, and how many bytes the whole frame has. */
export function frameHeaderAt(bytes: Uint8Array, at: number): { readonly frame: Frame; readonly bytes: number } {
  const header = bytes.subarray(at, at + FRAME_HEADER_BYTES);
  return { frame: makeFrame(header, bytes.subarray(at, at)), bytes: FRAME_HEADER_BYTES + readU32(header, 56) };
}

function makeFrame(header: Uint8Array, data: Uint8Array): Frame {
  const kind = header[5] as FrameKind;
  return {
    groupId: readU64(header, 8),
    kind,
    type: kind === FrameKind.conf ? 2 : 0,
    index: readU64(header, 16),
    term: readU32(header, 28),
    baseOffset: readU64(header, 32),
    offsetSpan: readU32(header, 40),
    recordCount: readU32(header, 44),
    appendTimeMs: readU64(header, 48),
    data,
    header,
  };
}

/**
 * Frames that lie one after another, as the peer link carries them. Headers are checked here; payloads only when `checkPayload`
 * is given, since a follower's WAL and every reader check them anyway. Views of `bytes`.
 * @throws VarveError CORRUPT_BATCH: the bytes are not a row of whole frames with intact headers (and payloads).
 */
export function decodeFrames(bytes: Uint8Array, checkPayload?: (frame: Frame) => string | null): Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  while (at < bytes.length) {
    const reading = checkFrameHeader(bytes, at);
    if (reading.kind === "damaged") throw corrupt(`${reading.problem}, at byte ${at} of ${bytes.length}`);
    if (reading.kind === "short" || at + FRAME_HEADER_BYTES + reading.payloadBytes > bytes.length) {
      throw corrupt(`they end inside the frame at byte ${at} of ${bytes.length}`);
    }
    const frame = frameAt(bytes, at);
    const problem = checkPayload?.(frame) ?? null;
    if (problem !== null) throw corrupt(`${problem}, at byte ${at} of ${bytes.length}`);
    frames.push(frame);
    at += frameBytes(frame);
  }
  return frames;
}
