/**
 * log-files.ts: the files in one log's folder: segments, sparse indexes, checkpoints, and the note that quarantines it.
 *
 * Every change of a name is followed by a sync of the folder before anything relies on it; a file that must be whole is
 * written beside, synced and renamed.
 */
import { assert, type Disk, type DiskFile, type RaftIndex, type Random } from "@varve/base";
import type { Frame, GroupSpec } from "../api.js";
import { corrupt, digits20 } from "../bytes.js";
import { FRAME_HEADER_BYTES } from "../frame/frame.js";
import {
  encodeIndexEntries,
  encodeSegmentHeader,
  INDEX_ENTRY_BYTES,
  type IndexEntry,
} from "../segment/segment-format.js";
import type { ReadableSegment, SegmentReader } from "../segment/segment-reader.js";
import { SEGMENT_HEADER_BYTES, type SegmentInfo } from "./segment-plan.js";

/** A frame with less payload is copied into one buffer with its neighbours, a larger one is written from where it lies. */
const COPY_BYTES_MAX = 32 * 1024;
/** Entries of the sparse index that are written together: a few calls for every 256 KiB of frames. */
const INDEX_ENTRIES_AT_ONCE = 16;
/** Where a quarantined replica says why; its presence is the quarantine. */
export const QUARANTINE_FILE = "quarantine.json";
/** Committed frames of a quarantined replica that only the WAL had. */
export const SALVAGE_FILE = "quarantine.frames";

export interface LogFilesOptions {
  readonly dir: string;
  readonly disk: Disk;
  readonly random: Random;
  readonly spec: GroupSpec;
  readonly reader: SegmentReader;
}

/** What a name in a log's folder is. */
export type LogFileName =
  | { readonly kind: "segment" | "index" | "checkpoint" | "reset"; readonly number: number }
  | { readonly kind: "temporary" | "other"; readonly number: null };

const NUMBERED = /^(\d{20})\.(log|idx|checkpoint|reset)$/;
const KINDS = { log: "segment", idx: "index", checkpoint: "checkpoint", reset: "reset" } as const;

export function parseLogFileName(name: string): LogFileName {
  const match = NUMBERED.exec(name);
  if (match !== null) return { kind: KINDS[match[2] as keyof typeof KINDS], number: Number(match[1]) };
  return { kind: name.endsWith(".tmp") ? "temporary" : "other", number: null };
}

export class LogFiles {
  readonly dir: string;
  private readonly options: LogFilesOptions;
  private written = 0;
  /** Entries of one segment's sparse index that its file does not have yet. */
  private unwritten: { readonly path: string; readonly entries: IndexEntry[] } = { path: "", entries: [] };

  constructor(options: LogFilesOptions) {
    this.options = options;
    this.dir = options.dir;
  }

  /** Bytes written to segments since open. */
  get bytesWritten(): number {
    return this.written;
  }

  segmentPath(name: number): string {
    return `${this.dir}/${digits20(name)}.log`;
  }

  indexPath(name: number): string {
    return indexPathOf(this.segmentPath(name));
  }

  checkpointPath(index: RaftIndex): string {
    return `${this.dir}/${digits20(index)}.checkpoint`;
  }

  /** All names in the folder. */
  names(): Promise<string[]> {
    return this.options.disk.list(this.dir);
  }

  readWhole(path: string): Promise<Uint8Array> {
    return readFile(this.options.disk, path);
  }

  /** Runs `use` with the file as its name finds it now, whatever readers have open. */
  async readFresh<T>(path: string, use: (file: DiskFile) => Promise<T>): Promise<T> {
    const file = await this.options.disk.open(path, "read");
    try {
      return await use(file);
    } finally {
      await file.close();
    }
  }

  /** Puts another sparse index in the place of a sealed segment's. */
  async replaceIndex(name: number, encoded: Uint8Array): Promise<void> {
    await this.writeWhole(`${digits20(name)}.idx`, [encoded]);
    this.options.reader.forget(this.segmentPath(name));
  }

  /** The segment as a reader sees it, up to byte `end`. */
  readable(segment: SegmentInfo, end: number): ReadableSegment {
    const path = this.segmentPath(segment.name);
    const { groupId } = this.options.spec;
    return { path, indexPath: indexPathOf(path), groupId, firstIndex: segment.previousIndex + 1, end };
  }

  /**
   * Writes frames at `position` of a segment, its header before them when it is new, and syncs. When it resolves the frames
   * are durable there. Returns the position after them.
   */
  async appendFrames(segment: SegmentInfo, position: number, frames: readonly Frame[]): Promise<number> {
    const { disk, random, spec, reader } = this.options;
    const path = this.segmentPath(segment.name);
    const isNew = position === 0;
    const start = isNew ? SEGMENT_HEADER_BYTES : position;
    const buffers = joinFrames(frames);
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    if (isNew) buffers.unshift(encodeSegmentHeader(spec, segment, random.bytes(16)));
    assert(start + bytes <= segment.bytes, "a segment takes no more than was planned");
    const file = await disk.open(path, "create");
    try {
      if (isNew) {
        reader.forget(path);
        await file.truncate(0);
      }
      await file.write(buffers, position);
      await file.sync();
    } finally {
      await file.close();
    }
    if (isNew) await disk.syncDir(this.dir);
    this.written += bytes;
    await this.noteIndex(this.readable(segment, start + bytes), frames, start);
    return start + bytes;
  }

  /** The index is a hint, so it is written seldom and never synced: a lost end of it costs a walk of that much. */
  private async noteIndex(segment: ReadableSegment, frames: readonly Frame[], position: number): Promise<void> {
    if (this.unwritten.path !== segment.indexPath) {
      await this.writeIndex();
      this.unwritten = { path: segment.indexPath, entries: [] };
    }
    this.unwritten.entries.push(...this.options.reader.noteDrained(segment, frames, position));
    if (this.unwritten.entries.length >= INDEX_ENTRIES_AT_ONCE) await this.writeIndex();
  }

  private async writeIndex(): Promise<void> {
    const { path, entries } = this.unwritten;
    const added = entries.splice(0);
    if (added.length === 0) return;
    const file = await this.options.disk.open(path, "create");
    try {
      if (added[0]?.position === SEGMENT_HEADER_BYTES) await file.truncate(0);
      const whole = Math.floor((await file.size()) / INDEX_ENTRY_BYTES) * INDEX_ENTRY_BYTES;
      await file.write([encodeIndexEntries(added)], whole);
    } finally {
      await file.close();
    }
  }

  /** Durable when it resolves. */
  writeCheckpoint(index: RaftIndex, encoded: Uint8Array): Promise<void> {
    return this.writeWhole(`${digits20(index)}.checkpoint`, [encoded]);
  }

  /** A checkpoint that counts only once the WAL says so (a reset mark). */
  writeReset(index: RaftIndex, encoded: Uint8Array): Promise<void> {
    return this.writeWhole(`${digits20(index)}.reset`, [encoded]);
  }

  readCheckpoint(index: RaftIndex): Promise<Uint8Array> {
    return readFile(this.options.disk, `${this.dir}/${digits20(index)}.checkpoint`);
  }

  /**
   * The reset to `index` is durable: its checkpoint stays, all that was before it goes.
   * @throws VarveError CORRUPT_BATCH: there is no such checkpoint; nothing was removed.
   */
  async finishReset(index: RaftIndex): Promise<void> {
    const { disk } = this.options;
    const names = await disk.list(this.dir);
    const staged = `${digits20(index)}.reset`;
    const checkpoint = `${digits20(index)}.checkpoint`;
    if (names.includes(staged)) {
      await disk.rename(`${this.dir}/${staged}`, `${this.dir}/${checkpoint}`);
      await disk.syncDir(this.dir);
    } else if (!names.includes(checkpoint)) {
      throw corrupt(`${this.dir}/${checkpoint} is missing, after which the WAL says that the log begins`);
    }
    for (const name of names) {
      const parsed = parseLogFileName(name);
      if (parsed.kind === "temporary" || parsed.kind === "other") continue;
      if (parsed.number === index && (parsed.kind === "checkpoint" || parsed.kind === "reset")) continue;
      await this.remove(name);
    }
    await disk.syncDir(this.dir);
  }

  /** Removes one segment with its index; the folder is not synced. */
  async removeSegment(name: number): Promise<void> {
    await this.remove(`${digits20(name)}.log`);
    await this.remove(`${digits20(name)}.idx`);
  }

  /** Removes segments that retention let go of, with their indexes. */
  async removeSegments(segments: readonly SegmentInfo[]): Promise<void> {
    for (const { name } of segments) {
      await this.removeSegment(name);
      // One folder sync per file: a later segment must never be gone while an earlier one is still there.
      await this.options.disk.syncDir(this.dir);
    }
  }

  /** Removes every checkpoint but those at `keep`. */
  async pruneCheckpoints(keep: ReadonlySet<RaftIndex>): Promise<void> {
    for (const name of await this.options.disk.list(this.dir)) {
      const parsed = parseLogFileName(name);
      if (parsed.kind === "checkpoint" && !keep.has(parsed.number)) await this.remove(name);
    }
  }

  /** Makes a quarantine outlive this process, and keeps what only the WAL has. */
  async writeQuarantine(reason: string, details: object, frames: readonly Frame[]): Promise<void> {
    if (frames.length > 0) await this.writeWhole(SALVAGE_FILE, joinFrames(frames));
    await writeQuarantineNote(this.options.disk, this.dir, reason, details);
  }

  /** Why the replica was quarantined, as it was written down. */
  readQuarantine(): Promise<string> {
    return readQuarantine(this.options.disk, this.dir);
  }

  async remove(name: string): Promise<void> {
    const path = `${this.dir}/${name}`;
    this.options.reader.forget(path);
    if (this.unwritten.path === path) this.unwritten = { path: "", entries: [] };
    await this.options.disk.remove(path);
  }

  private writeWhole(name: string, buffers: readonly Uint8Array[]): Promise<void> {
    return writeWholeFile(this.options.disk, this.dir, name, buffers);
  }
}

function indexPathOf(segmentPath: string): string {
  return `${segmentPath.slice(0, -".log".length)}.idx`;
}

/** Writes beside, syncs, renames, syncs the folder: the file is the old one or the new one, whatever happens. */
export async function writeWholeFile(
  disk: Disk,
  dir: string,
  name: string,
  buffers: readonly Uint8Array[],
): Promise<void> {
  const path = `${dir}/${name}`;
  const file = await disk.open(`${path}.tmp`, "create");
  try {
    await file.truncate(0);
    await file.write(buffers, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(`${path}.tmp`, path);
  await disk.syncDir(dir);
}

/** Says in a folder why its replica is quarantined. */
export function writeQuarantineNote(disk: Disk, dir: string, reason: string, details: object): Promise<void> {
  const text = JSON.stringify({ reason, ...details }, null, 2);
  return writeWholeFile(disk, dir, QUARANTINE_FILE, [new TextEncoder().encode(`${text}\n`)]);
}

/** The reason in a folder's quarantine note; a note that cannot be read quarantines as well. */
export async function readQuarantine(disk: Disk, dir: string): Promise<string> {
  const text = new TextDecoder().decode(await readFile(disk, `${dir}/${QUARANTINE_FILE}`));
  try {
    const parsed: unknown = JSON.parse(text);
    return String((parsed as { readonly reason?: unknown }).reason);
  } catch {
    return `its ${QUARANTINE_FILE} cannot be read: ${text.trim().slice(0, 200)}`;
  }
}

/** All of a file. */
export async function readFile(disk: Disk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path, "read");
  try {
    const bytes = new Uint8Array(await file.size());
    return bytes.subarray(0, await file.read(bytes, 0));
  } finally {
    await file.close();
  }
}

/** The frames' bytes in order, small neighbours copied together. */
function joinFrames(frames: readonly Frame[]): Uint8Array[] {
  const buffers: Uint8Array[] = [];
  let small: Uint8Array[] = [];
  let smallBytes = 0;
  const flushSmall = (): void => {
    if (small.length === 0) return;
    const joined = new Uint8Array(smallBytes);
    let at = 0;
    for (const part of small) {
      joined.set(part, at);
      at += part.length;
    }
    buffers.push(joined);
    small = [];
    smallBytes = 0;
  };
  for (const { header, data } of frames) {
    small.push(header);
    smallBytes += FRAME_HEADER_BYTES;
    if (data.length <= COPY_BYTES_MAX) {
      small.push(data);
      smallBytes += data.length;
    } else {
      flushSmall();
      buffers.push(data);
    }
  }
  flushSmall();
  return buffers;
}
