/**
 * snappy.ts: Snappy data, raw and in the frame of the Java library ("xerial"), both of which Kafka's clients write.
 *
 * Written: raw, because every reader takes it: Java, librdkafka and the JavaScript clients know it, and not all of the last
 * know the frame. Read: both; the frame is told by its 8 magic bytes, which no raw block of that size starts with.
 * Memory: one buffer of the size that the data names, refused above `bytesMax` and above 22 x input.
 * Source: "Snappy compressed format description" (google/snappy, 2011); the frame: 8 bytes of magic, two int32 versions,
 * then chunks of int32 size and a raw block.
 */
import { batchTooLarge, corruptBatch } from "../batch-errors.js";
import { readInt32 } from "../bytes.js";
import { copyLiteral, copyMatch } from "./copy.js";
import { findMatches, type MatchSink } from "./matcher.js";

const BLOCK_BYTES = 65_536;
/** 0x82, "SNAPPY", 0. */
const FRAME_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
const FRAME_HEADER_BYTES = 16;
/** Three bytes of a copy stand for at most 64 bytes. */
const EXPANSION_MAX = 22;

/** Writes elements into `target` from `at` on. */
class SnappyWriter implements MatchSink {
  constructor(
    private readonly source: Uint8Array,
    private readonly target: Uint8Array,
    public at: number,
  ) {}

  match(literalStart: number, literalEnd: number, distance: number, length: number): void {
    this.tail(literalStart, literalEnd);
    let rest = length;
    while (rest > 0) {
      // A rest of 1 .. 3 after a full copy would be legal but could not use the short form; 60 leaves at least 4.
      const part = rest <= 64 ? rest : rest < 68 ? 60 : 64;
      this.writeCopy(distance, part);
      rest -= part;
    }
  }

  tail(literalStart: number, literalEnd: number): void {
    const literals = literalEnd - literalStart;
    if (literals === 0) return;
    const length = literals - 1;
    if (length < 60) this.target[this.at++] = length << 2;
    else {
      const bytes = length < 0x100 ? 1 : 2; // A block has at most 64 KiB.
      this.target[this.at++] = (59 + bytes) << 2;
      this.target[this.at++] = length;
      if (bytes === 2) this.target[this.at++] = length >> 8;
    }
    copyLiteral(this.target, this.at, this.source, literalStart, literals);
    this.at += literals;
  }

  private writeCopy(distance: number, length: number): void {
    if (length >= 4 && length <= 11 && distance < 2048) {
      this.target[this.at++] = ((distance >> 8) << 5) | ((length - 4) << 2) | 1;
      this.target[this.at++] = distance;
      return;
    }
    this.target[this.at++] = ((length - 1) << 2) | 2;
    this.target[this.at++] = distance;
    this.target[this.at++] = distance >> 8;
  }
}

/** `bytes` as raw Snappy data. */
export function snappyCompress(bytes: Uint8Array): Uint8Array {
  const target = new Uint8Array(32 + bytes.length + Math.ceil(bytes.length / 6));
  let at = 0;
  let rest = bytes.length;
  for (; rest >= 0x80; rest >>>= 7) target[at++] = (rest & 0x7f) | 0x80;
  target[at++] = rest;
  const writer = new SnappyWriter(bytes, target, at);
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    findMatches(bytes, start, Math.min(start + BLOCK_BYTES, bytes.length), writer);
  }
  return target.subarray(0, writer.at);
}

/**
 * The bytes before compression, from raw data or the Java frame.
 * @throws VarveError CORRUPT_BATCH, BATCH_TOO_LARGE (more than `bytesMax`)
 */
export function snappyDecompress(bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (!isFramed(bytes)) {
    const contentBytes = checkedLength(bytes, bytesMax);
    const target = new Uint8Array(contentBytes);
    readBlock(bytes, target);
    return target;
  }
  const blocks = frameBlocks(bytes);
  let totalBytes = 0;
  for (const block of blocks) {
    totalBytes += checkedLength(block, bytesMax - totalBytes);
  }
  const target = new Uint8Array(totalBytes);
  let to = 0;
  for (const block of blocks) {
    const { contentBytes } = readLength(block);
    readBlock(block, target.subarray(to, to + contentBytes));
    to += contentBytes;
  }
  return target;
}

function isFramed(bytes: Uint8Array): boolean {
  return bytes.length >= FRAME_HEADER_BYTES && FRAME_MAGIC.every((byte, index) => bytes[index] === byte);
}

function frameBlocks(bytes: Uint8Array): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  let at = FRAME_HEADER_BYTES;
  while (at < bytes.length) {
    const blockBytes = bytes.length - at < 4 ? -1 : readInt32(bytes, at);
    at += 4;
    if (blockBytes < 1 || blockBytes > bytes.length - at) throw corruptBatch("a snappy chunk's size is impossible");
    blocks.push(bytes.subarray(at, at + blockBytes));
    at += blockBytes;
  }
  return blocks;
}

/** The length that a raw block names, refused when it is above the limit or more than its bytes can make. */
function checkedLength(block: Uint8Array, bytesMax: number): number {
  const { contentBytes } = readLength(block);
  if (contentBytes > block.length * EXPANSION_MAX) throw corruptBatch("snappy data names a length it cannot have");
  if (contentBytes > bytesMax) throw batchTooLarge("snappy data decompresses to too much", contentBytes, bytesMax);
  return contentBytes;
}

function readLength(block: Uint8Array): { readonly contentBytes: number; readonly start: number } {
  let contentBytes = 0;
  for (let at = 0; at < Math.min(block.length, 5); at++) {
    const byte = block[at] as number;
    contentBytes += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) return { contentBytes, start: at + 1 };
  }
  throw corruptBatch("snappy data does not start with a length");
}

/** Decompresses a raw block into `target`, which has exactly the length that the block names. */
function readBlock(block: Uint8Array, target: Uint8Array): void {
  const end = block.length;
  let at = readLength(block).start;
  let to = 0;
  while (at < end) {
    const tag = block[at++] as number;
    if ((tag & 3) === 0) {
      const lengthBytes = tag >> 2 < 60 ? 0 : (tag >> 2) - 59;
      if (lengthBytes > end - at) throw corruptBatch("snappy data ends inside a length");
      const literals = 1 + (lengthBytes === 0 ? tag >> 2 : readLittle(block, at, lengthBytes));
      at += lengthBytes;
      if (literals > end - at) throw corruptBatch("snappy data ends inside its literals");
      if (literals > target.length - to) throw corruptBatch("snappy data is longer than it says");
      copyLiteral(target, to, block, at, literals);
      at += literals;
      to += literals;
      continue;
    }
    const distanceBytes = (tag & 3) === 1 ? 1 : (tag & 3) === 2 ? 2 : 4;
    if (distanceBytes > end - at) throw corruptBatch("snappy data ends inside a copy");
    const low = readLittle(block, at, distanceBytes);
    const distance = distanceBytes === 1 ? ((tag >> 5) << 8) | low : low;
    const length = distanceBytes === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    at += distanceBytes;
    if (distance === 0 || distance > to) throw corruptBatch("a snappy copy lies before the data");
    if (length > target.length - to) throw corruptBatch("snappy data is longer than it says");
    copyMatch(target, to, distance, length);
    to += length;
  }
  if (to !== target.length) throw corruptBatch("snappy data is shorter than it says");
}

/** An unsigned little-endian number of 1 .. 4 bytes. */
function readLittle(bytes: Uint8Array, at: number, count: number): number {
  if (count === 1) return bytes[at] as number;
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  if (count === 2) return low;
  const third = (bytes[at + 2] as number) << 16;
  return count === 3 ? low | third : (low | third | ((bytes[at + 3] as number) << 24)) >>> 0;
}
