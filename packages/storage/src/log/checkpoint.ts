/**
 * checkpoint.ts: the content of a checkpoint file, which is also the snapshot that a far-behind replica installs.
 *
 * ```
 * 0 u32 magic "VCKP"   4 u32 version   8 u32 body bytes   12 u32 CRC32C of the body   16 the body: sections
 * ```
 * A section is u8 tag, u32 length, bytes. Tags 1..15 are storage's (1 point, 2 replicas, 3 epochs, 4 producers, 5 segments of the
 * replica that wrote it), the others the caller's. Unknown tags of storage are an error: a newer version wrote them.
 */
import { assert, type GroupId, type PartitionId, type TopicId, VarveError } from "@varve/base";
import { crc32c } from "@varve/records";
import type { CheckpointSection, LogSnapshot, ReplicaSet } from "../api.js";
import { ByteReader, ByteWriter, corrupt, readU32, uuidBytes, uuidText } from "../bytes.js";
import type { EpochStart } from "./epochs.js";
import type { LogStateImage } from "./log-state.js";
import type { KeptBatch, ProducerEntry } from "./producer-table.js";
import type { SegmentInfo } from "./segment-plan.js";

const MAGIC = 0x504b4356;
const VERSION = 1;
const HEADER_BYTES = 16;
const TAGS = { point: 1, replicas: 2, epochs: 3, producers: 4, segments: 5 } as const;
/** Smallest tag of a caller's section. */
export const SECTION_TAG_MIN = 16;

/** Whose log a checkpoint is of. */
export interface CheckpointOwner {
  readonly groupId: GroupId;
  readonly topicId: TopicId;
  readonly partition: PartitionId;
}

export interface Checkpoint {
  readonly owner: CheckpointOwner;
  readonly image: LogStateImage;
  /** The writer's segments at that point, the last one open. */
  readonly segments: readonly SegmentInfo[];
  readonly sections: readonly CheckpointSection[];
}

export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const { owner, image, segments, sections } = checkpoint;
  const body = new ByteWriter();
  writeSection(body, TAGS.point, (out) => {
    out.u64(owner.groupId);
    out.bytes(uuidBytes(owner.topicId));
    out.u32(owner.partition);
    for (const value of [image.index, image.term, image.offset, image.appendTimeMs]) out.u64(value);
    out.u64(image.logStart.index);
    out.u64(image.logStart.offset);
  });
  writeSection(body, TAGS.replicas, (out) => writeReplicas(out, image.replicas));
  writeSection(body, TAGS.epochs, (out) => writeEpochs(out, image.epochs));
  writeSection(body, TAGS.producers, (out) => writeProducers(out, image.producers));
  writeSection(body, TAGS.segments, (out) => writeSegments(out, segments));
  for (const { tag, bytes } of sections) {
    assert(tag >= SECTION_TAG_MIN && tag <= 255, "a caller's section has a tag in 16 .. 255");
    writeSection(body, tag, (out) => out.bytes(bytes));
  }
  const out = new ByteWriter();
  out.u32(MAGIC);
  out.u32(VERSION);
  out.u32(body.length);
  out.u32(crc32c(body.written()));
  out.bytes(body.written());
  return out.written();
}

function writeSection(out: ByteWriter, tag: number, write: (out: ByteWriter) => void): void {
  const content = new ByteWriter();
  write(content);
  out.u8(tag);
  out.u32(content.length);
  out.bytes(content.written());
}

function writeReplicas(out: ByteWriter, replicas: ReplicaSet): void {
  for (const ids of [replicas.voters, replicas.learners, replicas.votersOutgoing, replicas.learnersNext]) {
    out.u32(ids.length);
    for (const id of ids) out.u64(id);
  }
  out.u8(replicas.autoLeave ? 1 : 0);
}

function writeEpochs(out: ByteWriter, epochs: readonly EpochStart[]): void {
  out.u32(epochs.length);
  for (const { term, index, offset } of epochs) {
    out.u32(term);
    out.u64(index);
    out.u64(offset);
  }
}

function writeProducers(out: ByteWriter, producers: readonly ProducerEntry[]): void {
  out.u32(producers.length);
  for (const { producerId, epoch, lastAppendMs, batches } of producers) {
    out.u64(producerId);
    out.u32(epoch);
    out.u64(lastAppendMs);
    out.u32(batches.length);
    for (const { baseSequence, recordCount, baseOffset, term } of batches) {
      out.u32(baseSequence);
      out.u32(recordCount);
      out.u64(baseOffset);
      out.u32(term);
    }
  }
}

function writeSegments(out: ByteWriter, segments: readonly SegmentInfo[]): void {
  out.u32(segments.length);
  for (const segment of segments) {
    out.u64(segment.name);
    out.u64(segment.baseOffset);
    out.u64(segment.previousIndex);
    out.u32(segment.previousTerm);
    out.u64(segment.lastIndex);
    out.u64(segment.endOffset);
    out.u64(segment.firstAppendMs);
    out.u64(segment.lastAppendMs);
    out.u64(segment.bytes);
  }
}

/** @throws VarveError CORRUPT_BATCH: not a whole, intact checkpoint of a known version. */
export function decodeCheckpoint(encoded: Uint8Array): Checkpoint {
  if (encoded.length < HEADER_BYTES || readU32(encoded, 0) !== MAGIC) throw corrupt("this is no checkpoint");
  if (readU32(encoded, 4) !== VERSION) throw corrupt(`checkpoint version ${readU32(encoded, 4)} is unknown`);
  const body = encoded.subarray(HEADER_BYTES);
  if (body.length !== readU32(encoded, 8)) throw corrupt("a checkpoint has another length than it says");
  if (crc32c(body) !== readU32(encoded, 12)) throw corrupt("a checkpoint's checksum is wrong");
  const own = new Map<number, ByteReader>();
  const sections: CheckpointSection[] = [];
  const reader = new ByteReader(body);
  while (reader.remaining > 0) {
    const tag = reader.u8();
    const bytes = reader.bytes(reader.u32());
    if (tag >= SECTION_TAG_MIN) sections.push({ tag, bytes });
    else own.set(tag, new ByteReader(bytes));
  }
  if (own.size !== Object.keys(TAGS).length) throw corrupt("a checkpoint lacks a section or has an unknown one");
  const point = sectionOf(own, TAGS.point);
  const owner = { groupId: point.u64(), topicId: uuidText(point.bytes(16), 0), partition: point.u32() };
  const [index, term, offset, appendTimeMs] = [point.u64(), point.u64(), point.u64(), point.u64()];
  const logStart = { index: point.u64(), offset: point.u64() };
  const image: LogStateImage = {
    index,
    term,
    offset,
    appendTimeMs,
    logStart,
    replicas: readReplicas(sectionOf(own, TAGS.replicas)),
    epochs: readEpochs(sectionOf(own, TAGS.epochs)),
    producers: readProducers(sectionOf(own, TAGS.producers)),
  };
  return { owner, image, segments: readSegments(sectionOf(own, TAGS.segments)), sections };
}

function sectionOf(own: ReadonlyMap<number, ByteReader>, tag: number): ByteReader {
  const section = own.get(tag);
  if (section === undefined) throw corrupt(`a checkpoint lacks section ${tag}`);
  return section;
}

function readReplicas(reader: ByteReader): ReplicaSet {
  const ids = (): number[] => Array.from({ length: reader.count(8) }, () => reader.u64());
  const [voters, learners, votersOutgoing, learnersNext] = [ids(), ids(), ids(), ids()];
  return { voters, learners, votersOutgoing, learnersNext, autoLeave: reader.u8() === 1 };
}

function readEpochs(reader: ByteReader): EpochStart[] {
  return Array.from({ length: reader.count(20) }, () => ({
    term: reader.u32(),
    index: reader.u64(),
    offset: reader.u64(),
  }));
}

function readProducers(reader: ByteReader): ProducerEntry[] {
  return Array.from({ length: reader.count(24) }, () => ({
    producerId: reader.u64(),
    epoch: reader.u32(),
    lastAppendMs: reader.u64(),
    batches: Array.from({ length: reader.count(20) }, () => readKeptBatch(reader)),
  }));
}

function readKeptBatch(reader: ByteReader): KeptBatch {
  return { baseSequence: reader.u32(), recordCount: reader.u32(), baseOffset: reader.u64(), term: reader.u32() };
}

function readSegments(reader: ByteReader): SegmentInfo[] {
  return Array.from({ length: reader.count(68) }, () => ({
    name: reader.u64(),
    baseOffset: reader.u64(),
    previousIndex: reader.u64(),
    previousTerm: reader.u32(),
    lastIndex: reader.u64(),
    endOffset: reader.u64(),
    firstAppendMs: reader.u64(),
    lastAppendMs: reader.u64(),
    bytes: reader.u64(),
  }));
}

/** The snapshot that a checkpoint is. `encoded` is kept. */
export function snapshotOf(checkpoint: Checkpoint, encoded: Uint8Array): LogSnapshot {
  const { image, sections } = checkpoint;
  return { index: image.index, term: image.term, offset: image.offset, replicas: image.replicas, sections, encoded };
}

/** @throws VarveError CORRUPT_BATCH: see DecodeSnapshot. */
export function decodeSnapshot(encoded: Uint8Array): LogSnapshot {
  return snapshotOf(decodeCheckpoint(encoded), encoded);
}

/** Whether a thrown value says that stored bytes are damaged, as opposed to a failure of the disk or of the program. */
export function isDamage(thrown: unknown): thrown is VarveError {
  return thrown instanceof VarveError && thrown.code === "CORRUPT_BATCH";
}

/** What is damaged and where, without the words that every error of this kind has. */
export function damageText(error: VarveError): string {
  const { problem } = error.details;
  return typeof problem === "string" ? problem : error.message;
}

/** Whether the disk cannot read what it holds. A failed write or sync is another matter. */
export function isUnreadable(thrown: unknown): thrown is Error {
  const isRead = thrown instanceof Error && "syscall" in thrown && thrown.syscall === "read";
  return isRead && "code" in thrown && thrown.code === "EIO";
}

/** Whether the disk says that there is no such file. */
export function isMissingFile(thrown: unknown): thrown is Error {
  return thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
}
