/**
 * tail-cache.ts: bounds the memory of drained frames that are kept for readers and lagging followers.
 *
 * Invariants:
 *   K1  the drained frames in memory of all logs together stay below the bound, plus one drained run
 *   K2  what was drained first leaves first
 */
import { assert, type RaftIndex } from "@varve/base";
import type { Frame } from "../api.js";

/** A log whose drained frames may leave memory. */
export interface Evictable {
  evictThrough(index: RaftIndex): void;
}

interface Chunk {
  readonly owner: Evictable;
  readonly lastIndex: RaftIndex;
  readonly bytes: number;
}

export class TailCache {
  private readonly bytesMax: number;
  private readonly chunks: Chunk[] = [];
  private used = 0;

  constructor(bytesMax: number) {
    assert(bytesMax >= 0, "a bound is not negative");
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.used;
  }

  /** The frames up to `lastIndex`, `bytes` of them new, are drained. */
  add(owner: Evictable, lastIndex: RaftIndex, bytes: number): void {
    this.chunks.push({ owner, lastIndex, bytes });
    this.used += bytes;
    while (this.used > this.bytesMax) {
      const oldest = this.chunks.shift();
      if (oldest === undefined) return;
      this.used -= oldest.bytes;
      oldest.owner.evictThrough(oldest.lastIndex);
    }
  }

  /** The log's frames left memory another way. */
  drop(owner: Evictable): void {
    for (let at = this.chunks.length - 1; at >= 0; at--) {
      const chunk = this.chunks[at];
      if (chunk?.owner !== owner) continue;
      this.used -= chunk.bytes;
      this.chunks.splice(at, 1);
    }
  }
}

/** A run of old frames that was read for a lagging follower. */
interface LoadedRun {
  readonly owner: object;
  readonly first: RaftIndex;
  readonly frames: readonly Frame[];
  readonly bytes: number;
}

const LOADED_BYTES_MAX = 32 * 1024 * 1024;
const LOADED_RUNS_MAX = 64;

/** Runs read from segments for Raft, bounded over all logs; the oldest goes first. */
export class LoadedRuns {
  private readonly runs: LoadedRun[] = [];
  private used = 0;

  add(owner: object, frames: readonly Frame[]): void {
    const first = frames[0];
    if (first === undefined) return;
    const bytes = frames.reduce((sum, frame) => sum + frame.data.length, 0);
    this.runs.push({ owner, first: first.index, frames, bytes });
    this.used += bytes;
    while (this.runs.length > 1 && (this.used > LOADED_BYTES_MAX || this.runs.length > LOADED_RUNS_MAX)) {
      this.used -= this.runs.shift()?.bytes ?? 0;
    }
  }

  /** The run of that log which holds the index, newest first. */
  find(owner: object, index: RaftIndex): { readonly first: RaftIndex; readonly frames: readonly Frame[] } | null {
    const run = this.runs.findLast((candidate) => {
      return candidate.owner === owner && index >= candidate.first && index < candidate.first + candidate.frames.length;
    });
    return run ?? null;
  }

  drop(owner: object): void {
    for (let at = this.runs.length - 1; at >= 0; at--) {
      const run = this.runs[at];
      if (run?.owner !== owner) continue;
      this.used -= run.bytes;
      this.runs.splice(at, 1);
    }
  }
}
