/**
 * entry-size.ts: what entries count in limits.
 *
 * Two measures: `payload` is the data alone, so that no-ops and the automatic end of a joint configuration are free and
 * are never refused; the encoded size has a small header per entry too, so that empty entries still fill a message.
 * The header is that of the published protobuf encoding of an entry: three tagged varints, and a tag and a length.
 */
import { assert } from "../assert.js";
import type { Entry } from "../types.js";

/** Bytes that an entry counts in messages and pages. */
export type EntrySize = (entry: Entry) => number;

/** Bytes of `value` as a base-128 varint. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** The size used when the host gives none. */
export function encodedEntryBytes(entry: Entry): number {
  const length = entry.data.length;
  const headerBytes = 3 + varintBytes(entry.type) + varintBytes(entry.term) + varintBytes(entry.index);
  return length === 0 ? headerBytes : headerBytes + 1 + varintBytes(length) + length;
}

/** Payload bytes of all `entries`. */
export function payloadBytes(entries: readonly { readonly data: Uint8Array }[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  return bytes;
}

/** Size of all `entries`. */
export function totalSize(entries: readonly Entry[], sizeOf: EntrySize): number {
  let bytes = 0;
  for (const entry of entries) bytes += sizeOf(entry);
  return bytes;
}

/** How many of the first `entries` fit into `bytesMax`; at least one if there is one. */
export function fittingCount(entries: readonly Entry[], bytesMax: number, sizeOf: EntrySize): number {
  assert(bytesMax >= 0, "a size limit is not negative");
  if (bytesMax === Number.POSITIVE_INFINITY) return entries.length;
  let bytes = 0;
  let count = 0;
  for (const entry of entries) {
    bytes += sizeOf(entry);
    if (count > 0 && bytes > bytesMax) break;
    count++;
  }
  return count;
}
