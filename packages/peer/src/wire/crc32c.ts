/**
 * crc32c.ts: the checksum of frame headers and of what they cover.
 *
 * CRC32C (Castagnoli; RFC 3720 appendix B.4), reflected, eight bytes a step by table (Kounavis and Berry, "slicing-by-8"). In
 * JavaScript on purpose: for the tens of bytes of a header a call into native code costs more than it saves.
 */
const POLYNOMIAL = 0x82f63b78;
const SLICES = 8;

const TABLE: Int32Array = buildTable();

function buildTable(): Int32Array {
  const table = new Int32Array(256 * SLICES);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    table[byte] = crc;
  }
  for (let at = 256; at < table.length; at++) {
    const shorter = table[at - 256] ?? 0;
    table[at] = (shorter >>> 8) ^ (table[shorter & 0xff] ?? 0);
  }
  return table;
}

/** CRC32C of `bytes[start .. end)` as an unsigned number; `seed` is the checksum of what stands before. */
export function crc32c(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  const t = TABLE;
  let crc = ~seed;
  let at = start;
  for (const wideEnd = end - 7; at < wideEnd; at += 8) {
    const b = bytes;
    const low =
      crc ^
      ((b[at] as number) |
        ((b[at + 1] as number) << 8) |
        ((b[at + 2] as number) << 16) |
        ((b[at + 3] as number) << 24));
    crc =
      (t[1792 + (low & 0xff)] as number) ^
      (t[1536 + ((low >>> 8) & 0xff)] as number) ^
      (t[1280 + ((low >>> 16) & 0xff)] as number) ^
      (t[1024 + (low >>> 24)] as number) ^
      (t[768 + (b[at + 4] as number)] as number) ^
      (t[512 + (b[at + 5] as number)] as number) ^
      (t[256 + (b[at + 6] as number)] as number) ^
      (t[b[at + 7] as number] as number);
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ (t[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
}
