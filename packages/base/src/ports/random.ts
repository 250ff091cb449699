/**
 * random.ts: the port to randomness, and what is made from it.
 */

export interface Random {
  /** `size` random bytes. */
  bytes(size: number): Uint8Array;
  /** A random integer in 0 .. 2^32 - 1. */
  uint32(): number;
}

/** A random integer in `0 .. endExclusive - 1`; `endExclusive` in 1 .. 2^32. */
export function randomBelow(random: Random, endExclusive: number): number {
  return Math.floor((random.uint32() / 2 ** 32) * endExclusive);
}

/** A random version 4 UUID in lower-case text (RFC 9562). */
export function randomUuid(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
