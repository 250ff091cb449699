/**
 * memory-storage.ts: a stable log in memory, as simple as it can be. It cuts pages by the default size of an entry, so it is
 * not for nodes with an `entrySize` of their own, nor does it ever answer "pending" to a request for entries.
 *
 * Invariants:
 *   MS1  entries are dense and follow the snapshot
 *   MS2  what was handed out is never changed
 */
import { assert } from "../assert.js";
import { EMPTY_CONFIGURATION } from "../core/configuration.js";
import { encodedEntryBytes, fittingCount } from "../core/entry-size.js";
import type { ConfState, Entry, HardState, RaftStorage, Snapshot } from "../types.js";

const NO_STATE: HardState = { term: 0, vote: 0, commit: 0 };
const NO_SNAPSHOT: Snapshot = {
  metadata: { index: 0, term: 0, confState: EMPTY_CONFIGURATION },
  data: new Uint8Array(0),
};

export class MemoryStorage implements RaftStorage {
  hardState: HardState = NO_STATE;
  private base: Snapshot = NO_SNAPSHOT;
  private offset = 0;
  private offsetTerm = 0;
  private log: readonly Entry[] = [];
  private latest: (() => Snapshot | "pending") | null = null;

  /** A new replica of a group whose members are known from the start. */
  static bootstrap(confState: ConfState, index = 0, term = index === 0 ? 0 : 1): MemoryStorage {
    const storage = new MemoryStorage();
    storage.base = { metadata: { index, term, confState }, data: new Uint8Array(0) };
    storage.offset = index;
    storage.offsetTerm = term;
    return storage;
  }

  /** A replica that has `entries` from index 1 on. */
  static withEntries(confState: ConfState, entries: readonly Entry[], hardState: HardState = NO_STATE): MemoryStorage {
    const storage = MemoryStorage.bootstrap(confState);
    storage.append(entries);
    storage.hardState = hardState;
    return storage;
  }

  /** Lets the state machine's own snapshots be sent instead of the last one that was stored. */
  useSnapshots(latest: () => Snapshot | "pending"): void {
    this.latest = latest;
  }

  /** What a crash leaves: everything that was stored. */
  copy(): MemoryStorage {
    const copy = new MemoryStorage();
    copy.hardState = this.hardState;
    copy.base = this.base;
    copy.offset = this.offset;
    copy.offsetTerm = this.offsetTerm;
    copy.log = this.log;
    copy.latest = this.latest;
    return copy;
  }

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return { hardState: this.hardState, confState: this.base.metadata.confState };
  }

  firstIndex(): number {
    return this.offset + 1;
  }

  lastIndex(): number {
    return this.offset + this.log.length;
  }

  term(index: number): number | "compacted" | "unavailable" {
    if (index < this.offset) return "compacted";
    if (index === this.offset) return this.offsetTerm;
    return this.log[index - this.offset - 1]?.term ?? "unavailable";
  }

  entries(lo: number, hi: number, bytesMax: number): readonly Entry[] | "compacted" | "unavailable" {
    if (lo <= this.offset) return "compacted";
    if (hi > this.lastIndex() + 1) return "unavailable";
    const found = this.log.slice(lo - this.offset - 1, hi - this.offset - 1);
    return found.slice(0, fittingCount(found, bytesMax, encodedEntryBytes));
  }

  /** All entries that are stored. */
  allEntries(): readonly Entry[] {
    return this.log;
  }

  snapshot(): Snapshot | "pending" {
    return this.latest === null ? this.base : this.latest();
  }

  /** The last snapshot that was stored. */
  storedSnapshot(): Snapshot {
    return this.base;
  }

  /** Stores entries; those from the first index on are replaced. */
  append(entries: readonly Entry[]): void {
    const first = entries[0]?.index;
    if (first === undefined) return;
    assert(first > this.offset && first <= this.lastIndex() + 1, "MS1");
    this.log = [...this.log.slice(0, first - this.offset - 1), ...entries];
    assert(this.log[this.log.length - 1]?.index === this.lastIndex(), "MS1");
  }

  /** Replaces everything by a snapshot. */
  applySnapshot(snapshot: Snapshot): void {
    assert(snapshot.metadata.index >= this.base.metadata.index, "a snapshot is not older than the stored one");
    this.base = snapshot;
    this.offset = snapshot.metadata.index;
    this.offsetTerm = snapshot.metadata.term;
    this.log = [];
  }

  /** Remembers the state machine's snapshot, for restarts; entries stay until `compact`. */
  saveSnapshot(snapshot: Snapshot): void {
    assert(snapshot.metadata.index >= this.base.metadata.index, "a snapshot is not older than the stored one");
    this.base = snapshot;
  }

  /** Forgets entries up to and including `index`. */
  compact(index: number): void {
    assert(index > this.offset && index <= this.lastIndex(), "only stored entries are compacted");
    const term = this.term(index);
    assert(typeof term === "number", "the term of a stored entry is known");
    this.log = this.log.slice(index - this.offset);
    this.offset = index;
    this.offsetTerm = term;
  }
}
