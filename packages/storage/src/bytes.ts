/** bytes.ts: unsigned 64-bit little-endian integers up to 2^53 - 1 in buffers. */
import { assert } from "@varve/base";

const TWO_32 = 2 ** 32;

export function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function writeU64(target: Buffer, value: number, at: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, "only whole numbers up to 2^53 - 1 are stored");
  target.writeUInt32LE(value % TWO_32, at);
  target.writeUInt32LE(Math.floor(value / TWO_32), at + 4);
  return at + 8;
}

/** NaN for a number above 2^53 - 1, which no writer of this format makes. */
export function readU64(source: Buffer, at: number): number {
  const value = source.readUInt32LE(at + 4) * TWO_32 + source.readUInt32LE(at);
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

/** File names sort like the numbers in them. */
export function digits20(value: number): string {
  return String(value).padStart(20, "0");
}
