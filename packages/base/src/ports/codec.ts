/**
 * codec.ts: the port to checksums and compression, so that the broker may use native code and the client need not.
 *
 * All calls are synchronous: a batch is at most a few MiB, and a promise per batch would cost more than it hides.
 * Invariants of every implementation:
 *   X1  decompress(kind, compress(kind, bytes)) equals bytes
 *   X2  decompress never returns more than `bytesMax` bytes, and stops before it has made more
 *   X3  what is not valid input is a VarveError, never another error and never an endless loop
 */

/** Every compression of a record batch, with the number that stands in the batch's attributes. Never renumbered. */
export const COMPRESSION_IDS = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

/** How the records of a batch are compressed. */
export type CompressionKind = keyof typeof COMPRESSION_IDS;

const KINDS: readonly CompressionKind[] = ["none", "gzip", "snappy", "lz4", "zstd"];

/** The compression with that number, or null when no format has it. */
export function compressionKindOf(id: number): CompressionKind | null {
  return KINDS[id] ?? null;
}

/** Whether `text` names a compression; for settings and command lines. */
export function isCompressionKind(text: string): text is CompressionKind {
  return Object.hasOwn(COMPRESSION_IDS, text);
}

export interface Codec {
  /**
   * CRC32C (Castagnoli, RFC 3720 appendix B.4) as an unsigned 32-bit number. `seed` is the checksum of the bytes
   * before these, so that crc32c(b, crc32c(a)) is the checksum of a followed by b; 0 or none at the start.
   */
  crc32c(bytes: Uint8Array, seed?: number): number;
  /**
   * Resolves when `kind` can be used; loads what it needs, for example a WASM module, the first time. Await it once per
   * kind before `compress`; for `decompress` it is never needed.
   * @throws VarveError UNSUPPORTED_CODEC when this machine cannot write `kind`.
   */
  prepare(kind: CompressionKind): Promise<void>;
  /**
   * The compressed bytes, in the framing that Apache Kafka's clients read. `none` returns `bytes` itself.
   * @throws VarveError UNSUPPORTED_CODEC when `prepare(kind)` has not resolved and was needed.
   */
  compress(kind: CompressionKind, bytes: Uint8Array): Uint8Array;
  /**
   * The bytes before compression. `none` returns `bytes` itself.
   * @param bytesMax most bytes that the answer may have; a longer one is refused before it is made.
   * @throws VarveError CORRUPT_BATCH (not valid `kind` data), BATCH_TOO_LARGE (more than `bytesMax`).
   */
  decompress(kind: CompressionKind, bytes: Uint8Array, bytesMax: number): Uint8Array;
}
