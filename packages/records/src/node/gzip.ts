/**
 * gzip.ts: gzip by Node's zlib, which every supported Node has.
 */
import { gunzipSync, gzipSync } from "node:zlib";
import { zlibError } from "./zlib-error.js";

export function gzipCompress(bytes: Uint8Array): Uint8Array {
  return gzipSync(bytes);
}

/** The content of the gzip members. @throws VarveError CORRUPT_BATCH, BATCH_TOO_LARGE */
export function gzipDecompress(bytes: Uint8Array, bytesMax: number): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: Math.max(1, bytesMax) });
  } catch (error) {
    throw zlibError("gzip", error, bytesMax);
  }
}
