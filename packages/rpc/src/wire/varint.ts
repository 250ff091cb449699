/**
 * varint.ts: protobuf's variable-length integers, for numbers up to 2^53 - 1 and without BigInt.
 *
 * A negative number is ten bytes, its two's complement of 64 bits, as int32 and int64 have it.
 * Source: protobuf.dev, "Encoding".
 */
const TWO_32 = 2 ** 32;

/** Bytes of `value`, a safe integer, as a varint. */
export function varintSize(value: number): number {
  if (value < 0) return 10;
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  let size = 4;
  for (let rest = Math.floor(value / 0x1000_0000); rest > 0; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Writes `value`, a safe integer, and answers the position after it. */
export function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let low = value >>> 0;
  let high = Math.floor(value / TWO_32) >>> 0;
  while (high > 0) {
    bytes[at++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  while (low > 0x7f) {
    bytes[at++] = (low & 0x7f) | 0x80;
    low >>>= 7;
  }
  bytes[at++] = low;
  return at;
}
