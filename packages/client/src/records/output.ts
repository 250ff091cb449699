/**
 * output.ts: one record as a reader hands it out.
 */
// Whoever imports these types gets Buffer's, too; TypeScript 7 would not include them unless a program asked.
/// <reference types="node" preserve="true" />
import type { Offset, PartitionId } from "@varve/base";
import type { RecordCursor } from "@varve/records";

/**
 * A record. Key, value and headers are views of the batch that it came in: copy what is kept for long, or the whole batch stays
 * in memory.
 */
export interface VarveRecord<T = Buffer> {
  readonly topic: string;
  readonly partition: PartitionId;
  readonly offset: Offset;
  /** When it was made, by its producer's clock, milliseconds since 1970. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: T | null;
  /** The last value of each name; names whose last value is null are left out. */
  readonly headers: Record<string, Buffer>;
  /** All headers in order, repeats kept. */
  readonly rawHeaders: [name: string, value: Buffer | null][];
}

/** The record at which `cursor` stands. */
export function recordAt<T>(
  cursor: RecordCursor,
  topic: string,
  partition: PartitionId,
  decodeValue: (value: Buffer) => T,
): VarveRecord<T> {
  const key = cursor.key();
  const value = cursor.value();
  const rawHeaders = cursor
    .headers()
    .map(([name, bytes]): [string, Buffer | null] => [name, bytes === null ? null : asBuffer(bytes)]);
  return {
    topic,
    partition,
    offset: cursor.offset,
    timestampMs: cursor.timestampMs,
    key: key === null ? null : asBuffer(key),
    value: value === null ? null : decodeValue(asBuffer(value)),
    headers: rawHeaders.length === 0 ? {} : byName(rawHeaders),
    rawHeaders,
  };
}

/** The same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function byName(rawHeaders: readonly (readonly [string, Buffer | null])[]): Record<string, Buffer> {
  const last = new Map(rawHeaders);
  const present = [...last].filter((entry): entry is [string, Buffer] => entry[1] !== null);
  return Object.fromEntries(present);
}
