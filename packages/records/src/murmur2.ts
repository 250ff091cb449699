/**
 * murmur2.ts: the 32-bit MurmurHash2 of a key with Kafka's seed, so that keys fall where Kafka's clients put them.
 *
 * Source: MurmurHash2 by A. Appleby (public domain); seed and 31-bit mask as in Apache Kafka's default partitioner.
 */
const SEED = 0x9747b28c;
const MIX = 0x5bd1e995;

/** The hash as a signed 32-bit integer. */
export function murmur2(key: Uint8Array): number {
  const length = key.length;
  let hash = SEED ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word =
      (key[at] as number) |
      ((key[at + 1] as number) << 8) |
      ((key[at + 2] as number) << 16) |
      ((key[at + 3] as number) << 24);
    word = Math.imul(word, MIX);
    word ^= word >>> 24;
    hash = Math.imul(hash, MIX) ^ Math.imul(word, MIX);
  }
  if (at < length) {
    for (let shift = 0; at < length; at++, shift += 8) hash ^= (key[at] as number) << shift;
    hash = Math.imul(hash, MIX);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, MIX);
  return hash ^ (hash >>> 15);
}

/** The hash without its sign bit: an integer in 0 .. 2^31 - 1. */
export function keyHash(key: Uint8Array): number {
  return murmur2(key) & 0x7fffffff;
}
