/**
 * varint.ts: zigzag variable-length integers as records use them (Protocol Buffers encoding, "sint32" and "sint64").
 *
 * Writers return the position after what they wrote; sizes are exact, so a record's length is known before it is written.
 */

/** Bytes of `value` (-2^31 .. 2^31 - 1) as a varint. */
export function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  if (zigzag < 0x80) return 1;
  if (zigzag < 0x4000) return 2;
  if (zigzag < 0x200000) return 3;
  return zigzag < 0x10000000 ? 4 : 5;
}

export function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  let at = start;
  while (zigzag >= 0x80) {
    bytes[at++] = zigzag | 0x80;
    zigzag >>>= 7;
  }
  bytes[at++] = zigzag;
  return at;
}

/** Whether the 32-bit form holds `value`; both forms have the same bytes then. */
function isInt32(value: number): boolean {
  return value >= -0x80000000 && value <= 0x7fffffff;
}

/** Zigzag of a safe integer beyond 32 bits; up to 2^54 - 1, which a bigint holds exactly and a number does not. */
function zigzagBig(value: number): bigint {
  return value >= 0 ? BigInt(value) * 2n : BigInt(value) * -2n - 1n;
}

/** Bytes of the safe integer `value` as a varlong. */
export function varlongBytes(value: number): number {
  if (isInt32(value)) return varintBytes(value);
  let bytes = 1;
  for (let rest = zigzagBig(value) >> 7n; rest > 0n; rest >>= 7n) bytes++;
  return bytes;
}

export function writeVarlong(bytes: Uint8Array, start: number, value: number): number {
  if (isInt32(value)) return writeVarint(bytes, start, value);
  let rest = zigzagBig(value);
  let at = start;
  while (rest >= 0x80n) {
    bytes[at++] = Number(rest & 0x7fn) | 0x80;
    rest >>= 7n;
  }
  bytes[at++] = Number(rest);
  return at;
}
