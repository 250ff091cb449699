/**
 * epochs.ts: which term each committed index belongs to, and where each term's records begin.
 *
 * Invariants:
 *   E1  terms and indexes strictly rise, offsets never fall
 *   E2  the term of every index from the log's base up to the applied index is known, however many entries were pruned
 * Source: KIP-101 and KIP-320 for epoch -> end offset.
 */
import { assert, type Offset, type RaftIndex, type Term } from "@varve/base";

/** The first frame of a term. */
export interface EpochStart {
  readonly term: Term;
  readonly index: RaftIndex;
  readonly offset: Offset;
}

export class Epochs {
  private readonly starts: EpochStart[];

  constructor(starts: readonly EpochStart[] = []) {
    this.starts = [...starts];
  }

  /** Notes the term of the next frame in order. */
  add(start: EpochStart): void {
    const last = this.starts[this.starts.length - 1];
    if (last !== undefined) {
      assert(start.term >= last.term, "E1: terms never fall");
      if (start.term === last.term) return;
      assert(start.index > last.index, "E1: indexes rise");
      assert(start.offset >= last.offset, "E1: offsets never fall");
    }
    this.starts.push(start);
  }

  /** The term of a frame at `index` <= the last one added; null when it was pruned. Index 0 has term 0. */
  termAt(index: RaftIndex): Term | null {
    if (index === 0) return 0;
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.starts[middle]?.index ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return this.starts[low - 1]?.term ?? null;
  }

  /** The last epoch <= `epoch` and where it ends; `endOffset` is the end of the newest. Null: all known ones are later. */
  endOf(epoch: Term, endOffset: Offset): { readonly epoch: Term; readonly endOffset: Offset } | null {
    for (let at = this.starts.length - 1; at >= 0; at--) {
      const start = this.starts[at];
      if (start !== undefined && start.term <= epoch) {
        return { epoch: start.term, endOffset: this.starts[at + 1]?.offset ?? endOffset };
      }
    }
    return null;
  }

  /** Forgets the terms that ended at or before `index`; the term of `index` itself stays known (E2). */
  pruneBelow(index: RaftIndex): void {
    let keep = 0;
    while ((this.starts[keep + 1]?.index ?? Number.POSITIVE_INFINITY) <= index) keep++;
    this.starts.splice(0, keep);
  }

  list(): readonly EpochStart[] {
    return this.starts;
  }
}
