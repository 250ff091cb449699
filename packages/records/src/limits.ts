/**
 * limits.ts: the bounds of this package beyond those that users set (LIMITS in @varve/base).
 */
import { MIB } from "@varve/base";

/** Records of one batch after decompression, bytes, where the caller gives no other bound. */
export const DECOMPRESSED_BYTES_MAX = 32 * MIB;
/** A record without key, value and headers: seven fields of one byte. */
export const RECORD_BYTES_MIN = 7;
