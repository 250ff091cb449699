/**
 * records.ts: random records and small batches for tests of every package.
 */
import type { Codec } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import type { BuildOptions, RecordHeader } from "../batch-builder.js";
import { encodeBatch, type RecordInput } from "../encode-batch.js";

const utf8 = new TextEncoder();

/** A batch of one record per value, without keys, all at `timestampMs`. */
export function batchOfValues(
  values: readonly string[],
  codec: Codec,
  options: BuildOptions & { readonly timestampMs?: number } = {},
): Uint8Array {
  const timestampMs = options.timestampMs ?? 1_700_000_000_000;
  return encodeBatch({ ...options, records: values.map((text) => ({ timestampMs, value: utf8.encode(text) })) }, codec);
}

/** A record that varies in everything the format allows: nulls, empty fields, odd timestamps, repeated header names. */
export function randomRecord(prng: Prng): RecordInput {
  const headers = Array.from({ length: prng.chance(0.3) ? prng.between(1, 4) : 0 }, () => randomHeader(prng));
  return {
    timestampMs: 1_700_000_000_000 + prng.between(-5_000_000_000, 5_000_000_000),
    key: randomField(prng, 40),
    value: randomField(prng, 600),
    headers,
  };
}

/** `count` random records. */
export function randomRecords(prng: Prng, count: number): RecordInput[] {
  return Array.from({ length: count }, () => randomRecord(prng));
}

function randomHeader(prng: Prng): RecordHeader {
  return [prng.pick(["", "a", "trace", "größe", "名前", "x".repeat(200)]), randomField(prng, 30)];
}

/** Null, empty, noise, or bytes with repeats that compress. */
function randomField(prng: Prng, bytesMax: number): Uint8Array | null {
  const size = prng.between(0, bytesMax);
  if (prng.chance(0.1)) return null;
  if (prng.chance(0.5)) return prng.bytes(size);
  const period = prng.between(1, 20);
  return Uint8Array.from({ length: size }, (_, index) => (index % period) + 65);
}
