/**
 * serde.ts: how values become bytes and back, the same on both ends.
 */
export interface Serde<T> {
  /** The bytes of a value. null never gets here: a null value stays null. */
  serialize(value: T): Uint8Array;
  /** @throws anything: the reader rejects with it. */
  deserialize(bytes: Uint8Array): T;
}

const utf8 = new TextDecoder();

/** Values as JSON text in UTF-8. */
export function json<T = unknown>(): Serde<T> {
  return {
    serialize: (value) => Buffer.from(JSON.stringify(value), "utf8"),
    deserialize: (bytes) => JSON.parse(utf8.decode(bytes)) as T,
  };
}
