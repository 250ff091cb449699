/**
 * verify-batch.ts: are these bytes one whole, undamaged batch? What everyone asks first, whoever sent it.
 */
import type { Codec } from "@varve/base";
import { corruptBatch, invalidBatch } from "./batch-errors.js";
import { BATCH_CRC_START, BATCH_HEADER_BYTES, BATCH_MAGIC, batchByteLength, batchCrc, batchMagic } from "./layout.js";

/**
 * Checks that `bytes` are one whole, undamaged batch v2: length, magic, checksum. What a reader does first.
 * @throws VarveError CORRUPT_BATCH (length, checksum), INVALID_BATCH (magic).
 */
export function verifyBatch(bytes: Uint8Array, codec: Codec): void {
  verifyBatchFrame(bytes);
  const storedCrc = batchCrc(bytes);
  const computedCrc = codec.crc32c(bytes.subarray(BATCH_CRC_START));
  if (storedCrc !== computedCrc) throw corruptBatch("its checksum does not match", { storedCrc, computedCrc });
}

/** The part of verifyBatch that costs no pass over the bytes: length and magic. */
export function verifyBatchFrame(bytes: Uint8Array): void {
  if (bytes.length < BATCH_HEADER_BYTES) {
    throw corruptBatch("it is shorter than a batch header", { batchBytes: bytes.length });
  }
  const magic = batchMagic(bytes);
  if (magic !== BATCH_MAGIC) throw invalidBatch("its magic is not 2", { magic });
  const byteLength = batchByteLength(bytes);
  if (byteLength !== bytes.length) {
    throw corruptBatch("its length field is not its length", { lengthField: byteLength, batchBytes: bytes.length });
  }
}
