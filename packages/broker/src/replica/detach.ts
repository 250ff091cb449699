/**
 * detach.ts: keeps a small slice from holding a large receive buffer in memory.
 */

/** The bytes themselves, or a copy when they are less than half of the memory they lie in. */
export function detach(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength * 2 < bytes.buffer.byteLength ? Uint8Array.from(bytes) : bytes;
}
