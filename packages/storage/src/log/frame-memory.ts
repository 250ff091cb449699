/**
 * frame-memory.ts: the frames of one log that are in memory, dense, and in which WAL file each of them lies.
 *
 * Invariants:
 *   M1  frames are dense from `firstIndex` on
 *   M2  a frame holds one reference to the WAL file it was last written to, from then until it is drained or replaced
 */
import { assert, type RaftIndex } from "@varve/base";
import type { Frame } from "../api.js";

/** Not in the WAL yet, or needed there no more. */
const NO_FILE = 0;

/** Counts who needs a WAL file; see wal-files.ts. */
export interface FileReferences {
  retain(file: number): void;
  release(file: number): void;
}

export class FrameMemory {
  private readonly references: FileReferences;
  private frames: Frame[] = [];
  private files: number[] = [];
  private first: RaftIndex;

  constructor(firstIndex: RaftIndex, references: FileReferences) {
    this.first = firstIndex;
    this.references = references;
  }

  get firstIndex(): RaftIndex {
    return this.first;
  }

  get lastIndex(): RaftIndex {
    return this.first + this.frames.length - 1;
  }

  get(index: RaftIndex): Frame | undefined {
    return this.frames[index - this.first];
  }

  last(): Frame | undefined {
    return this.frames[this.frames.length - 1];
  }

  push(frame: Frame): void {
    assert(frame.index === this.lastIndex + 1, "M1: frames are dense");
    this.frames.push(frame);
    this.files.push(NO_FILE);
  }

  /** Takes out the frames from `index` on. Their references go to the caller: they end when what replaces them is placed. */
  truncateFrom(index: RaftIndex): { readonly frames: readonly Frame[]; readonly files: readonly number[] } {
    assert(index >= this.first, "frames that left memory are never replaced");
    const at = index - this.first;
    return { frames: this.frames.splice(at), files: this.files.splice(at).filter((file) => file !== NO_FILE) };
  }

  /** The frame has its place in a WAL file. Ignored for a frame that was replaced before it got there. */
  place(frame: Frame, file: number): void {
    const at = frame.index - this.first;
    if (this.frames[at] !== frame) return;
    this.references.retain(file);
    this.unplace(at);
    this.files[at] = file;
  }

  /** The WAL is needed no more for the frames `first` .. `last` (M2). */
  release(first: RaftIndex, last: RaftIndex): void {
    const end = Math.min(last - this.first, this.frames.length - 1);
    for (let at = Math.max(0, first - this.first); at <= end; at++) this.unplace(at);
  }

  private unplace(at: number): void {
    const file = this.files[at] ?? NO_FILE;
    if (file !== NO_FILE) this.references.release(file);
    this.files[at] = NO_FILE;
  }

  /** Forgets the frames up to `index`, which are drained. */
  evictThrough(index: RaftIndex): void {
    const count = Math.min(index - this.first + 1, this.frames.length);
    if (count <= 0) return;
    this.frames.splice(0, count);
    const files = this.files.splice(0, count);
    assert(
      files.every((file) => file === NO_FILE),
      "only drained frames leave memory",
    );
    this.first += count;
  }

  /** Frames from `firstIndex` on that lie in the WAL file `file` or an older one and are needed there. */
  framesIn(file: number, firstIndex: RaftIndex): Frame[] {
    return this.frames.filter((frame, at) => {
      const own = this.files[at] ?? NO_FILE;
      return frame.index >= firstIndex && own !== NO_FILE && own <= file;
    });
  }

  /** Frames `lo` .. `hi` - 1 as far as `bytesMax` payload bytes go, at least one. */
  slice(lo: RaftIndex, hi: RaftIndex, bytesMax: number): Frame[] {
    return withinBytes(this.frames, lo - this.first, Math.min(hi - this.first, this.frames.length), bytesMax);
  }

  /** Index of the first frame up to `last` for which `holds`, which is false for a prefix and then true; `last` + 1: none. */
  firstWhere(last: RaftIndex, holds: (frame: Frame) => boolean): RaftIndex {
    let low = 0;
    let high = Math.min(last - this.first + 1, this.frames.length);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const frame = this.frames[middle];
      if (frame !== undefined && !holds(frame)) low = middle + 1;
      else high = middle;
    }
    return this.first + low;
  }
}

/** Items `start` .. `end` - 1 as far as `bytesMax` payload bytes go, at least one. */
export function withinBytes(frames: readonly Frame[], start: number, end: number, bytesMax: number): Frame[] {
  let bytes = 0;
  let stop = start;
  while (stop < end) {
    bytes += frames[stop]?.data.length ?? 0;
    if (stop > start && bytes > bytesMax) break;
    stop++;
  }
  return frames.slice(start, stop);
}
