/**
 * zstd-frame.ts: what a Zstandard frame says about itself, so that a decompressor is only started on a frame whose memory
 * is known to be bounded. Decompression itself is Node's zlib or a package (node/zstd.ts).
 *
 * Invariants of a frame that passes:
 *   Z1  one frame, whole, nothing after it; no dictionary
 *   Z2  its window is at most ZSTD_WINDOW_BYTES_MAX, or the caller's limit for a single segment
 *   Z3  its content is at most `contentBytesMax`, computed from block headers alone
 * Source: RFC 8878, sections 3.1.1 and 3.1.1.1.1.2 (decoders should support windows of 8 MiB).
 */
import { MIB } from "@varve/base";
import { batchTooLarge, corruptBatch } from "../batch-errors.js";
import { readUint32Le } from "../bytes.js";

const MAGIC = 0xfd2fb528;
const BLOCK_BYTES_MAX = 131_072;
/** Largest window that is accepted, bytes; encoders use 8 MiB at most up to level 19. */
export const ZSTD_WINDOW_BYTES_MAX = 8 * MIB;

export interface ZstdFrame {
  /** Size of the content by the header, or null when the header has none. */
  readonly contentBytes: number | null;
  /** Upper bound of the content, from the block headers. */
  readonly contentBytesMax: number;
  /** Blocks that are compressed, as opposed to stored or repeated bytes. */
  readonly compressedBlockCount: number;
}

interface FrameHeader {
  readonly headerBytes: number;
  readonly windowBytes: number;
  readonly contentBytes: number | null;
  readonly hasChecksum: boolean;
}

/**
 * Reads the headers of the one frame that `bytes` must be.
 * @throws VarveError CORRUPT_BATCH (Z1), BATCH_TOO_LARGE (Z2, or a content size above `bytesMax`)
 */
export function inspectZstdFrame(bytes: Uint8Array, bytesMax: number): ZstdFrame {
  const header = readHeader(bytes);
  if (header.contentBytes !== null && header.contentBytes > bytesMax) {
    throw batchTooLarge("zstd data decompresses to too much", header.contentBytes, bytesMax);
  }
  const windowBytesMax = Math.max(ZSTD_WINDOW_BYTES_MAX, bytesMax);
  if (header.windowBytes > windowBytesMax) {
    throw batchTooLarge("zstd data needs too large a window", header.windowBytes, windowBytesMax);
  }
  const blocks = walkBlocks(bytes, header);
  if (header.contentBytes !== null && header.contentBytes > blocks.contentBytesMax) {
    throw corruptBatch("zstd data names a size it cannot have");
  }
  return { contentBytes: header.contentBytes, ...blocks };
}

function readHeader(bytes: Uint8Array): FrameHeader {
  if (bytes.length < 6 || readUint32Le(bytes, 0) !== MAGIC) throw corruptBatch("zstd data does not start with a frame");
  const descriptor = bytes[4] as number;
  const singleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x08) !== 0) throw corruptBatch("a zstd frame has a reserved bit set");
  if ((descriptor & 0x03) !== 0) throw corruptBatch("a zstd frame needs a dictionary");
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 2 ** sizeFlag;
  const sizeAt = singleSegment ? 5 : 6;
  const headerBytes = sizeAt + sizeBytes;
  if (bytes.length < headerBytes) throw corruptBatch("a zstd frame is shorter than its header");
  const contentBytes = sizeBytes === 0 ? null : readContentSize(bytes, sizeAt, sizeBytes);
  const windowBytes = singleSegment ? (contentBytes ?? 0) : windowSize(bytes[5] as number);
  return { headerBytes, windowBytes, contentBytes, hasChecksum: (descriptor & 0x04) !== 0 };
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

function readContentSize(bytes: Uint8Array, at: number, count: number): number {
  let value = count === 2 ? 256 : 0;
  for (let index = 0; index < count; index++) value += (bytes[at + index] as number) * 2 ** (8 * index);
  return value;
}

function walkBlocks(bytes: Uint8Array, header: FrameHeader): Omit<ZstdFrame, "contentBytes"> {
  const blockBytesMax = Math.min(BLOCK_BYTES_MAX, header.windowBytes);
  let contentBytesMax = 0;
  let compressedBlockCount = 0;
  let at = header.headerBytes;
  for (let isLast = false; !isLast; ) {
    if (bytes.length - at < 3) throw corruptBatch("a zstd frame ends inside a block header");
    const word = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
    isLast = (word & 1) !== 0;
    const type = (word >> 1) & 3;
    const size = word >> 3;
    if (type === 3 || size > blockBytesMax) throw corruptBatch("a zstd block has an impossible type or size");
    at += 3 + (type === 1 ? 1 : size);
    if (at > bytes.length) throw corruptBatch("a zstd frame ends inside a block");
    contentBytesMax += type === 2 ? blockBytesMax : size;
    if (type === 2) compressedBlockCount++;
  }
  if (at + (header.hasChecksum ? 4 : 0) !== bytes.length) throw corruptBatch("a zstd frame does not end with its data");
  return { contentBytesMax, compressedBlockCount };
}
