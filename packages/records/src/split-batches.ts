/**
 * split-batches.ts: cuts a run of whole batches, as a fetch answers them, into single ones. Reads length fields only.
 */
import { corruptBatch } from "./batch-errors.js";
import { BATCH_HEADER_BYTES, batchByteLength } from "./layout.js";

/**
 * The batches in `bytes`, in order, as views. Neither checksums nor records are looked at: verifyBatch does that.
 * @throws VarveError CORRUPT_BATCH when a length field is impossible or bytes are left over; effect NONE.
 */
export function splitBatches(bytes: Uint8Array): Uint8Array[] {
  const batches: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const rest = bytes.length - at;
    const byteLength = rest < BATCH_HEADER_BYTES ? rest : batchByteLength(bytes, at);
    if (rest < BATCH_HEADER_BYTES || byteLength < BATCH_HEADER_BYTES || byteLength > rest) {
      throw corruptBatch("a run of batches does not end with a whole batch", { position: at, rest }).withEffect("NONE");
    }
    batches.push(bytes.subarray(at, at + byteLength));
    at += byteLength;
  }
  return batches;
}
