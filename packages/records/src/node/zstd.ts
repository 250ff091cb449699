/**
 * zstd.ts: Zstandard by Node's zlib where it has it (Node >= 22.15), else by packages: fzstd (JavaScript) reads,
 * @hpcc-js/wasm-zstd (WASM, loaded at first use) writes.
 *
 * Only frames that inspectZstdFrame has bounded reach a decompressor. fzstd takes fresh tables for every compressed block,
 * and a fresh buffer of the largest block size when the frame names no content size; so that many tiny blocks cannot
 * multiply that, a frame may have only as many compressed blocks as BLOCK_GARBAGE_RATIO allows.
 */
import * as zlib from "node:zlib";
import { assertDefined } from "@varve/base";
import { Decompress, decompress } from "fzstd";
import { batchTooLarge, corruptBatch, unsupportedCodec } from "../batch-errors.js";
import { inspectZstdFrame, type ZstdFrame } from "../compression/zstd-frame.js";
import { zlibError } from "./zlib-error.js";

/** The part of node:zlib that Node 20 does not have. */
interface ZlibWithZstd {
  zstdCompressSync(bytes: Uint8Array): Uint8Array;
  zstdDecompressSync(bytes: Uint8Array, options: { maxOutputLength: number }): Uint8Array;
}

function hasZstd(candidate: object): candidate is ZlibWithZstd {
  return "zstdCompressSync" in candidate && "zstdDecompressSync" in candidate;
}

const nativeZstd: ZlibWithZstd | null = hasZstd(zlib) ? zlib : null;

interface ZstdWriter {
  compress(bytes: Uint8Array): Uint8Array;
}

const BLOCK_BYTES_MAX = 131_072;
/** Block buffers that one decompression may use up one after another, in bytes, as a multiple of its limit. */
const BLOCK_GARBAGE_RATIO = 4;

let writer: ZstdWriter | null = null;

/** Loads the WASM module where Node has no zstd of its own. */
export async function prepareZstd(): Promise<void> {
  if (nativeZstd !== null || writer !== null) return;
  try {
    const { Zstd } = await import("@hpcc-js/wasm-zstd");
    writer = await Zstd.load();
  } catch (error) {
    throw unsupportedCodec(`cannot load the WASM module (${String(error)})`, "zstd");
  }
}

/** One frame. @throws VarveError UNSUPPORTED_CODEC when prepareZstd was needed and has not resolved. */
export function zstdCompress(bytes: Uint8Array): Uint8Array {
  if (nativeZstd !== null) return nativeZstd.zstdCompressSync(bytes);
  if (writer === null) throw unsupportedCodec("await codec.prepare() before the first compress", "zstd");
  return writer.compress(bytes);
}

/** The content of one frame. @throws VarveError CORRUPT_BATCH, BATCH_TOO_LARGE */
export function zstdDecompress(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const frame = inspectZstdFrame(bytes, bytesMax);
  if (nativeZstd === null) return zstdDecompressPortable(bytes, bytesMax, frame);
  try {
    return nativeZstd.zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, bytesMax) });
  } catch (error) {
    throw zlibError("zstd", error, bytesMax);
  }
}

/** The same by fzstd, whatever Node has. */
export function zstdDecompressPortable(bytes: Uint8Array, bytesMax: number, frame: ZstdFrame): Uint8Array {
  const tooLarge = batchTooLarge("zstd data decompresses to too much", bytesMax + 1, bytesMax);
  if (frame.compressedBlockCount * BLOCK_BYTES_MAX > Math.max(bytesMax, BLOCK_BYTES_MAX) * BLOCK_GARBAGE_RATIO) {
    throw tooLarge;
  }
  try {
    if (frame.contentBytes !== null) return decompress(bytes, new Uint8Array(frame.contentBytes));
    return decompressStream(bytes, Math.min(bytesMax, frame.contentBytesMax), tooLarge);
  } catch (error) {
    if (error === tooLarge) throw error;
    throw corruptBatch(`zstd data is damaged (${error instanceof Error ? error.message : String(error)})`);
  }
}

function decompressStream(bytes: Uint8Array, bytesMax: number, tooLarge: Error): Uint8Array {
  const chunks: Uint8Array[] = [];
  let total = 0;
  const stream = new Decompress((chunk) => {
    total += chunk.length;
    if (total > bytesMax) throw tooLarge;
    chunks.push(chunk);
  });
  stream.push(bytes, true);
  if (chunks.length === 1) return assertDefined(chunks[0], "one chunk is there");
  const content = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    content.set(chunk, at);
    at += chunk.length;
  }
  return content;
}
