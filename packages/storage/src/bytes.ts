/**
 * bytes.ts: little-endian integers up to 2^53 - 1 in byte arrays, a writer that grows and a reader that never leaves its bounds.
 */
import { assert, VarveError } from "@varve/base";

const TWO_32 = 2 ** 32;

export function writeU16(target: Uint8Array, at: number, value: number): void {
  target[at] = value;
  target[at + 1] = value >>> 8;
}

export function writeU32(target: Uint8Array, at: number, value: number): void {
  target[at] = value;
  target[at + 1] = value >>> 8;
  target[at + 2] = value >>> 16;
  target[at + 3] = value >>> 24;
}

/** @param value an integer in 0 .. 2^53 - 1; the caller has asserted that. */
export function writeU64(target: Uint8Array, at: number, value: number): void {
  writeU32(target, at, (value % TWO_32) | 0);
  writeU32(target, at + 4, Math.floor(value / TWO_32));
}

export function readU16(source: Uint8Array, at: number): number {
  return (source[at] as number) | ((source[at + 1] as number) << 8);
}

export function readU32(source: Uint8Array, at: number): number {
  const low = (source[at] as number) | ((source[at + 1] as number) << 8) | ((source[at + 2] as number) << 16);
  return (low | ((source[at + 3] as number) << 24)) >>> 0;
}

/** NaN for a number above 2^53 - 1, which no writer of these formats makes. */
export function readU64(source: Uint8Array, at: number): number {
  const value = readU32(source, at + 4) * TWO_32 + readU32(source, at);
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

/** File names of numbers, so that their order as text is their order as numbers. */
export function digits20(value: number): string {
  assert(Number.isSafeInteger(value) && value >= 0, "a file is named by an integer in 0 .. 2^53 - 1");
  return String(value).padStart(20, "0");
}

/** The 16 bytes of a UUID in text form. */
export function uuidBytes(uuid: string): Uint8Array {
  const hex = uuid.replaceAll("-", "");
  assert(/^[0-9a-fA-F]{32}$/.test(hex), "a UUID has 32 hexadecimal digits");
  return Uint8Array.from({ length: 16 }, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16));
}

/** The text form, in lower case, of the UUID at `at`. */
export function uuidText(source: Uint8Array, at: number): string {
  const hex = Array.from(source.subarray(at, at + 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Appends integers and byte runs; doubles when full. */
export class ByteWriter {
  private buffer = new Uint8Array(256);
  private used = 0;

  get length(): number {
    return this.used;
  }

  u8(value: number): void {
    const at = this.take(1);
    this.buffer[at] = value;
  }

  u32(value: number): void {
    assert(Number.isInteger(value) && value >= 0 && value < TWO_32, "a 32-bit field is an integer in 0 .. 2^32 - 1");
    const at = this.take(4);
    writeU32(this.buffer, at, value);
  }

  u64(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "a 64-bit field is an integer in 0 .. 2^53 - 1");
    const at = this.take(8);
    writeU64(this.buffer, at, value);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.take(bytes.length);
    this.buffer.set(bytes, at);
  }

  /** What was written; a view, valid until the next call. */
  written(): Uint8Array {
    return this.buffer.subarray(0, this.used);
  }

  private take(bytes: number): number {
    const at = this.used;
    this.used += bytes;
    if (this.used > this.buffer.length) {
      const grown = new Uint8Array(Math.max(this.used, 2 * this.buffer.length));
      grown.set(this.buffer.subarray(0, at));
      this.buffer = grown;
    }
    return at;
  }
}

/** Reads what ByteWriter wrote. @throws VarveError CORRUPT_BATCH when the bytes end early or a number is too large. */
export class ByteReader {
  private readonly source: Uint8Array;
  private at = 0;

  constructor(source: Uint8Array) {
    this.source = source;
  }

  get remaining(): number {
    return this.source.length - this.at;
  }

  u8(): number {
    const at = this.take(1);
    return this.source[at] as number;
  }

  u32(): number {
    return readU32(this.source, this.take(4));
  }

  u64(): number {
    const value = readU64(this.source, this.take(8));
    if (Number.isNaN(value)) throw corrupt("a number is larger than 2^53 - 1");
    return value;
  }

  /** A count that is followed by at least `itemBytes` bytes per item, so that no allocation exceeds what is there. */
  count(itemBytes: number): number {
    const count = this.u32();
    if (count * itemBytes > this.remaining) throw corrupt("a list is longer than its bytes");
    return count;
  }

  bytes(length: number): Uint8Array {
    const at = this.take(length);
    return this.source.subarray(at, at + length);
  }

  private take(bytes: number): number {
    if (bytes > this.remaining) throw corrupt("the bytes end early");
    const at = this.at;
    this.at += bytes;
    return at;
  }
}

/** Bytes that are not what they claim to be. */
export function corrupt(problem: string): VarveError {
  return new VarveError("CORRUPT_BATCH", {
    message: `stored or sent bytes are damaged: ${problem}; nothing was written`,
    details: { problem },
  });
}
