/**
 * segment-reader.ts: reads runs of frames from segment files, and never hands out what it has not checked.
 *
 * Invariants:
 *   R1  a frame that is handed out is of the segment's group and has an intact header, the expected index and an intact payload that
 *       belongs to it
 *   R2  nothing at or beyond the given end is read: only what is synced under a durable mark
 *   R3  a usual read is one positioned read; the sparse index is a hint that is repaired when it misleads
 */
import { assert, type DiskFile, type GroupId, type VarveError } from "@varve/base";
import type { Frame } from "../api.js";
import { corrupt } from "../bytes.js";
import { checkFrameHeader, FRAME_HEADER_BYTES, frameAt, frameBytes, frameHeaderAt } from "../frame/frame.js";
import { type Checksum, payloadProblem } from "../frame/payload.js";
import { SEGMENT_HEADER_BYTES } from "../log/segment-plan.js";
import type { FileCache } from "./file-cache.js";
import { decodeIndexEntries, INDEX_STEP_BYTES, type IndexEntry } from "./segment-format.js";
import { reaches, type SegmentKey, SparseIndex } from "./sparse-index.js";

/** A segment file, as far as it may be read. */
export interface ReadableSegment {
  readonly path: string;
  readonly indexPath: string;
  /** Whose frames it holds: a frame of another group was written, or put, where it does not belong. */
  readonly groupId: GroupId;
  /** Index of its first frame. */
  readonly firstIndex: number;
  /** Byte after the last frame that may be read (R2). */
  readonly end: number;
}

/** Sparse indexes in memory; at 128 MiB a segment about 300 KiB each at most. */
const INDEXES_MAX = 128;
const WALK_WINDOW_BYTES = 128 * 1024;

export class SegmentReader {
  private readonly files: FileCache;
  private readonly checksum: Checksum;
  private readonly indexes = new Map<string, SparseIndex>();

  constructor(files: FileCache, checksum: Checksum) {
    this.files = files;
    this.checksum = checksum;
  }

  /**
   * Frames in order from the first one that reaches `key`; at least one if any does, else up to `bytesMax` bytes.
   * @throws VarveError CORRUPT_BATCH: the file is damaged. Other errors: the disk's.
   */
  read(segment: ReadableSegment, key: SegmentKey, bytesMax: number): Promise<Frame[]> {
    return this.files.with(segment.path, async (file) => {
      const index = await this.indexOf(segment);
      const entry = index.floor(key);
      const start = { position: entry?.position ?? SEGMENT_HEADER_BYTES, index: entry?.index ?? segment.firstIndex };
      const length = Math.min(segment.end - start.position, bytesMax + 2 * INDEX_STEP_BYTES);
      if (length <= 0) return [];
      const bytes = await readExactly(file, { path: segment.path, position: start.position }, length);
      if (entry !== null && !isFrame(bytes, segment.groupId, entry)) {
        index.clear(); // R3: the index lied; the walk below builds it anew.
        return this.walk(
          file,
          segment,
          index,
          { position: SEGMENT_HEADER_BYTES, index: segment.firstIndex },
          key,
          bytesMax,
        );
      }
      const run = parseRun(bytes, segment.groupId, start.index, { path: segment.path, position: start.position });
      const found = run.frames.findIndex((frame) => reaches(frame, key));
      if (found < 0) {
        const next = { position: start.position + run.end, index: start.index + run.frames.length };
        return this.walk(file, segment, index, next, key, bytesMax);
      }
      const before = run.frames.slice(0, found).reduce((sum, frame) => sum + frameBytes(frame), 0);
      const place = { path: segment.path, position: start.position + before };
      return this.checked(run.frames.slice(found), place, bytesMax);
    });
  }

  /** Notes where drained frames lie, so that reading them needs no walk. Returns the entries that are new. */
  noteDrained(segment: ReadableSegment, frames: readonly Frame[], position: number): ReturnType<SparseIndex["list"]> {
    const known = this.indexes.get(segment.path);
    const isNew = position === SEGMENT_HEADER_BYTES;
    const index = isNew ? this.keep(segment.path, new SparseIndex([])) : (known ?? new SparseIndex([]));
    const added = [];
    let at = position;
    for (const frame of frames) {
      const entry = index.offer(frame, at);
      if (entry !== null) added.push(entry);
      at += frameBytes(frame);
    }
    return added;
  }

  /** Forgets a segment that is removed or was written anew. */
  forget(path: string): void {
    this.indexes.delete(path);
    this.files.forget(path);
  }

  private keep(path: string, index: SparseIndex): SparseIndex {
    this.indexes.delete(path);
    this.indexes.set(path, index);
    const oldest = this.indexes.keys().next();
    if (this.indexes.size > INDEXES_MAX && oldest.done !== true) this.indexes.delete(oldest.value);
    return index;
  }

  private async indexOf(segment: ReadableSegment): Promise<SparseIndex> {
    const known = this.indexes.get(segment.path);
    if (known !== undefined) return this.keep(segment.path, known);
    const bytes = await this.files.with(segment.indexPath, readWhole).catch(() => new Uint8Array(0));
    this.files.forget(segment.indexPath);
    return this.keep(segment.path, new SparseIndex(decodeIndexEntries(bytes, segment.end)));
  }

  /** Goes from header to header, filling the index, until a frame reaches the key. */
  private async walk(
    file: DiskFile,
    segment: ReadableSegment,
    index: SparseIndex,
    from: { readonly position: number; readonly index: number },
    key: SegmentKey,
    bytesMax: number,
  ): Promise<Frame[]> {
    let { position, index: expected } = from;
    while (position < segment.end) {
      const place = { path: segment.path, position };
      const window = await readExactly(file, place, Math.min(WALK_WINDOW_BYTES, segment.end - position));
      let at = 0;
      while (at + FRAME_HEADER_BYTES <= window.length) {
        const header = headerOnly(window, at, segment.groupId, expected, place);
        if (reaches(header.frame, key)) {
          const length = Math.min(segment.end - position - at, Math.max(bytesMax, header.bytes));
          const start = { path: segment.path, position: position + at };
          const run = parseRun(await readExactly(file, start, length), segment.groupId, expected, start);
          return this.checked(run.frames, start, bytesMax);
        }
        index.offer(header.frame, position + at);
        at += header.bytes;
        expected++;
      }
      assert(at > 0, "a window holds at least one header, since drained frames are whole");
      position += at;
    }
    return [];
  }

  /** R1 for payloads; cuts to `bytesMax`. */
  private checked(frames: readonly Frame[], start: Place, bytesMax: number): Frame[] {
    const result: Frame[] = [];
    let { position } = start;
    let bytes = 0;
    for (const frame of frames) {
      bytes += frame.data.length;
      if (result.length > 0 && bytes > bytesMax) break;
      const problem = payloadProblem(frame, this.checksum);
      if (problem !== null) throw damagedAt({ ...start, position }, `${problem}, index ${frame.index}`);
      result.push(frame);
      position += frameBytes(frame);
    }
    return result;
  }
}

/** Whether the frame that the index speaks of begins `bytes`. */
function isFrame(bytes: Uint8Array, groupId: GroupId, entry: IndexEntry): boolean {
  if (checkFrameHeader(bytes, 0).kind !== "frame") return false;
  const { frame } = frameHeaderAt(bytes, 0);
  const { index, baseOffset, appendTimeMs } = frame;
  const isPlace = index === entry.index && baseOffset === entry.baseOffset && appendTimeMs === entry.appendTimeMs;
  return frame.groupId === groupId && isPlace;
}

/** Where bytes were read, for the text of an error. */
export interface Place {
  readonly path: string;
  readonly position: number;
}

function damagedAt({ path, position }: Place, problem: string): VarveError {
  return corrupt(`${path} at byte ${position}: ${problem}`);
}

/** All whole frames of the group at the start of `bytes`, which were read at `start`, dense from `firstIndex` on, and where they end. */
export function parseRun(
  bytes: Uint8Array,
  groupId: GroupId,
  firstIndex: number,
  start: Place,
): { readonly frames: Frame[]; readonly end: number } {
  const frames: Frame[] = [];
  let at = 0;
  while (at < bytes.length) {
    const reading = checkFrameHeader(bytes, at);
    const expected = firstIndex + frames.length;
    const place = { ...start, position: start.position + at };
    if (reading.kind === "damaged") throw damagedAt(place, `${reading.problem}, where index ${expected} should be`);
    if (reading.kind === "short" || at + FRAME_HEADER_BYTES + reading.payloadBytes > bytes.length) break;
    const frame = frameAt(bytes, at);
    requirePlace(frame, groupId, expected, place);
    frames.push(frame);
    at += frameBytes(frame);
  }
  return { frames, end: at };
}

/** A header whose payload need not be there: what `reaches` and the index look at. */
function headerOnly(
  window: Uint8Array,
  at: number,
  groupId: GroupId,
  expected: number,
  start: Place,
): ReturnType<typeof frameHeaderAt> {
  const reading = checkFrameHeader(window, at);
  const place = { ...start, position: start.position + at };
  if (reading.kind !== "frame") throw damagedAt(place, `no intact frame header where index ${expected} should be`);
  const header = frameHeaderAt(window, at);
  requirePlace(header.frame, groupId, expected, place);
  return header;
}

function requirePlace(frame: Frame, groupId: GroupId, expected: number, place: Place): void {
  if (frame.groupId !== groupId) throw damagedAt(place, `a frame of group ${frame.groupId} stands in group ${groupId}`);
  if (frame.index !== expected) throw damagedAt(place, `index ${frame.index} stands where ${expected} should be`);
}

async function readExactly(file: DiskFile, { path, position }: Place, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const read = await file.read(bytes, position);
  if (read < length) throw damagedAt({ path, position: position + read }, "the file ends there, but holds more");
  return bytes;
}

async function readWhole(file: DiskFile): Promise<Uint8Array> {
  const bytes = new Uint8Array(await file.size());
  return bytes.subarray(0, await file.read(bytes, 0));
}
