/**
 * segment-format.ts: the header of a segment file and the entries of its sparse index.
 *
 * ```
 * segment header, 96 bytes: 0 u32 magic "VSEG"  4 u32 version  8 random id (16)  24 topic id (16)  40 u32 partition
 *   48 u64 group  56 u64 index before  64 u32 term before  72 u64 base offset  92 u32 CRC32C of 0..91; frames follow
 * index entry, 36 bytes: 0 u64 index  8 u64 base offset  16 u64 append time ms  24 u64 position  32 u32 CRC32C of 0..31
 * ```
 * A segment is written once, from start to end: no frame is ever replaced in it, so dense indexes chain its frames.
 */
import { assert, type GroupId, type Offset, type PartitionId, type RaftIndex, type TopicId } from "@varve/base";
import { crc32c } from "@varve/records";
import { readU32, readU64, uuidBytes, uuidText, writeU32, writeU64 } from "../bytes.js";
import { SEGMENT_HEADER_BYTES, type SegmentInfo } from "../log/segment-plan.js";

const MAGIC = 0x47455356;
const VERSION = 1;
const CRC_AT = 92;

/** Whose log a segment is part of. */
export interface SegmentOwner {
  readonly groupId: GroupId;
  readonly topicId: TopicId;
  readonly partition: PartitionId;
}

export function encodeSegmentHeader(owner: SegmentOwner, segment: SegmentInfo, randomId: Uint8Array): Uint8Array {
  assert(randomId.length === 16, "a segment's random id has 16 bytes");
  const header = new Uint8Array(SEGMENT_HEADER_BYTES);
  writeU32(header, 0, MAGIC);
  writeU32(header, 4, VERSION);
  header.set(randomId, 8);
  header.set(uuidBytes(owner.topicId), 24);
  writeU32(header, 40, owner.partition);
  writeU64(header, 48, owner.groupId);
  writeU64(header, 56, segment.previousIndex);
  writeU32(header, 64, segment.previousTerm);
  writeU64(header, 72, segment.baseOffset);
  writeU32(header, CRC_AT, crc32c(header.subarray(0, CRC_AT)));
  return header;
}

/** What a segment's header says. */
export interface SegmentHeader {
  readonly owner: SegmentOwner;
  readonly previousIndex: RaftIndex;
  readonly previousTerm: number;
  readonly baseOffset: Offset;
}

/** The header at the start of `bytes`, or why there is none. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | string {
  if (bytes.length < SEGMENT_HEADER_BYTES) return "the file is shorter than a segment header";
  if (readU32(bytes, 0) !== MAGIC) return "the file does not begin with a segment header";
  if (readU32(bytes, CRC_AT) !== crc32c(bytes.subarray(0, CRC_AT))) return "the segment header's checksum is wrong";
  if (readU32(bytes, 4) !== VERSION) return `segment version ${readU32(bytes, 4)} is unknown`;
  const [groupId, previousIndex, baseOffset] = [readU64(bytes, 48), readU64(bytes, 56), readU64(bytes, 72)];
  if (Number.isNaN(groupId + previousIndex + baseOffset)) return "a number in the segment header is above 2^53 - 1";
  return {
    owner: { groupId, topicId: uuidText(bytes, 24), partition: readU32(bytes, 40) },
    previousIndex,
    previousTerm: readU32(bytes, 64),
    baseOffset,
  };
}

/** Why the header at the start of `bytes` is not that of this segment, or null. */
export function segmentHeaderProblem(bytes: Uint8Array, owner: SegmentOwner, segment: SegmentInfo): string | null {
  const header = decodeSegmentHeader(bytes);
  if (typeof header === "string") return header;
  const isOwner =
    header.owner.groupId === owner.groupId &&
    header.owner.topicId === owner.topicId &&
    header.owner.partition === owner.partition;
  if (!isOwner) return "the file belongs to another log";
  const isPlace = header.previousIndex === segment.previousIndex && header.previousTerm === segment.previousTerm;
  return isPlace && header.baseOffset === segment.baseOffset ? null : "the file is another segment of this log";
}

/** Bytes between two entries of the sparse index, at least. */
export const INDEX_STEP_BYTES = 16 * 1024;
export const INDEX_ENTRY_BYTES = 36;

/** Where one frame of a segment lies. */
export interface IndexEntry {
  readonly index: RaftIndex;
  readonly baseOffset: Offset;
  readonly appendTimeMs: number;
  readonly position: number;
}

export function encodeIndexEntries(entries: readonly IndexEntry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * INDEX_ENTRY_BYTES);
  for (const [at, entry] of entries.entries()) {
    const start = at * INDEX_ENTRY_BYTES;
    writeU64(bytes, start, entry.index);
    writeU64(bytes, start + 8, entry.baseOffset);
    writeU64(bytes, start + 16, entry.appendTimeMs);
    writeU64(bytes, start + 24, entry.position);
    writeU32(bytes, start + 32, crc32c(bytes.subarray(start, start + 32)));
  }
  return bytes;
}

/** The entries up to the first one that is damaged, out of order or at or beyond `endPosition`. */
export function decodeIndexEntries(bytes: Uint8Array, endPosition: number): IndexEntry[] {
  const entries: IndexEntry[] = [];
  for (let start = 0; start + INDEX_ENTRY_BYTES <= bytes.length; start += INDEX_ENTRY_BYTES) {
    if (readU32(bytes, start + 32) !== crc32c(bytes.subarray(start, start + 32))) break;
    const entry: IndexEntry = {
      index: readU64(bytes, start),
      baseOffset: readU64(bytes, start + 8),
      appendTimeMs: readU64(bytes, start + 16),
      position: readU64(bytes, start + 24),
    };
    const before = entries[entries.length - 1];
    const isInOrder = before === undefined || (entry.index > before.index && entry.position > before.position);
    const isWhole = !Number.isNaN(entry.index + entry.baseOffset + entry.appendTimeMs + entry.position);
    if (!isWhole || !isInOrder || entry.position >= endPosition) break;
    entries.push(entry);
  }
  return entries;
}
