/**
 * lz4-frame.ts: LZ4 frames as Kafka's clients write and read them for batches of magic 2.
 *
 * Written: version 1, independent blocks of at most 64 KiB, no checksums (the batch has one). Read: every frame of
 * version 1 without a dictionary: linked blocks, block and content checksums, content size.
 * Memory: one buffer of at most min(bytesMax, 255 x input, blocks x block size) bytes.
 * Source: "LZ4 Frame Format Description" 1.6.3; KIP-57 for the header checksum.
 */
import { batchTooLarge, corruptBatch } from "../batch-errors.js";
import { readUint32Le, writeUint32Le } from "../bytes.js";
import { lz4BlockBytesMax, lz4CompressBlock, lz4DecompressBlock } from "./lz4-block.js";
import { xxhash32 } from "./xxhash32.js";

const MAGIC = 0x184d2204;
const HEADER_BYTES_MIN = 7;
const BLOCK_BYTES = 65_536;
/** Version 1, independent blocks; 64 KiB blocks. */
const FLAGS_WRITTEN = 0x60;
const BLOCK_SIZE_WRITTEN = 0x40;
const STORED_BIT = 0x80000000;
/** No block expands by more: each byte of a longer length stands for at most 255 bytes. */
const EXPANSION_MAX = 255;

/** `bytes` as one frame. */
export function lz4Compress(bytes: Uint8Array): Uint8Array {
  const blockCount = Math.ceil(bytes.length / BLOCK_BYTES);
  const target = new Uint8Array(HEADER_BYTES_MIN + lz4BlockBytesMax(bytes.length) + blockCount * 20 + 4);
  writeUint32Le(target, 0, MAGIC);
  target[4] = FLAGS_WRITTEN;
  target[5] = BLOCK_SIZE_WRITTEN;
  target[6] = headerChecksum(target.subarray(4, 6));
  let at = HEADER_BYTES_MIN;
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    at = writeBlock(bytes, start, Math.min(start + BLOCK_BYTES, bytes.length), target, at);
  }
  writeUint32Le(target, at, 0);
  return target.subarray(0, at + 4);
}

/** Writes a block with its size, stored as it is when compression does not shrink it. */
function writeBlock(bytes: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  const blockEnd = lz4CompressBlock(bytes, start, end, target, at + 4);
  const blockBytes = blockEnd - at - 4;
  if (blockBytes < end - start) {
    writeUint32Le(target, at, blockBytes);
    return blockEnd;
  }
  writeUint32Le(target, at, STORED_BIT | (end - start));
  target.set(bytes.subarray(start, end), at + 4);
  return at + 4 + end - start;
}

function headerChecksum(descriptor: Uint8Array): number {
  return (xxhash32(descriptor) >>> 8) & 0xff;
}

interface FrameHeader {
  readonly headerBytes: number;
  readonly blockBytesMax: number;
  readonly linkedBlocks: boolean;
  readonly blockChecksums: boolean;
  readonly contentChecksum: boolean;
  readonly contentBytes: number | null;
}

/**
 * The content of one frame.
 * @throws VarveError CORRUPT_BATCH, BATCH_TOO_LARGE (more than `bytesMax`)
 */
export function lz4Decompress(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const header = readHeader(bytes);
  if (header.contentBytes !== null && header.contentBytes > bytesMax) {
    throw batchTooLarge("lz4 data decompresses to too much", header.contentBytes, bytesMax);
  }
  const frame = findBlocks(bytes, header);
  const boundBytes = Math.min(bytes.length * EXPANSION_MAX, frame.blockCount * header.blockBytesMax);
  const target = new Uint8Array(Math.min(boundBytes, bytesMax));
  const contentBytes = readBlocks(bytes, header, frame.blockCount, target, boundBytes > bytesMax ? bytesMax : null);
  const content = target.subarray(0, contentBytes);
  if (header.contentBytes !== null && header.contentBytes !== contentBytes) {
    throw corruptBatch("an lz4 frame has another content size than it says");
  }
  if (header.contentChecksum && readUint32Le(bytes, frame.end) !== xxhash32(content)) {
    throw corruptBatch("an lz4 frame's content checksum does not match");
  }
  // What is kept may be long-lived: give back a buffer that is mostly empty.
  return contentBytes * 2 < target.length ? content.slice() : content;
}

function readHeader(bytes: Uint8Array): FrameHeader {
  if (bytes.length < HEADER_BYTES_MIN) throw corruptBatch("an lz4 frame is shorter than its header");
  if (readUint32Le(bytes, 0) !== MAGIC) throw corruptBatch("lz4 data does not start with a frame");
  const flags = bytes[4] as number;
  const blockSize = ((bytes[5] as number) >> 4) & 7;
  if (flags >> 6 !== 1 || (flags & 0b11) !== 0)
    throw corruptBatch("an lz4 frame has a version or dictionary unknown here");
  if (blockSize < 4) throw corruptBatch("an lz4 frame has an unknown block size");
  const hasContentSize = (flags & 0x08) !== 0;
  const headerBytes = HEADER_BYTES_MIN + (hasContentSize ? 8 : 0);
  if (bytes.length < headerBytes) throw corruptBatch("an lz4 frame is shorter than its header");
  if (headerChecksum(bytes.subarray(4, headerBytes - 1)) !== bytes[headerBytes - 1]) {
    throw corruptBatch("an lz4 frame's header checksum does not match");
  }
  return {
    headerBytes,
    blockBytesMax: 2 ** (8 + 2 * blockSize),
    linkedBlocks: (flags & 0x20) === 0,
    blockChecksums: (flags & 0x10) !== 0,
    contentChecksum: (flags & 0x04) !== 0,
    contentBytes: hasContentSize ? readUint32Le(bytes, 6) + readUint32Le(bytes, 10) * 2 ** 32 : null,
  };
}

/** Counts the blocks and finds the position after the end mark; every block lies inside `bytes` afterwards. */
function findBlocks(bytes: Uint8Array, header: FrameHeader): { readonly blockCount: number; readonly end: number } {
  const trailerBytes = header.contentChecksum ? 4 : 0;
  let at = header.headerBytes;
  for (let blockCount = 0; ; blockCount++) {
    if (bytes.length - at < 4) throw corruptBatch("an lz4 frame has no end mark");
    const blockBytes = readUint32Le(bytes, at) & ~STORED_BIT;
    const isEnd = readUint32Le(bytes, at) === 0;
    at += 4;
    if (isEnd) {
      if (bytes.length - at !== trailerBytes) throw corruptBatch("an lz4 frame does not end with its data");
      return { blockCount, end: at };
    }
    const spanBytes = blockBytes + (header.blockChecksums ? 4 : 0);
    if (blockBytes > header.blockBytesMax || spanBytes > bytes.length - at) {
      throw corruptBatch("an lz4 block's size is impossible");
    }
    at += spanBytes;
  }
}

/** Decompresses all blocks into `target`; the bytes written. `bytesMax` is set where `target` ends because of it. */
function readBlocks(
  bytes: Uint8Array,
  header: FrameHeader,
  blockCount: number,
  target: Uint8Array,
  bytesMax: number | null,
): number {
  let at = header.headerBytes;
  let to = 0;
  for (let block = 0; block < blockCount; block++) {
    const size = readUint32Le(bytes, at);
    const start = at + 4;
    const end = start + (size & ~STORED_BIT);
    const blockLimit = Math.min(to + header.blockBytesMax, target.length);
    const after =
      size & STORED_BIT
        ? copyStored(bytes.subarray(start, end), target, to)
        : lz4DecompressBlock({
            source: bytes,
            start,
            end,
            target,
            targetAt: to,
            targetEnd: blockLimit,
            historyStart: header.linkedBlocks ? 0 : to,
          });
    if (after < 0) {
      if (bytesMax !== null && blockLimit === bytesMax) {
        throw batchTooLarge("lz4 data decompresses to too much", bytesMax + 1, bytesMax);
      }
      throw corruptBatch("an lz4 block is larger than its frame allows");
    }
    if (header.blockChecksums && readUint32Le(bytes, end) !== xxhash32(bytes.subarray(start, end))) {
      throw corruptBatch("an lz4 block's checksum does not match");
    }
    to = after;
    at = end + (header.blockChecksums ? 4 : 0);
  }
  return to;
}

/** Copies a block that is not compressed; -1 when it does not fit. */
function copyStored(block: Uint8Array, target: Uint8Array, to: number): number {
  if (block.length > target.length - to) return -1;
  target.set(block, to);
  return to + block.length;
}
