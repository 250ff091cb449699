/**
 * log.ts: the whole log as the core sees it: the stable part in storage, then the unstable part.
 *
 * Invariants:
 *   L1  applied <= applying <= committed <= lastIndex, and none of them goes back
 *   L2  entries at or below `committed` are never replaced
 *   L3  entries are given out for application once, in order; with asynchronous writes only those that are durable
 *   L4  given out and not yet applied: at most `applyingBytesMax` bytes, or one entry
 * Source: Raft paper figures 2 and 3, section 5.3.
 */
import { assert, assertDefined } from "../assert.js";
import type { Entry, RaftStorage, Snapshot } from "../types.js";
import { type EntrySize, fittingCount, totalSize } from "./entry-size.js";
import { Unstable } from "./unstable.js";

export class RaftLog {
  readonly unstable: Unstable;
  committed: number;
  applied: number;
  private applying: number;
  private applyingBytes = 0;
  private applyingPaused = false;
  /** The host is loading the next committed entries. */
  private loadingCommitted = false;

  constructor(
    private readonly storage: RaftStorage,
    private readonly applyingBytesMax: number,
    private readonly sizeOf: EntrySize,
  ) {
    const first = storage.firstIndex();
    const last = storage.lastIndex();
    assert(first >= 1 && last >= first - 1, "storage has a valid range");
    this.unstable = new Unstable(last + 1);
    this.committed = first - 1;
    this.applying = first - 1;
    this.applied = first - 1;
  }

  firstIndex(): number {
    const snapshot = this.unstable.snapshot;
    return snapshot === null ? this.storage.firstIndex() : snapshot.metadata.index + 1;
  }

  lastIndex(): number {
    return this.unstable.lastIndex() ?? this.storage.lastIndex();
  }

  lastTerm(): number {
    const term = this.term(this.lastIndex());
    assert(typeof term === "number", "the term of the last entry is known");
    return term;
  }

  /** The term at `index`, known from `firstIndex() - 1` to `lastIndex()`. */
  term(index: number): number | "compacted" | "unavailable" {
    const term = this.unstable.term(index);
    if (term !== null) return term;
    if (index + 1 < this.firstIndex()) return "compacted";
    if (index > this.lastIndex()) return "unavailable";
    return this.storage.term(index);
  }

  /** Whether the entry at `index` is here and has `term` (log matching, paper section 5.3). */
  matches(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  /** Whether a log that ends in (index, term) is at least as complete as this one (paper section 5.4.1). */
  isUpToDate(index: number, term: number): boolean {
    const lastTerm = this.lastTerm();
    return term > lastTerm || (term === lastTerm && index >= this.lastIndex());
  }

  /** Entries from `lo` to the end, cut at `bytesMax`. */
  entriesFrom(lo: number, bytesMax: number): readonly Entry[] | "compacted" | "pending" {
    return lo > this.lastIndex() ? [] : this.slice(lo, this.lastIndex() + 1, bytesMax);
  }

  /** Entries `lo .. hi - 1`, cut at `bytesMax` but not empty. */
  slice(lo: number, hi: number, bytesMax: number): readonly Entry[] | "compacted" | "pending" {
    assert(lo < hi && hi <= this.lastIndex() + 1, "a slice lies within the log");
    if (lo < this.firstIndex()) return "compacted";
    const offset = this.unstable.offset;
    if (lo >= offset) return this.cut(this.unstable.slice(lo, hi), bytesMax);
    const stableEnd = Math.min(hi, offset);
    const stable = this.storage.entries(lo, stableEnd, bytesMax);
    if (stable === "compacted" || stable === "pending") return stable;
    assert(stable !== "unavailable", "entries up to the last index of storage are there");
    assert(stable[0]?.index === lo, "storage gives at least the first entry that was asked for");
    if (hi <= offset || stable.length < stableEnd - lo) return stable;
    const bytes = totalSize(stable, this.sizeOf);
    if (bytes >= bytesMax) return stable;
    const rest = this.cut(this.unstable.slice(offset, hi), bytesMax - bytes);
    // A lone entry is let through by `cut` whatever its size; behind others it must fit.
    if (rest.length === 1 && bytes + totalSize(rest, this.sizeOf) > bytesMax) return stable;
    return [...stable, ...rest];
  }

  /** Appends to the own log, replacing what is from the first index of `entries` on. */
  append(entries: readonly Entry[]): void {
    const first = assertDefined(entries[0], "something is appended").index;
    assert(first > this.committed, "L2: committed entries are never replaced");
    this.unstable.truncateAndAppend(entries);
  }

  /**
   * Appends what a leader sent after its entry (prevIndex, prevTerm).
   * @returns the last index known to be the leader's, or null if the logs do not match at `prevIndex`.
   */
  maybeAppend(prevIndex: number, prevTerm: number, entries: readonly Entry[], commit: number): number | null {
    if (!this.matches(prevIndex, prevTerm)) return null;
    assert(entries.length === 0 || entries[0]?.index === prevIndex + 1, "entries continue the one before them");
    const last = prevIndex + entries.length;
    const conflict = this.firstNew(entries);
    if (conflict < entries.length) this.append(conflict === 0 ? entries : entries.slice(conflict));
    this.commitTo(Math.min(commit, last));
    return last;
  }

  /** Position in `entries` of the first one that is not in the log with that term; their count if all are. */
  private firstNew(entries: readonly Entry[]): number {
    const first = entries[0]?.index ?? 0;
    for (let at = 0; at < entries.length; at++) {
      const entry = assertDefined(entries[at], "within bounds");
      assert(entry.index === first + at, "entries of a message are dense");
      if (!this.matches(entry.index, entry.term)) return at;
    }
    return entries.length;
  }

  /**
   * The highest index at or below `index` whose term is at most `term`: above it the logs cannot agree with one that
   * has `term` at `index`. Where terms are no longer known, that index with term 0.
   */
  findConflictByTerm(index: number, term: number): { readonly index: number; readonly term: number } {
    for (let at = index; at > 0; at--) {
      const own = this.term(at);
      if (typeof own !== "number") return { index: at, term: 0 };
      if (own <= term) return { index: at, term: own };
    }
    return { index: 0, term: 0 };
  }

  commitTo(index: number): void {
    if (index <= this.committed) return;
    assert(index <= this.lastIndex(), "L1: a leader commits here only what it knows to be here; is the log damaged?");
    this.committed = index;
  }

  /** Entries to apply next; null while the limit is reached, a snapshot is on its way, or the host loads them. */
  nextCommitted(allowUnstable: boolean): readonly Entry[] | null {
    if (!this.hasNextCommitted(allowUnstable)) return null;
    const room = this.applyingBytesMax - this.applyingBytes;
    assert(room > 0, "L4: a full page pauses");
    const entries = this.slice(this.applying + 1, this.lastAppliable(allowUnstable) + 1, room);
    assert(entries !== "compacted", "entries are compacted only after they were applied");
    if (entries === "pending") {
      this.loadingCommitted = true;
      return null;
    }
    return entries;
  }

  hasNextCommitted(allowUnstable: boolean): boolean {
    if (this.applyingPaused || this.loadingCommitted || this.unstable.snapshot !== null) return false;
    return this.applying < this.lastAppliable(allowUnstable);
  }

  /** Asks storage again for committed entries that it was loading. */
  retryCommitted(): void {
    this.loadingCommitted = false;
  }

  /** `entries` have been given out. */
  acceptApplying(entries: readonly Entry[], allowUnstable: boolean): void {
    const last = assertDefined(entries[entries.length - 1], "something is applied").index;
    assert(this.applying < last && last <= this.committed, "L1 and L3");
    this.applying = last;
    this.applyingBytes += totalSize(entries, this.sizeOf);
    // Stopping short of what could have been given out means that the limit cut the page.
    this.applyingPaused = this.applyingBytes >= this.applyingBytesMax || last < this.lastAppliable(allowUnstable);
  }

  /** The state machine has applied everything up to `index`; `bytes` of what was given out. */
  appliedTo(index: number, bytes: number): void {
    assert(this.applied <= index && index <= this.committed, "L1: applied neither goes back nor passes committed");
    this.applied = index;
    this.applying = Math.max(this.applying, index);
    this.applyingBytes = Math.max(0, this.applyingBytes - bytes);
    this.applyingPaused = this.applyingBytes >= this.applyingBytesMax;
  }

  bytesOf(entries: readonly Entry[]): number {
    return totalSize(entries, this.sizeOf);
  }

  /** The log is replaced by `snapshot`. */
  restore(snapshot: Snapshot): void {
    assert(snapshot.metadata.index > this.committed, "L2: a snapshot never takes committed entries back");
    this.committed = snapshot.metadata.index;
    this.unstable.restore(snapshot);
  }

  /** A snapshot for a follower that needs entries which are gone. */
  snapshot(): Snapshot | "pending" {
    return this.unstable.snapshot ?? this.storage.snapshot();
  }

  private lastAppliable(allowUnstable: boolean): number {
    return allowUnstable ? this.committed : Math.min(this.committed, this.unstable.offset - 1);
  }

  private cut(entries: readonly Entry[], bytesMax: number): readonly Entry[] {
    const count = fittingCount(entries, bytesMax, this.sizeOf);
    return count === entries.length ? entries : entries.slice(0, count);
  }
}
