/**
 * format.ts: flushes of the write-ahead log and the records in them.
 *
 * A flush lies at a multiple of 4 KiB: header (96 bytes), the ids of the groups it touches, records, zeros up to the next multiple.
 * Header, little-endian: magic u32, version u32, WAL id (16 bytes), sequence u64, oldest live file u64, group count u32, body bytes u32,
 * body CRC u32, header CRC of the previous flush u32, zeros up to 92, header CRC u32 (of all before it).
 * Record: kind u8, 3 zero bytes, bytes u32, content.
 */
import { crc32c } from "@varve/records";
import { readU64, view, writeU64 } from "../bytes.js";

export const FLUSH_ALIGN = 4096;
export const FLUSH_HEADER_BYTES = 96;
const MAGIC = 0x4c415756;
const VERSION = 1;
const CRC_AT = 92;

/** Kinds of records; on disk, never renumbered. */
export const RecordKind = { frame: 1, hardState: 2, drained: 3, tombstone: 4, reset: 5 } as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

export interface FlushHeader {
  readonly walId: string;
  readonly sequence: number;
  readonly oldestFile: number;
  readonly groupCount: number;
  readonly bodyBytes: number;
  readonly bodyCrc: number;
  readonly previousCrc: number;
  readonly crc: number;
}

export interface HardStateRecord {
  readonly groupId: number;
  readonly replicaId: number;
  readonly term: number;
  readonly vote: number;
  readonly commit: number;
}

/** Everything up to `index` of a group is synced in its segments; `position`: the bytes of the last segment that count. */
export interface DrainedRecord {
  readonly groupId: number;
  readonly replicaId: number;
  readonly segment: number;
  readonly position: number;
  readonly index: number;
  readonly term: number;
}

export function align(bytes: number): number {
  return Math.ceil(bytes / FLUSH_ALIGN) * FLUSH_ALIGN;
}

export function encodeFlushHeader(header: Omit<FlushHeader, "crc">): Buffer {
  const bytes = Buffer.alloc(FLUSH_HEADER_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(VERSION, 4);
  bytes.write(header.walId, 8, 16, "hex");
  writeU64(bytes, header.sequence, 24);
  writeU64(bytes, header.oldestFile, 32);
  bytes.writeUInt32LE(header.groupCount, 40);
  bytes.writeUInt32LE(header.bodyBytes, 44);
  bytes.writeUInt32LE(header.bodyCrc, 48);
  bytes.writeUInt32LE(header.previousCrc, 52);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, CRC_AT)), CRC_AT);
  return bytes;
}

/** null when there is no valid flush header at `at`. */
export function decodeFlushHeader(source: Uint8Array, at: number): FlushHeader | null {
  const bytes = view(source).subarray(at, at + FLUSH_HEADER_BYTES);
  if (bytes.length < FLUSH_HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC || bytes.readUInt32LE(4) !== VERSION)
    return null;
  const crc = bytes.readUInt32LE(CRC_AT);
  if (crc32c(bytes.subarray(0, CRC_AT)) !== crc) return null;
  return {
    walId: bytes.toString("hex", 8, 24),
    sequence: readU64(bytes, 24),
    oldestFile: readU64(bytes, 32),
    groupCount: bytes.readUInt32LE(40),
    bodyBytes: bytes.readUInt32LE(44),
    bodyCrc: bytes.readUInt32LE(48),
    previousCrc: bytes.readUInt32LE(52),
    crc,
  };
}

export function recordHeader(kind: RecordKind, bytes: number): Buffer {
  const header = Buffer.alloc(8);
  header[0] = kind;
  header.writeUInt32LE(bytes, 4);
  return header;
}

export function encodeHardState(record: HardStateRecord): Buffer[] {
  return numbers(RecordKind.hardState, [record.groupId, record.replicaId, record.term, record.vote, record.commit]);
}

export function encodeDrained({ groupId, replicaId, segment, position, index, term }: DrainedRecord): Buffer[] {
  return numbers(RecordKind.drained, [groupId, replicaId, segment, position, index, term]);
}

/** The replica's log is gone, for ever. */
export function encodeTombstone(groupId: number, replicaId: number): Buffer[] {
  return numbers(RecordKind.tombstone, [groupId, replicaId]);
}

/** The replica's log begins anew after `index`; frames of it before this record do not count. */
export function encodeReset(groupId: number, replicaId: number, index: number): Buffer[] {
  return numbers(RecordKind.reset, [groupId, replicaId, index]);
}

export function readNumbers(content: Uint8Array): number[] {
  const source = view(content);
  const values: number[] = [];
  for (let at = 0; at + 8 <= source.length; at += 8) values.push(readU64(source, at));
  return values;
}

function numbers(kind: RecordKind, values: readonly number[]): Buffer[] {
  const content = Buffer.allocUnsafe(values.length * 8);
  let at = 0;
  for (const value of values) at = writeU64(content, value, at);
  return [recordHeader(kind, content.length), content];
}
