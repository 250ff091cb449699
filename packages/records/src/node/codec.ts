/**
 * codec.ts: the Codec of a Node.js process without native modules: the SDK's, and what the broker's is made from.
 */
import { type Codec, type CompressionKind, unreachable } from "@varve/base";
import { batchTooLarge } from "../batch-errors.js";
import { lz4Compress, lz4Decompress } from "../compression/lz4-frame.js";
import { snappyCompress, snappyDecompress } from "../compression/snappy.js";
import { crc32c } from "../crc32c.js";
import { gzipCompress, gzipDecompress } from "./gzip.js";
import { prepareZstd, zstdCompress, zstdDecompress } from "./zstd.js";

/** Checksums, lz4 and snappy in JavaScript; gzip by zlib; zstd by zlib or packages. */
export const nodeCodec: Codec = {
  crc32c,
  async prepare(kind) {
    if (kind === "zstd") await prepareZstd();
  },
  compress,
  decompress,
};

function compress(kind: CompressionKind, bytes: Uint8Array): Uint8Array {
  switch (kind) {
    case "none":
      return bytes;
    case "gzip":
      return gzipCompress(bytes);
    case "snappy":
      return snappyCompress(bytes);
    case "lz4":
      return lz4Compress(bytes);
    case "zstd":
      return zstdCompress(bytes);
    default:
      return unreachable(kind);
  }
}

function decompress(kind: CompressionKind, bytes: Uint8Array, bytesMax: number): Uint8Array {
  switch (kind) {
    case "none":
      if (bytes.length > bytesMax) throw batchTooLarge("the records are too many bytes", bytes.length, bytesMax);
      return bytes;
    case "gzip":
      return gzipDecompress(bytes, bytesMax);
    case "snappy":
      return snappyDecompress(bytes, bytesMax);
    case "lz4":
      return lz4Decompress(bytes, bytesMax);
    case "zstd":
      return zstdDecompress(bytes, bytesMax);
    default:
      return unreachable(kind);
  }
}
