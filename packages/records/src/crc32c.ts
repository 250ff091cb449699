/**
 * crc32c.ts: CRC32C in portable code, for processes without a native one.
 *
 * Polynomial 0x1EDC6F41, reflected 0x82F63B78, initial value and final xor all ones (RFC 3720, appendix B.4). Eight
 * bytes a step through eight tables ("slicing-by-8", Kounavis and Berry, 2005).
 */

const TABLES = makeTables();
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES;

type Tables = readonly [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array];

/** Table k holds, for each byte, what it contributes when k more bytes of zero follow it. */
function makeTables(): Tables {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    first[byte] = crc;
  }
  const next = (table: Int32Array): Int32Array => table.map((crc) => (crc >>> 8) ^ (first[crc & 0xff] as number));
  const t1 = next(first);
  const t2 = next(t1);
  const t3 = next(t2);
  const t4 = next(t3);
  const t5 = next(t4);
  const t6 = next(t5);
  return [first, t1, t2, t3, t4, t5, t6, next(t6)];
}

/**
 * The CRC32C of `bytes` as an unsigned 32-bit number; `seed` is the CRC32C of the bytes that come before them.
 * Every index is masked to 0 .. 255 or below the length, so no table or input read can miss.
 */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  const length = bytes.length;
  const lengthBy8 = length & ~7;
  let crc = ~seed;
  let at = 0;
  for (; at < lengthBy8; at += 8) {
    crc =
      (T7[(crc ^ (bytes[at] as number)) & 0xff] as number) ^
      (T6[((crc >>> 8) ^ (bytes[at + 1] as number)) & 0xff] as number) ^
      (T5[((crc >>> 16) ^ (bytes[at + 2] as number)) & 0xff] as number) ^
      (T4[(crc >>> 24) ^ (bytes[at + 3] as number)] as number) ^
      (T3[bytes[at + 4] as number] as number) ^
      (T2[bytes[at + 5] as number] as number) ^
      (T1[bytes[at + 6] as number] as number) ^
      (T0[bytes[at + 7] as number] as number);
  }
  for (; at < length; at++) crc = (crc >>> 8) ^ (T0[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
}
