/**
 * segment.ts: one segment file: committed frames one after another, never cut above its durable end, and a sparse index in memory.
 *
 * File: a header of 4 KiB (magic u32, version u32, topic id 36 bytes text, partition u32, first index u64, base offset u64, previous term u32,
 * header CRC u32), then frames. The index is a hint: made while appending or scanning, bounded to one entry per 16 KiB.
 */
import { assert, type Codec, type Disk, type DiskFile, type Offset, type RaftIndex, VarveError } from "@varve/base";
import { crc32c } from "@varve/records";
import type { Frame, GroupSpec } from "../api.js";
import { digits20, readU64, writeU64 } from "../bytes.js";
import { FRAME_HEADER_BYTES, frameBytes, payloadProblem, readFrame } from "../frame.js";

export const SEGMENT_HEADER_BYTES = 4096;
const MAGIC = 0x31535456;
const VERSION = 1;
const CRC_AT = 128;
const INDEX_EVERY_BYTES = 16 * 1024;
const SCAN_BYTES = 1024 * 1024;

interface IndexEntry {
  readonly index: RaftIndex;
  readonly offset: Offset;
  readonly timeMs: number;
  readonly position: number;
}

export class Segment {
  readonly path: string;
  readonly baseOffset: Offset;
  readonly firstIndex: RaftIndex;
  lastIndex: RaftIndex;
  endOffset: Offset;
  lastTimeMs = 0;
  /** Bytes written; the durable ones are the mark's. */
  bytes: number;
  private entries: IndexEntry[] | null = [];
  private readonly file: DiskFile;

  private constructor(path: string, file: DiskFile, baseOffset: Offset, firstIndex: RaftIndex) {
    this.path = path;
    this.file = file;
    this.baseOffset = baseOffset;
    this.firstIndex = firstIndex;
    this.lastIndex = firstIndex - 1;
    this.endOffset = baseOffset;
    this.bytes = SEGMENT_HEADER_BYTES;
  }

  static fileName(baseOffset: Offset, firstIndex: RaftIndex): string {
    return `${digits20(baseOffset)}-${digits20(firstIndex)}.log`;
  }

  /** Makes an empty segment; its name is durable when `dir` was synced. */
  static async create(
    disk: Disk,
    dir: string,
    spec: GroupSpec,
    at: { index: RaftIndex; offset: Offset; previousTerm: number },
  ): Promise<Segment> {
    const path = `${dir}/${Segment.fileName(at.offset, at.index)}`;
    const file = await disk.open(path, "create");
    await file.truncate(0);
    const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
    header.writeUInt32LE(MAGIC, 0);
    header.writeUInt32LE(VERSION, 4);
    header.write(spec.topicId, 8, 36, "latin1");
    header.writeUInt32LE(spec.partition, 44);
    writeU64(header, at.index, 48);
    writeU64(header, at.offset, 56);
    header.writeUInt32LE(at.previousTerm, 64);
    header.writeUInt32LE(crc32c(header.subarray(0, CRC_AT)), CRC_AT);
    await file.write([header], 0);
    return new Segment(path, file, at.offset, at.index);
  }

  /** Opens a segment that is there. `last`: knows from its successor where a sealed one ends, so nothing of it is read. */
  static async open(
    disk: Disk,
    path: string,
    spec: GroupSpec,
    sealed: { lastIndex: RaftIndex; endOffset: Offset } | null,
  ): Promise<Segment | string> {
    const file = await disk.open(path, "readwrite");
    const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
    if ((await file.read(header, 0)) < SEGMENT_HEADER_BYTES) return `${path}: the segment header is cut`;
    if (header.readUInt32LE(0) !== MAGIC || header.readUInt32LE(CRC_AT) !== crc32c(header.subarray(0, CRC_AT)))
      return `${path}: the segment header is damaged`;
    if (header.toString("latin1", 8, 44) !== spec.topicId || header.readUInt32LE(44) !== spec.partition)
      return `${path}: this segment belongs to another partition`;
    const segment = new Segment(path, file, readU64(header, 56), readU64(header, 48));
    if (sealed !== null) {
      segment.lastIndex = sealed.lastIndex;
      segment.endOffset = sealed.endOffset;
      segment.entries = null;
      segment.bytes = await file.size();
      segment.lastTimeMs = await segment.timeOfLast();
    }
    return segment;
  }

  /** Reads frame headers up to `endPosition` and cuts what lies above; why it cannot, or null. */
  async recover(endPosition: number): Promise<string | null> {
    const size = await this.file.size();
    if (size < endPosition) return `${this.path}: has ${size} bytes, ${endPosition} were synced`;
    const problem = await this.scan(endPosition);
    if (problem !== null) return problem;
    if (size > endPosition) await this.file.truncate(endPosition);
    this.bytes = endPosition;
    return null;
  }

  /** Appends frames with one write; they are durable after `sync`. */
  async append(frames: readonly Frame[]): Promise<void> {
    const buffers: Uint8Array[] = [];
    let position = this.bytes;
    for (const frame of frames) {
      assert(frame.index === this.lastIndex + 1, "a segment is dense");
      buffers.push(frame.header, frame.data);
      this.note(frame, position);
      position += frameBytes(frame);
    }
    const start = this.bytes;
    this.bytes = position;
    await this.file.write(buffers, start);
  }

  sync(): Promise<void> {
    return this.file.sync();
  }

  close(): Promise<void> {
    return this.file.close();
  }

  /** Frames from the one that holds `offset` on, whole ones within `bytesMax` and at least one; payloads checked. */
  async readFrom(
    key: { readonly offset: Offset } | { readonly index: RaftIndex },
    bytesMax: number,
    codec: Codec,
  ): Promise<Frame[]> {
    const isBefore = (entry: IndexEntry): boolean =>
      "offset" in key ? entry.offset <= key.offset : entry.index <= key.index;
    const wanted = (frame: Frame): boolean =>
      "offset" in key ? frame.baseOffset + frame.offsetSpan > key.offset : frame.index >= key.index;
    let position = (await this.index()).findLast(isBefore)?.position ?? SEGMENT_HEADER_BYTES;
    const frames: Frame[] = [];
    let bytes = 0;
    while (position < this.bytes && bytes < bytesMax) {
      const run = await this.readRun(position, Math.max(bytesMax - bytes + INDEX_EVERY_BYTES, SCAN_BYTES / 4));
      for (const frame of run) {
        position += frameBytes(frame);
        if (!wanted(frame)) continue;
        const problem = payloadProblem(frame, (data) => codec.crc32c(data));
        if (problem !== null) throw this.damaged(problem, position);
        if (frames.length > 0 && bytes + frameBytes(frame) > bytesMax) return frames;
        frames.push(frame);
        bytes += frameBytes(frame);
      }
    }
    return frames;
  }

  /** Offset of the first record whose frame was appended at or after `timeMs`; null when all are older. */
  async offsetForTime(timeMs: number): Promise<Offset | null> {
    let position = (await this.index()).findLast((entry) => entry.timeMs < timeMs)?.position ?? SEGMENT_HEADER_BYTES;
    while (position < this.bytes) {
      for (const frame of await this.readRun(position, SCAN_BYTES / 4)) {
        if (frame.appendTimeMs >= timeMs && frame.offsetSpan > 0) return frame.baseOffset;
        position += frameBytes(frame);
      }
    }
    return null;
  }

  /** Whole frames from `position` on, read at once; at least one. */
  private async readRun(position: number, bytes: number): Promise<Frame[]> {
    let size = Math.min(bytes, this.bytes - position);
    for (;;) {
      const buffer = Buffer.allocUnsafe(size);
      const read = await this.file.read(buffer, position);
      const frames: Frame[] = [];
      let at = 0;
      let problem = "the segment is cut";
      while (at < read) {
        const frame = readFrame(buffer.subarray(0, read), at);
        if (typeof frame === "string") {
          problem = frame;
          break;
        }
        frames.push(frame);
        at += frameBytes(frame);
      }
      if (frames.length > 0) return frames;
      const wanted = read >= FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES + buffer.readUInt32LE(56) : 0;
      if (wanted <= size || position + wanted > this.bytes) throw this.damaged(problem, position);
      size = wanted;
    }
  }

  private async index(): Promise<readonly IndexEntry[]> {
    if (this.entries === null) {
      this.entries = [];
      const { lastIndex, endOffset, lastTimeMs } = this;
      const problem = await this.scan(this.bytes);
      if (problem !== null) throw this.damaged(problem, 0);
      this.lastIndex = lastIndex;
      this.endOffset = endOffset;
      this.lastTimeMs = lastTimeMs;
    }
    return this.entries;
  }

  private async scan(endPosition: number): Promise<string | null> {
    let position = SEGMENT_HEADER_BYTES;
    this.entries = [];
    this.lastIndex = this.firstIndex - 1;
    this.bytes = endPosition;
    try {
      while (position < endPosition) {
        for (const frame of await this.readRun(position, SCAN_BYTES)) {
          if (frame.index !== this.lastIndex + 1)
            return `${this.path} at ${position}: index ${frame.index} after ${this.lastIndex}`;
          this.note(frame, position);
          position += frameBytes(frame);
        }
      }
      return position === endPosition ? null : `${this.path}: ends inside a frame`;
    } catch (error) {
      return error instanceof VarveError ? error.message : String(error);
    }
  }

  private note(frame: Frame, position: number): void {
    const entries = this.entries;
    const last = entries?.[entries.length - 1];
    if (entries !== null && (last === undefined || position - last.position >= INDEX_EVERY_BYTES)) {
      entries.push({ index: frame.index, offset: frame.baseOffset, timeMs: frame.appendTimeMs, position });
    }
    this.lastIndex = frame.index;
    this.endOffset = frame.baseOffset + frame.offsetSpan;
    this.lastTimeMs = frame.appendTimeMs;
  }

  /** A sealed segment's newest append time, from its file's end only when it is asked for; its first frame's until then. */
  private async timeOfLast(): Promise<number> {
    const [first] = await this.readRun(SEGMENT_HEADER_BYTES, FRAME_HEADER_BYTES).catch(() => []);
    return first?.appendTimeMs ?? 0;
  }

  private damaged(why: string, position: number): VarveError {
    return new VarveError("REPLICA_QUARANTINED", {
      message: `${this.path} is damaged before byte ${position}: ${why}; this replica stops serving, the others go on`,
      effect: "NONE",
    });
  }
}

/** Base offset and first index from a segment's file name; null for other files. */
export function parseSegmentName(name: string): { readonly baseOffset: Offset; readonly firstIndex: RaftIndex } | null {
  const match = /^(\d{20})-(\d{20})\.log$/.exec(name);
  return match === null ? null : { baseOffset: Number(match[1]), firstIndex: Number(match[2]) };
}
