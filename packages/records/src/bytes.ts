/**
 * bytes.ts: big-endian and little-endian integers in a Uint8Array, without a DataView per buffer.
 *
 * Callers have checked the bounds: an index past the end would read as 0, so none of these decides about input.
 */

/** A signed 16-bit integer, big-endian. */
export function readInt16(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) << 24) >> 16) | (bytes[at + 1] as number);
}

/** A signed 32-bit integer, big-endian. */
export function readInt32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}

/** An unsigned 32-bit integer, big-endian. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) >>> 0;
}

/** An unsigned 32-bit integer, little-endian. */
export function readUint32Le(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/** A signed 64-bit integer, big-endian; NaN when a number cannot hold it exactly. */
export function readInt64(bytes: Uint8Array, at: number): number {
  const value = readInt32(bytes, at) * 2 ** 32 + readUint32(bytes, at + 4);
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

export function writeInt16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}

export function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 24;
  bytes[at + 1] = value >> 16;
  bytes[at + 2] = value >> 8;
  bytes[at + 3] = value;
}

/** Writes a safe integer, negative ones in two's complement. */
export function writeInt64(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 2 ** 32);
  writeInt32(bytes, at, high);
  writeInt32(bytes, at + 4, value - high * 2 ** 32);
}

export function writeUint32Le(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >> 8;
  bytes[at + 2] = value >> 16;
  bytes[at + 3] = value >> 24;
}
