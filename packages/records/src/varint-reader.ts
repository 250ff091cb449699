/**
 * varint-reader.ts: reads varints between two positions and remembers the first failure instead of throwing, so that the
 * caller checks once per record.
 *
 * Invariants:
 *   V1  `at` never passes `end`; nothing at or beyond `end` is read
 *   V2  after a failure `failed` stays true and every further value is meaningless
 */
export class VarintReader {
  /** Position of the next byte. */
  at = 0;
  /** First position that must not be read. */
  end: number;
  /** Whether a number was cut off, too long, or a length led out of bounds. */
  failed = false;

  constructor(private readonly bytes: Uint8Array) {
    this.end = bytes.length;
  }

  /** A zigzag varint of at most 5 bytes. */
  readInt32(): number {
    const { bytes, end } = this;
    let at = this.at;
    let zigzag = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (at >= end) break;
      const byte = bytes[at++] as number;
      zigzag |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.at = at;
        return (zigzag >>> 1) ^ -(zigzag & 1);
      }
    }
    this.failed = true; // Cut off, or a fifth byte that goes on.
    return 0;
  }

  /** A zigzag varint of at most 10 bytes; NaN when a number cannot hold it exactly. */
  readInt64(): number {
    const { bytes, end } = this;
    const start = this.at;
    let at = start;
    while (at < end && (bytes[at] as number) >= 0x80) at++;
    if (at < end && at - start < 4) return this.readInt32();
    if (at >= end || at - start >= 10) {
      this.failed = true;
      return 0;
    }
    this.at = at + 1;
    return decodeLong(bytes, start, at);
  }

  /** Moves past a field of `length` bytes; -1 means null and takes none. */
  skip(length: number): void {
    if (length < -1 || length > this.end - this.at) this.failed = true;
    else if (length > 0) this.at += length;
  }
}

/** The zigzag number in bytes `first .. last`, both inclusive. */
function decodeLong(bytes: Uint8Array, first: number, last: number): number {
  let zigzag = 0n;
  for (let at = last; at >= first; at--) zigzag = (zigzag << 7n) | BigInt((bytes[at] as number) & 0x7f);
  const number = Number((BigInt.asUintN(64, zigzag) >> 1n) ^ -(zigzag & 1n));
  return Number.isSafeInteger(number) ? number : Number.NaN;
}
