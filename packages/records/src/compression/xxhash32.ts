/**
 * xxhash32.ts: the checksum inside LZ4 frames, seed 0.
 *
 * Source: xxHash specification 0.1.1, "XXH32 algorithm description".
 */
import { readUint32Le } from "../bytes.js";

const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;
const PRIME_4 = 0x27d4eb2f;
const PRIME_5 = 0x165667b1;

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function round(lane: number, word: number): number {
  return Math.imul(rotateLeft((lane + Math.imul(word, PRIME_2)) | 0, 13), PRIME_1);
}

/** The XXH32 of `bytes` as an unsigned 32-bit number. */
export function xxhash32(bytes: Uint8Array): number {
  const length = bytes.length;
  let at = 0;
  let hash = PRIME_5;
  if (length >= 16) {
    let lane1 = (PRIME_1 + PRIME_2) | 0;
    let lane2 = PRIME_2 | 0;
    let lane3 = 0;
    let lane4 = -PRIME_1 | 0;
    for (; at + 16 <= length; at += 16) {
      lane1 = round(lane1, readUint32Le(bytes, at));
      lane2 = round(lane2, readUint32Le(bytes, at + 4));
      lane3 = round(lane3, readUint32Le(bytes, at + 8));
      lane4 = round(lane4, readUint32Le(bytes, at + 12));
    }
    hash = rotateLeft(lane1, 1) + rotateLeft(lane2, 7) + rotateLeft(lane3, 12) + rotateLeft(lane4, 18);
  }
  hash = (hash + length) | 0;
  for (; at + 4 <= length; at += 4) {
    const mixed = (hash + Math.imul(readUint32Le(bytes, at), PRIME_3)) | 0;
    hash = Math.imul(rotateLeft(mixed, 17), PRIME_4);
  }
  for (; at < length; at++) {
    const mixed = (hash + Math.imul(bytes[at] as number, PRIME_5)) | 0;
    hash = Math.imul(rotateLeft(mixed, 11), PRIME_1);
  }
  return avalanche(hash);
}

function avalanche(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  mixed = Math.imul(mixed ^ (mixed >>> 13), PRIME_3);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
