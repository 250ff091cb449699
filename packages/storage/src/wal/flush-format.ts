/**
 * flush-format.ts: one flush of the write-ahead log: what one write and one fdatasync make durable together.
 *
 * ```
 *  0 u32 magic "VWAL"    24 u64 sequence          56 u32 CRC32C of the body (payloads of frames excepted: they carry their own)
 *  4 u32 version         32 u64 file number       60 u32 header CRC of the flush before, 0 = none
 *  8 16 bytes WAL id     40 u64 oldest live file  64 u32 number of groups touched
 *                        48 u32 body bytes        68 u32 zero
 *                        52 u32 size of its file  72 u32 zero; 76 u32 CRC32C of bytes 0..75 and the group list
 *                           in blocks, 0 = not told
 * 80 u64 x groups        the group list; the records of records.ts follow, then zeros up to a multiple of 4,096 bytes
 * ```
 * Invariants:
 *   H1  sequences count up by 1 through all files; flush k+1 is written only after the fdatasync of flush k has returned
 *   H2  the WAL id is random and leaves the machine never, so no payload can contain what looks like a header of this WAL
 */
import { assert, type GroupId } from "@varve/base";
import { readU32, readU64, writeU32, writeU64 } from "../bytes.js";
import { type Checksum, payloadProblem } from "../frame/payload.js";
import {
  RECORD_PREFIX_BYTES,
  type RecordReading,
  readRecord,
  recordBytes,
  type WalRecord,
  writeRecord,
} from "./records.js";

/** Flushes begin and end at multiples of this, so that no sector is shared by two. */
export const WAL_BLOCK_BYTES = 4096;
export const FLUSH_HEADER_BYTES = 80;

const MAGIC = 0x4c415756;
const VERSION = 1;
const ID_BYTES = 16;
const CRC_AT = 76;

/** What a flush says of itself. */
export interface FlushHeader {
  readonly sequence: number;
  readonly fileNumber: number;
  readonly oldestFile: number;
  readonly bodyBytes: number;
  /** Whole blocks that its file had when it was written: one that is shorter was cut since. 0: not told, as in the first files of this format. */
  readonly fileBlocks: number;
  readonly bodyCrc: number;
  readonly previousCrc: number;
  readonly groups: readonly GroupId[];
  /** Its own checksum, which the next flush repeats. */
  readonly crc: number;
  /** Header, groups, body and padding. */
  readonly totalBytes: number;
}

export type FlushFields = Pick<FlushHeader, "sequence" | "fileNumber" | "oldestFile" | "fileBlocks" | "previousCrc">;

/** Blocks that a file of `bytes` has for flushes. */
export function wholeBlocks(bytes: number): number {
  return Math.floor(bytes / WAL_BLOCK_BYTES);
}

/** `bytes` rounded up to whole blocks. */
export function alignToBlock(bytes: number): number {
  return Math.ceil(bytes / WAL_BLOCK_BYTES) * WAL_BLOCK_BYTES;
}

/** Bytes of a flush of these records, padding included. */
export function flushBytes(groupCount: number, bodyBytes: number): number {
  return alignToBlock(FLUSH_HEADER_BYTES + 8 * groupCount + bodyBytes);
}

/** Writes a whole flush to the start of `target`; returns its length and its checksum. */
export function writeFlush(
  target: Uint8Array,
  walId: Uint8Array,
  fields: FlushFields,
  records: readonly WalRecord[],
  checksum: Checksum,
): { readonly totalBytes: number; readonly crc: number } {
  assert(walId.length === ID_BYTES, "a WAL id has 16 bytes");
  const groups = new Set(records.map((record) => record.groupId));
  const bodyStart = FLUSH_HEADER_BYTES + 8 * groups.size;
  let at = bodyStart;
  let bodyCrc = 0;
  for (const record of records) {
    const coveredEnd = writeRecord(target, at, record);
    bodyCrc = checksum.crc32c(target.subarray(at, coveredEnd), bodyCrc);
    at += recordBytes(record);
  }
  const totalBytes = alignToBlock(at);
  assert(totalBytes <= target.length, "a flush fits its memory");
  target.fill(0, at, totalBytes);
  target.fill(0, 0, FLUSH_HEADER_BYTES);
  writeU32(target, 0, MAGIC);
  writeU32(target, 4, VERSION);
  target.set(walId, 8);
  writeU64(target, 24, fields.sequence);
  writeU64(target, 32, fields.fileNumber);
  writeU64(target, 40, fields.oldestFile);
  writeU32(target, 48, at - bodyStart);
  writeU32(target, 52, fields.fileBlocks);
  writeU32(target, 56, bodyCrc);
  writeU32(target, 60, fields.previousCrc);
  writeU32(target, 64, groups.size);
  let groupAt = FLUSH_HEADER_BYTES;
  for (const groupId of groups) {
    writeU64(target, groupAt, groupId);
    groupAt += 8;
  }
  const crc = headerCrc(target, groups.size, checksum);
  writeU32(target, CRC_AT, crc);
  return { totalBytes, crc };
}

function headerCrc(bytes: Uint8Array, groupCount: number, checksum: Checksum): number {
  const fixed = checksum.crc32c(bytes.subarray(0, CRC_AT));
  return checksum.crc32c(bytes.subarray(FLUSH_HEADER_BYTES, FLUSH_HEADER_BYTES + 8 * groupCount), fixed);
}

/**
 * Bytes that are needed to check the header which may begin at the start of `bytes`: null when none of this WAL begins there.
 * The answer is bounded by what follows in the file, which the caller knows.
 */
export function flushHeaderBytes(bytes: Uint8Array, walId: Uint8Array): number | null {
  if (bytes.length < FLUSH_HEADER_BYTES || readU32(bytes, 0) !== MAGIC) return null;
  for (let at = 0; at < ID_BYTES; at++) if (bytes[8 + at] !== walId[at]) return null;
  return FLUSH_HEADER_BYTES + 8 * readU32(bytes, 64);
}

/**
 * The header at the start of `bytes`, which hold at least `flushHeaderBytes`; null when its checksum is wrong or a
 * number is larger than 2^53 - 1, which no writer makes.
 */
export function readFlushHeader(bytes: Uint8Array, checksum: Checksum): FlushHeader | null {
  const groupCount = readU32(bytes, 64);
  if (FLUSH_HEADER_BYTES + 8 * groupCount > bytes.length) return null;
  const crc = readU32(bytes, CRC_AT);
  if (crc !== headerCrc(bytes, groupCount, checksum) || readU32(bytes, 4) !== VERSION) return null;
  const bodyBytes = readU32(bytes, 48);
  const [sequence, fileNumber, oldestFile] = [readU64(bytes, 24), readU64(bytes, 32), readU64(bytes, 40)];
  const groups = Array.from({ length: groupCount }, (_, at) => readU64(bytes, FLUSH_HEADER_BYTES + 8 * at));
  if (Number.isNaN(sequence + fileNumber + oldestFile) || groups.some(Number.isNaN)) return null;
  return {
    sequence,
    fileNumber,
    oldestFile,
    bodyBytes,
    fileBlocks: readU32(bytes, 52),
    bodyCrc: readU32(bytes, 56),
    previousCrc: readU32(bytes, 60),
    groups,
    crc,
    totalBytes: flushBytes(groupCount, bodyBytes),
  };
}

/** The records of a body, all of it checked: structure, flush checksum, payload checksums; or what is wrong with it. */
export function readBody(header: FlushHeader, body: Uint8Array, checksum: Checksum): WalRecord[] | string {
  assert(body.length <= header.bodyBytes, "a body is no longer than its header says");
  if (body.length < header.bodyBytes) return "the file ends inside the flush";
  const records: WalRecord[] = [];
  let crc = 0;
  for (let at = 0; at < body.length; ) {
    let reading: RecordReading;
    try {
      reading = readRecord(body, at);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    crc = checksum.crc32c(body.subarray(at, reading.coveredEnd), crc);
    records.push(reading.record);
    assert(reading.end >= at + RECORD_PREFIX_BYTES, "reading goes forward");
    at = reading.end;
  }
  if (crc !== header.bodyCrc) return "the flush's checksum is wrong";
  for (const record of records) {
    const problem = record.kind === "frame" ? payloadProblem(record.frame, checksum) : null;
    if (problem !== null) return problem;
  }
  return records;
}
