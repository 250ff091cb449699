/**
 * records.ts: what a flush of the write-ahead log may hold, and its bytes.
 *
 * Each record is an 8-byte prefix (u8 type, 3 zero bytes, u32 length) and its content:
 * ```
 * 1 frame       the frame as in frame.ts; at or below the group's last index it replaces from there on
 * 2 hard state  u64 group, u64 term, u64 vote, u64 commit
 * 3 mark        u64 group, u64 segment, u64 position, u64 index, u64 term, u64 offset
 * 4 reset       u64 group, u64 index, u64 term, u64 offset
 * 5 tombstone   u64 group, u64 replica
 * 6 reset copy  as 4: a reset written again so that the file with the first one may go; frames before it stay
 * 7 frame copy  as 1: a frame written again for the same reason; it replaces nothing but its own index
 * ```
 * Types are never renumbered. The last of type 2, and of types 3, 4 and 6 together, counts for a group; a reset voids the frames
 * before it, a tombstone all that is before it.
 */
import { assert, type GroupId, type Offset, type RaftIndex, type ReplicaId, type Term } from "@varve/base";
import type { Frame, HardState } from "../api.js";
import { ByteReader, corrupt, readU32, writeU32, writeU64 } from "../bytes.js";
import { checkFrameHeader, FRAME_HEADER_BYTES, frameAt, frameBytes } from "../frame/frame.js";

/**
 * Up to where a log is in synced segments. `drained`: the segment file named `segment` is good up to byte `position`.
 * `reset`: the log begins after a checkpoint and has no segments yet.
 */
export type Mark =
  | {
      readonly kind: "drained";
      readonly segment: number;
      readonly position: number;
      readonly index: RaftIndex;
      readonly term: Term;
      readonly offset: Offset;
    }
  | { readonly kind: "reset"; readonly index: RaftIndex; readonly term: Term; readonly offset: Offset };

export type WalRecord =
  | { readonly kind: "frame"; readonly groupId: GroupId; readonly frame: Frame; readonly isCopy: boolean }
  | { readonly kind: "hardState"; readonly groupId: GroupId; readonly hardState: HardState }
  | { readonly kind: "mark"; readonly groupId: GroupId; readonly mark: Mark; readonly isCopy: boolean }
  | { readonly kind: "tombstone"; readonly groupId: GroupId; readonly replicaId: ReplicaId };

const TYPES = { frame: 1, hardState: 2, drained: 3, reset: 4, tombstone: 5, resetCopy: 6, frameCopy: 7 } as const;

/** Bytes before the content of each record. */
export const RECORD_PREFIX_BYTES = 8;

/** Bytes of the record with its prefix. */
export function recordBytes(record: WalRecord): number {
  switch (record.kind) {
    case "frame":
      return RECORD_PREFIX_BYTES + frameBytes(record.frame);
    case "hardState":
      return RECORD_PREFIX_BYTES + 32;
    case "mark":
      return RECORD_PREFIX_BYTES + (record.mark.kind === "drained" ? 48 : 32);
    case "tombstone":
      return RECORD_PREFIX_BYTES + 16;
  }
}

/**
 * Writes the record at `at` and returns the end of what the flush's checksum covers: all of it, but for a frame only prefix
 * and header, since the header holds the payload's checksum.
 */
export function writeRecord(target: Uint8Array, at: number, record: WalRecord): number {
  const content = at + RECORD_PREFIX_BYTES;
  const end = at + recordBytes(record);
  writeU32(target, at, typeOf(record));
  writeU32(target, at + 4, end - content);
  switch (record.kind) {
    case "frame":
      target.set(record.frame.header, content);
      target.set(record.frame.data, content + FRAME_HEADER_BYTES);
      return content + FRAME_HEADER_BYTES;
    case "hardState": {
      const { term, vote, commit } = record.hardState;
      writeNumbers(target, content, [record.groupId, term, vote, commit]);
      return end;
    }
    case "mark":
      writeNumbers(target, content, [record.groupId, ...markNumbers(record.mark)]);
      return end;
    case "tombstone":
      writeNumbers(target, content, [record.groupId, record.replicaId]);
      return end;
  }
}

function typeOf(record: WalRecord): number {
  if (record.kind === "frame") return record.isCopy ? TYPES.frameCopy : TYPES.frame;
  if (record.kind !== "mark") return TYPES[record.kind];
  return record.isCopy && record.mark.kind === "reset" ? TYPES.resetCopy : TYPES[record.mark.kind];
}

function markNumbers(mark: Mark): number[] {
  const { index, term, offset } = mark;
  return mark.kind === "drained" ? [mark.segment, mark.position, index, term, offset] : [index, term, offset];
}

function writeNumbers(target: Uint8Array, at: number, numbers: readonly number[]): void {
  for (const [position, value] of numbers.entries()) {
    assert(Number.isSafeInteger(value) && value >= 0, "WAL records hold whole numbers up to 2^53 - 1");
    writeU64(target, at + 8 * position, value);
  }
}

/** A record as it was read, and where the part that the flush's checksum covers ends. */
export interface RecordReading {
  readonly record: WalRecord;
  readonly coveredEnd: number;
  readonly end: number;
}

/**
 * The record at `at` of a flush's body. Bounds and frame headers are checked, payloads are not.
 * @throws VarveError CORRUPT_BATCH
 */
export function readRecord(body: Uint8Array, at: number): RecordReading {
  if (at + RECORD_PREFIX_BYTES > body.length) throw corrupt("a WAL record's prefix is cut");
  const content = at + RECORD_PREFIX_BYTES;
  const end = content + readU32(body, at + 4);
  if (end > body.length) throw corrupt("a WAL record is longer than its flush");
  const type = readU32(body, at);
  if (type === TYPES.frame || type === TYPES.frameCopy) {
    const reading = checkFrameHeader(body, content);
    if (reading.kind !== "frame") throw corrupt("a frame header in the WAL is damaged");
    if (content + FRAME_HEADER_BYTES + reading.payloadBytes !== end)
      throw corrupt("a frame in the WAL has another length");
    const frame = frameAt(body, content);
    const record: WalRecord = { kind: "frame", groupId: frame.groupId, frame, isCopy: type === TYPES.frameCopy };
    return { record, coveredEnd: content + FRAME_HEADER_BYTES, end };
  }
  return { record: readNumbers(type, new ByteReader(body.subarray(content, end))), coveredEnd: end, end };
}

function readNumbers(type: number, reader: ByteReader): WalRecord {
  const groupId = reader.u64();
  switch (type) {
    case TYPES.hardState:
      return {
        kind: "hardState",
        groupId,
        hardState: { term: reader.u64(), vote: reader.u64(), commit: reader.u64() },
      };
    case TYPES.drained: {
      const [segment, position, index, term, offset] = [
        reader.u64(),
        reader.u64(),
        reader.u64(),
        reader.u64(),
        reader.u64(),
      ];
      return {
        kind: "mark",
        groupId,
        mark: { kind: "drained", segment, position, index, term, offset },
        isCopy: false,
      };
    }
    case TYPES.reset:
    case TYPES.resetCopy: {
      const mark: Mark = { kind: "reset", index: reader.u64(), term: reader.u64(), offset: reader.u64() };
      return { kind: "mark", groupId, mark, isCopy: type === TYPES.resetCopy };
    }
    case TYPES.tombstone:
      return { kind: "tombstone", groupId, replicaId: reader.u64() };
    default:
      throw corrupt(`WAL record type ${type} is unknown`);
  }
}
