/**
 * unstable.ts: the end of the log that is not yet known to be durable, and a snapshot on its way to the disk.
 *
 * Invariants:
 *   U1  entries are dense: entries[i] has index offset + i
 *   U2  entries below `offsetInProgress` have been handed to the writer; offset <= offsetInProgress <= offset + length
 *   U3  an acknowledged write releases entries only if the log still holds that very entry (index and term): entries
 *       that were replaced while they were being written are not mistaken for their replacements
 *   U4  while a snapshot is here, entries continue it: offset = snapshot index + 1
 * Source: Raft thesis section 10.2.1 (writing in parallel); the term check is what rules out the A-B-A case.
 */
import { assert, assertDefined } from "../assert.js";
import type { Entry, Snapshot } from "../types.js";

export class Unstable {
  private entries: Entry[] = [];
  private snapshotInProgress = false;
  private offsetInProgress: number;
  /** The snapshot that replaces the stable log, until it is durable. */
  snapshot: Snapshot | null = null;

  /** @param offset index of the first entry that is not in the stable log. */
  constructor(public offset: number) {
    assert(offset >= 1, "indexes start at 1");
    this.offsetInProgress = offset;
  }

  /** Index after the last entry. */
  get end(): number {
    return this.offset + this.entries.length;
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /** The last index, if anything is unstable. */
  lastIndex(): number | null {
    if (this.entries.length > 0) return this.end - 1;
    return this.snapshot === null ? null : this.snapshot.metadata.index;
  }

  /** The term at `index`, if it is known here. */
  term(index: number): number | null {
    if (index >= this.offset) {
      const entry = this.entries[index - this.offset];
      return entry === undefined ? null : entry.term;
    }
    const snapshot = this.snapshot;
    return snapshot !== null && snapshot.metadata.index === index ? snapshot.metadata.term : null;
  }

  /** A copy of the entries `lo .. hi - 1`. */
  slice(lo: number, hi: number): Entry[] {
    assert(this.offset <= lo && lo <= hi && hi <= this.end, "an unstable slice lies within the unstable log");
    return this.entries.slice(lo - this.offset, hi - this.offset);
  }

  hasNextEntries(): boolean {
    return this.offsetInProgress < this.end;
  }

  /** Whether something waits for the writer or for its answer. */
  hasNextOrInProgressEntries(): boolean {
    return this.entries.length > 0;
  }

  /** Entries that the writer has not been given yet. */
  nextEntries(): readonly Entry[] {
    assert(this.offset <= this.offsetInProgress && this.offsetInProgress <= this.end, "U2");
    return this.entries.slice(this.offsetInProgress - this.offset);
  }

  /** The snapshot, if the writer has not been given it yet. */
  nextSnapshot(): Snapshot | null {
    return this.snapshotInProgress ? null : this.snapshot;
  }

  /** The writer has been given all there is. */
  acceptInProgress(): void {
    this.offsetInProgress = this.end;
    if (this.snapshot !== null) this.snapshotInProgress = true;
  }

  /** The writer made the entry (index, term) and all before it durable. False: it is no longer in this log (U3). */
  stableTo(index: number, term: number): boolean {
    if (index < this.offset || this.term(index) !== term) return false;
    this.entries = this.entries.slice(index + 1 - this.offset);
    this.offset = index + 1;
    this.offsetInProgress = Math.max(this.offsetInProgress, this.offset);
    assert(this.offsetInProgress <= this.end, "U2");
    return true;
  }

  /** The writer made the snapshot at `index` durable. */
  stableSnapshotTo(index: number): void {
    if (this.snapshot === null || this.snapshot.metadata.index !== index) return;
    this.snapshot = null;
    this.snapshotInProgress = false;
  }

  /** Everything up to here is replaced by `snapshot`. */
  restore(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    this.snapshotInProgress = false;
    this.entries = [];
    this.offset = snapshot.metadata.index + 1;
    this.offsetInProgress = this.offset;
  }

  /** Appends `added`, after cutting off all entries from its first index on. */
  truncateAndAppend(added: readonly Entry[]): void {
    const first = assertDefined(added[0], "something is appended").index;
    assert(first <= this.end, "U1: an append leaves no gap");
    if (first === this.end) {
      for (const entry of added) this.entries.push(entry);
    } else if (first <= this.offset) {
      assert(this.snapshot === null || first === this.offset, "U4");
      this.entries = [...added];
      this.offset = first;
      this.offsetInProgress = first;
    } else {
      this.entries = [...this.entries.slice(0, first - this.offset), ...added];
      this.offsetInProgress = Math.min(this.offsetInProgress, first);
    }
    assert(this.entries[this.entries.length - 1]?.index === this.end - 1, "U1: entries are dense");
  }
}
