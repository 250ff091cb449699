/**
 * sparse-index.ts: where, roughly, a frame of a segment lies. A hint: what it says is checked against the frame it points to.
 */
import type { Frame } from "../api.js";
import { INDEX_STEP_BYTES, type IndexEntry } from "./segment-format.js";

/** What is looked for in a segment: the first frame that reaches it. */
export type SegmentKey =
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "offset"; readonly offset: number }
  | { readonly kind: "time"; readonly timeMs: number };

/** Whether a frame is at or after the key: it has that index, holds or follows that offset, is a batch of that time or later. */
export function reaches(frame: Frame, key: SegmentKey): boolean {
  switch (key.kind) {
    case "index":
      return frame.index >= key.index;
    case "offset":
      return frame.baseOffset + frame.offsetSpan > key.offset;
    case "time":
      return frame.offsetSpan > 0 && frame.appendTimeMs >= key.timeMs;
  }
}

export class SparseIndex {
  private entries: IndexEntry[];

  constructor(entries: readonly IndexEntry[]) {
    this.entries = [...entries];
  }

  get length(): number {
    return this.entries.length;
  }

  /** The last entry that lies before the key for certain; null: begin at the segment's first frame. */
  floor(key: SegmentKey): IndexEntry | null {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.entries[middle];
      if (entry !== undefined && isBefore(entry, key)) low = middle + 1;
      else high = middle;
    }
    return this.entries[low - 1] ?? null;
  }

  /** Adds the frame at `position` when it is far enough behind the last entry; returns the new entry or null. */
  offer(frame: Frame, position: number): IndexEntry | null {
    const last = this.entries[this.entries.length - 1];
    if (last !== undefined && position - last.position < INDEX_STEP_BYTES) return null;
    const entry = { index: frame.index, baseOffset: frame.baseOffset, appendTimeMs: frame.appendTimeMs, position };
    this.entries.push(entry);
    return entry;
  }

  clear(): void {
    this.entries = [];
  }

  list(): readonly IndexEntry[] {
    return this.entries;
  }
}

function isBefore(entry: IndexEntry, key: SegmentKey): boolean {
  switch (key.kind) {
    case "index":
      return entry.index <= key.index;
    case "offset":
      return entry.baseOffset <= key.offset;
    case "time":
      return entry.appendTimeMs < key.timeMs;
  }
}
