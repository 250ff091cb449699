/**
 * payload.ts: is a frame's payload the one its header was made for? And the payload of log-start frames.
 */

import { assert, type Offset, type RaftIndex } from "@varve/base";
import {
  BATCH_CRC_START,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchBaseOffset,
  batchByteLength,
  batchCrc,
  batchLastOffsetDelta,
  batchLeaderEpoch,
  batchMagic,
} from "@varve/records";
import { type Frame, FrameKind } from "../api.js";
import { readU64, writeU64 } from "../bytes.js";
import { framePayloadCrc } from "./frame.js";

/** What storage needs of the Codec port. */
export interface Checksum {
  crc32c(bytes: Uint8Array, seed?: number): number;
}

/** Why the payload does not belong to its header, or null. One pass over the bytes; for a batch also F2 of frame.ts. */
export function payloadProblem(frame: Frame, checksum: Checksum): string | null {
  const wanted = framePayloadCrc(frame);
  const { data } = frame;
  if (frame.kind !== FrameKind.batch) {
    return checksum.crc32c(data) === wanted ? null : "a payload's checksum is wrong";
  }
  if (data.length < BATCH_HEADER_BYTES || batchByteLength(data) !== data.length)
    return "a batch's length is not its frame's";
  if (batchMagic(data) !== BATCH_MAGIC) return "a batch's magic is not 2";
  if (batchCrc(data) !== wanted) return "a batch's checksum is not its frame's";
  if (batchBaseOffset(data) !== frame.baseOffset) return "a batch's offset is not its frame's";
  if (batchLeaderEpoch(data) !== frame.term) return "a batch's epoch is not its frame's";
  if (batchLastOffsetDelta(data) + 1 !== frame.offsetSpan) return "a batch's offset span is not its frame's";
  return checksum.crc32c(data.subarray(BATCH_CRC_START)) === wanted ? null : "a batch's checksum is wrong";
}

/** Where a log begins: everything up to and including `index` may go, and nobody reads below `offset`. */
export interface LogStart {
  readonly index: RaftIndex;
  readonly offset: Offset;
}

const LOG_START_BYTES = 16;

/** The payload of a frame of kind logStart. The offset may lie inside a batch. */
export function encodeLogStart(start: LogStart): Uint8Array {
  assert(Number.isSafeInteger(start.index) && start.index >= 0, "a log start's index is a whole number");
  assert(Number.isSafeInteger(start.offset) && start.offset >= 0, "a log start's offset is a whole number");
  const bytes = new Uint8Array(LOG_START_BYTES);
  writeU64(bytes, 0, start.index);
  writeU64(bytes, 8, start.offset);
  return bytes;
}

/** The log start in a payload, or null when it holds none. */
export function decodeLogStart(bytes: Uint8Array): LogStart | null {
  if (bytes.length !== LOG_START_BYTES) return null;
  const start = { index: readU64(bytes, 0), offset: readU64(bytes, 8) };
  return Number.isNaN(start.index + start.offset) ? null : start;
}
