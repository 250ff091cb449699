/**
 * frame.ts: the frame header, the same bytes in the WAL, in segments and on the peer link.
 *
 * Layout, little-endian, 80 bytes: magic u32, version u8, kind u8, flags u16, group u64, index u64, index span u32, term u32, base
 * offset u64, offset span u32, record count u32, append time u64 (ms), payload bytes u32, payload CRC u32, header CRC u32 (of all
 * before it), 12 zero bytes. The payload follows. CRCs are CRC32C; that of a batch is the one in the batch.
 */
import { assert, INT31_MAX, VarveError } from "@varve/base";
import {
  BATCH_HEADER_BYTES,
  batchBaseOffset,
  batchByteLength,
  batchCrc,
  batchLastOffsetDelta,
  batchLeaderEpoch,
  crc32c,
} from "@varve/records";
import { type Frame, FrameKind } from "./api.js";
import { readU64, view, writeU64 } from "./bytes.js";

export const FRAME_HEADER_BYTES = 80;
const MAGIC = 0x31465256;
const VERSION = 1;
const CRC_AT = 64;
/** Largest payload: a batch, or a command of the controller. */
export const FRAME_PAYLOAD_MAX = 16 * 1024 * 1024;

export type FrameFields = Omit<Frame, "header" | "type">;

/** Makes a frame. The payload is kept by reference, its checksum is computed here unless it is a batch, which carries its own. */
export function encodeFrame(fields: FrameFields): Frame {
  assert(fields.term <= INT31_MAX, "a term stays below 2^31");
  assert(fields.data.length <= FRAME_PAYLOAD_MAX, "a payload stays below its limit");
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header.writeUInt32LE(MAGIC, 0);
  header[4] = VERSION;
  header[5] = fields.kind;
  header.writeUInt16LE(0, 6);
  writeU64(header, fields.groupId, 8);
  writeU64(header, fields.index, 16);
  header.writeUInt32LE(1, 24);
  header.writeUInt32LE(fields.term, 28);
  writeU64(header, fields.baseOffset, 32);
  header.writeUInt32LE(fields.offsetSpan, 40);
  header.writeUInt32LE(fields.recordCount, 44);
  writeU64(header, fields.appendTimeMs, 48);
  header.writeUInt32LE(fields.data.length, 56);
  header.writeUInt32LE(fields.kind === FrameKind.batch ? batchCrc(fields.data) : crc32c(fields.data), 60);
  header.writeUInt32LE(crc32c(header.subarray(0, CRC_AT)), CRC_AT);
  header.fill(0, CRC_AT + 4);
  return { ...fields, type: fields.kind === FrameKind.conf ? 2 : 0, header };
}

export function frameBytes(frame: Frame): number {
  return FRAME_HEADER_BYTES + frame.data.length;
}

/** One frame at `at`, or why there is none. Its parts are views of `bytes`. */
export function readFrame(bytes: Uint8Array, at: number): Frame | string {
  const source = view(bytes);
  if (at + FRAME_HEADER_BYTES > source.length) return "the bytes end inside a frame header";
  const header = source.subarray(at, at + FRAME_HEADER_BYTES);
  if (header.readUInt32LE(0) !== MAGIC) return "there is no frame";
  if (header.readUInt32LE(CRC_AT) !== crc32c(header.subarray(0, CRC_AT)))
    return "the checksum of a frame header does not match";
  if (header[4] !== VERSION) return `frame version ${header[4]} is not known here`;
  const payload = header.readUInt32LE(56);
  const start = at + FRAME_HEADER_BYTES;
  if (payload > FRAME_PAYLOAD_MAX || start + payload > source.length) return "the bytes end inside a frame";
  const kind = header[5] as FrameKind;
  return {
    groupId: readU64(header, 8),
    kind,
    type: kind === FrameKind.conf ? 2 : 0,
    index: readU64(header, 16),
    term: header.readUInt32LE(28),
    baseOffset: readU64(header, 32),
    offsetSpan: header.readUInt32LE(40),
    recordCount: header.readUInt32LE(44),
    appendTimeMs: readU64(header, 48),
    data: source.subarray(start, start + payload),
    header,
  };
}

/** Why the payload is not what the header says, or null. For a batch, its own fields must agree with the frame's. */
export function payloadProblem(frame: Frame, crc: (bytes: Uint8Array) => number): string | null {
  const expected = view(frame.header).readUInt32LE(60);
  if (frame.kind !== FrameKind.batch)
    return crc(frame.data) === expected ? null : "the checksum of a payload does not match";
  const { data } = frame;
  if (data.length < BATCH_HEADER_BYTES || batchByteLength(data) !== data.length)
    return "a batch has another length than its frame";
  if (batchCrc(data) !== expected || crc(data.subarray(21)) !== expected)
    return "the checksum of a batch does not match";
  if (batchBaseOffset(data) !== frame.baseOffset) return "a batch has another offset than its frame";
  if (batchLeaderEpoch(data) !== frame.term) return "a batch has another epoch than its frame";
  if (batchLastOffsetDelta(data) + 1 !== frame.offsetSpan)
    return "a batch has another number of offsets than its frame";
  return null;
}

/**
 * Frames that lie one after another, headers checked; payloads are checked where they are used.
 * @throws VarveError CORRUPT_BATCH: the bytes are not whole frames.
 */
export function decodeFrames(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const frame = readFrame(bytes, at);
    if (typeof frame === "string") {
      throw new VarveError("CORRUPT_BATCH", {
        message: `frames cannot be read: ${frame}; nothing was written`,
        details: { at },
      });
    }
    frames.push(frame);
    at += frameBytes(frame);
  }
  return frames;
}

/** The payload of a logStart frame: the first index and offset that stay. */
export function encodeLogStart(start: { readonly index: number; readonly offset: number }): Uint8Array {
  const bytes = Buffer.allocUnsafe(16);
  writeU64(bytes, start.index, 0);
  writeU64(bytes, start.offset, 8);
  return bytes;
}

/** null when the payload is none. */
export function decodeLogStart(bytes: Uint8Array): { readonly index: number; readonly offset: number } | null {
  if (bytes.length !== 16) return null;
  const source = view(bytes);
  return { index: readU64(source, 0), offset: readU64(source, 8) };
}
