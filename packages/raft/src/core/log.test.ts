/**
 * log.test.ts: the whole log, stable and unstable, as one.
 */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { RaftAssertionError } from "../assert.js";
import { MemoryStorage } from "../testing/memory-storage.js";
import { testConf, testEntry, testLog } from "../testing/samples.js";
import type { Entry, RaftStorage, Snapshot } from "../types.js";
import { encodedEntryBytes } from "./entry-size.js";
import { RaftLog } from "./log.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const ONE_EACH = (): number => 1;
const NO_LIMIT = Number.POSITIVE_INFINITY;

/** A log with stable entries from index 1 and unstable ones after them, one for each term. Each counts one byte. */
function logOf(stable: readonly number[], unstable: readonly number[] = []): RaftLog {
  const log = new RaftLog(MemoryStorage.withEntries(testConf([1]), testLog(...stable)), NO_LIMIT, ONE_EACH);
  if (unstable.length > 0) log.append(unstable.map((term, at) => testEntry(term, stable.length + 1 + at)));
  return log;
}

function snapshotAt(index: number, term: number): Snapshot {
  return { metadata: { index, term, confState: testConf([1]) }, data: new Uint8Array(0) };
}

function indexes(entries: readonly Entry[] | string | null): readonly number[] | string | null {
  return typeof entries === "string" || entries === null ? entries : entries.map(({ index }) => index);
}

function termsOf(log: RaftLog): (number | string)[] {
  return Array.from({ length: log.lastIndex() }, (_, at) => log.term(at + 1));
}

describe("terms", () => {
  test("are known from the entry before the first up to the last", () => {
    const storage = MemoryStorage.bootstrap(testConf([1]), 4, 2);
    storage.append([testEntry(3, 5)]);
    const log = new RaftLog(storage, NO_LIMIT, ONE_EACH);
    log.append([testEntry(4, 6)]);
    expect([3, 4, 5, 6, 7].map((index) => log.term(index))).toEqual(["compacted", 2, 3, 4, "unavailable"]);
    expect(log.firstIndex()).toBe(5);
    expect(log.lastIndex()).toBe(6);
    expect(log.lastTerm()).toBe(4);
  });

  test("of unstable entries win over those that they replaced on disk", () => {
    const log = logOf([1, 1, 1]);
    log.append([testEntry(2, 2)]);
    expect(termsOf(log)).toEqual([1, 2]);
  });

  test("below a snapshot that is being written are unknown", () => {
    const log = logOf([1, 1, 1]);
    log.restore(snapshotAt(9, 3));
    expect([2, 8, 9, 10].map((index) => log.term(index))).toEqual(["compacted", "compacted", 3, "unavailable"]);
    expect(log.firstIndex()).toBe(10);
    expect(log.lastIndex()).toBe(9);
  });
});

describe("which log is more up to date (paper section 5.4.1)", () => {
  test.each([
    { why: "a later term wins, however short the log", index: 1, term: 4, want: true },
    { why: "an earlier term loses, however long the log", index: 99, term: 2, want: false },
    { why: "of equal terms the longer log wins", index: 4, term: 3, want: true },
    { why: "equal logs will do", index: 3, term: 3, want: true },
    { why: "of equal terms the shorter log loses", index: 2, term: 3, want: false },
  ])("$why", ({ index, term, want }) => {
    expect(logOf([1, 2, 3]).isUpToDate(index, term)).toBe(want);
  });
});

describe("appending what a leader sent (paper section 5.3)", () => {
  test.each([
    { why: "the previous entry has another term", prevIndex: 3, prevTerm: 4 },
    { why: "the previous entry is not there", prevIndex: 4, prevTerm: 3 },
  ])("is refused: $why", ({ prevIndex, prevTerm }) => {
    const log = logOf([1, 2, 3]);
    expect(log.maybeAppend(prevIndex, prevTerm, [testEntry(4, prevIndex + 1)], 3)).toBeNull();
    expect(termsOf(log)).toEqual([1, 2, 3]);
    expect(log.committed).toBe(0);
  });

  test.each([
    { why: "nothing new", prev: 1, added: [2, 3], commit: 0, terms: [1, 2, 3], last: 3, committed: 0 },
    { why: "no entries, a commit index", prev: 2, added: [], commit: 1, terms: [1, 2, 3], last: 2, committed: 1 },
    { why: "new entries", prev: 3, added: [4, 4], commit: 4, terms: [1, 2, 3, 4, 4], last: 5, committed: 4 },
    { why: "some known, some new", prev: 1, added: [2, 3, 4], commit: 9, terms: [1, 2, 3, 4], last: 4, committed: 4 },
    { why: "a conflict cuts the tail", prev: 1, added: [4], commit: 0, terms: [1, 4], last: 2, committed: 0 },
    { why: "a conflict at the first entry", prev: 0, added: [4, 4], commit: 0, terms: [4, 4], last: 2, committed: 0 },
    { why: "an old message cuts nothing", prev: 0, added: [1], commit: 0, terms: [1, 2, 3], last: 1, committed: 0 },
    { why: "commit stops at what matches", prev: 0, added: [1], commit: 3, terms: [1, 2, 3], last: 1, committed: 1 },
  ])("$why", ({ prev, added, commit, terms, last, committed }) => {
    const log = logOf([1, 2], [3]);
    const prevTerm = log.term(prev);
    const entries = added.map((term, at) => testEntry(term, prev + 1 + at));
    expect(log.maybeAppend(prev, Number(prevTerm), entries, commit)).toBe(last);
    expect(termsOf(log)).toEqual(terms);
    expect(log.committed).toBe(committed);
  });

  test("never replaces what is committed", () => {
    const log = logOf([1, 2, 3]);
    log.commitTo(2);
    expect(() => log.maybeAppend(1, 1, [testEntry(5, 2)], 0)).toThrow(RaftAssertionError);
  });

  test("entries with gaps are a programmer's error", () => {
    const log = logOf([1]);
    expect(() => log.maybeAppend(1, 1, [testEntry(1, 3)], 0)).toThrow(RaftAssertionError);
    expect(() => log.maybeAppend(1, 1, [testEntry(1, 2), testEntry(1, 4)], 0)).toThrow(RaftAssertionError);
  });
});

describe("the commit index", () => {
  test("never goes back", () => {
    const log = logOf([1, 1, 1]);
    log.commitTo(2);
    log.commitTo(1);
    expect(log.committed).toBe(2);
  });

  test("beyond the log means a damaged log", () => {
    expect(() => logOf([1]).commitTo(2)).toThrow(RaftAssertionError);
  });
});

describe("guessing where two logs agree (end of paper section 5.3)", () => {
  test.each([
    { why: "the terms agree at once", terms: [1, 2, 2], index: 3, term: 2, want: { index: 3, term: 2 } },
    { why: "higher terms are skipped", terms: [1, 2, 5, 5], index: 4, term: 3, want: { index: 2, term: 2 } },
    { why: "nothing is left", terms: [5, 5], index: 2, term: 3, want: { index: 0, term: 0 } },
    { why: "beyond the end nothing is known", terms: [1], index: 5, term: 3, want: { index: 5, term: 0 } },
  ])("$why", ({ terms, index, term, want }) => {
    expect(logOf(terms).findConflictByTerm(index, term)).toEqual(want);
  });

  test("compacted entries may match", () => {
    const log = new RaftLog(MemoryStorage.bootstrap(testConf([1]), 10, 3), NO_LIMIT, ONE_EACH);
    log.append([testEntry(9, 11)]);
    expect(log.findConflictByTerm(11, 2)).toEqual({ index: 9, term: 0 });
  });

  test(`never skips an index at which the logs do agree (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    const grow = (terms: number[]): number[] => {
      for (let at = prng.between(1, 6); at > 0; at--) terms.push((terms.at(-1) ?? 1) + prng.between(0, 2));
      return terms;
    };
    let checked = 0;
    for (let round = 0; round < 3_000; round++) {
      const shared = grow([]);
      const leader = grow([...shared]);
      const follower = grow([...shared]);
      // Log matching: two logs agree up to their first difference, and nowhere after it.
      let agree = 0;
      while (agree < Math.min(leader.length, follower.length) && leader[agree] === follower[agree]) agree++;
      for (let prev = agree + 1; prev <= leader.length; prev++) {
        const prevTerm = leader[prev - 1] ?? 0;
        const hint = logOf(follower).findConflictByTerm(Math.min(prev, follower.length), prevTerm);
        expect(hint.index, `round ${round}`).toBeGreaterThanOrEqual(agree);
        const next = hint.term > 0 ? logOf(leader).findConflictByTerm(hint.index, hint.term).index : hint.index;
        expect(next, `round ${round}`).toBeGreaterThanOrEqual(agree);
        checked++;
      }
    }
    expect(checked).toBeGreaterThan(1_000);
  });
});

describe("slices", () => {
  /** Three stable and two unstable entries, of one byte each. */
  function fiveEntries(): RaftLog {
    const storage = MemoryStorage.withEntries(testConf([1]), testLog(1, 1, 1));
    const counting: RaftStorage = {
      initialState: () => storage.initialState(),
      firstIndex: () => storage.firstIndex(),
      lastIndex: () => storage.lastIndex(),
      term: (index) => storage.term(index),
      snapshot: () => storage.snapshot(),
      entries: (lo, hi, bytesMax) => {
        const found = storage.entries(lo, hi, NO_LIMIT);
        return typeof found === "string" ? found : found.slice(0, Math.max(1, Math.min(found.length, bytesMax)));
      },
    };
    const log = new RaftLog(counting, NO_LIMIT, ONE_EACH);
    log.append([testEntry(2, 4), testEntry(2, 5)]);
    return log;
  }

  test.each([
    { lo: 1, hi: 3, max: NO_LIMIT, want: [1, 2] },
    { lo: 2, hi: 6, max: NO_LIMIT, want: [2, 3, 4, 5] },
    { lo: 4, hi: 6, max: NO_LIMIT, want: [4, 5] },
    { lo: 1, hi: 6, max: 2, want: [1, 2] },
    { lo: 1, hi: 6, max: 3, want: [1, 2, 3] },
    { lo: 1, hi: 6, max: 4, want: [1, 2, 3, 4] },
    { lo: 3, hi: 6, max: 0, want: [3] },
    { lo: 4, hi: 6, max: 0, want: [4] },
  ])("$lo .. $hi within $max bytes: $want", ({ lo, hi, max, want }) => {
    expect(indexes(fiveEntries().slice(lo, hi, max))).toEqual(want);
  });

  test("an unstable entry that does not fit behind others is left out; alone it goes", () => {
    const storage = MemoryStorage.withEntries(testConf([1]), testLog(1, 1));
    const big = new RaftLog(storage, NO_LIMIT, ({ index }) => (index === 3 ? 100 : 1));
    big.append([testEntry(1, 3)]);
    expect(indexes(big.slice(1, 4, 50))).toEqual([1, 2]);
    expect(indexes(big.slice(3, 4, 50))).toEqual([3]);
  });

  test("of compacted entries say so", () => {
    const compacted = new RaftLog(MemoryStorage.bootstrap(testConf([1]), 10, 3), NO_LIMIT, ONE_EACH);
    compacted.append([testEntry(3, 11)]);
    expect(compacted.slice(10, 12, NO_LIMIT)).toBe("compacted");
    expect(indexes(compacted.entriesFrom(11, NO_LIMIT))).toEqual([11]);
    expect(indexes(compacted.entriesFrom(12, NO_LIMIT))).toEqual([]);
  });

  test("outside the log are a programmer's error", () => {
    expect(() => fiveEntries().slice(5, 7, NO_LIMIT)).toThrow(RaftAssertionError);
    expect(() => fiveEntries().slice(3, 3, NO_LIMIT)).toThrow(RaftAssertionError);
  });
});

describe("giving entries out to be applied", () => {
  test("each committed entry once, in order", () => {
    const log = logOf([1, 1, 1]);
    log.commitTo(2);
    const first = log.nextCommitted(true);
    expect(indexes(first)).toEqual([1, 2]);
    log.acceptApplying(first ?? [], true);
    expect(log.nextCommitted(true)).toBeNull();
    log.commitTo(3);
    expect(indexes(log.nextCommitted(true))).toEqual([3]);
  });

  test("unstable entries only where the host writes before it applies", () => {
    const log = logOf([1], [1, 1]);
    log.commitTo(3);
    expect(indexes(log.nextCommitted(false))).toEqual([1]);
    expect(indexes(log.nextCommitted(true))).toEqual([1, 2, 3]);
  });

  test("nothing while a snapshot is being written", () => {
    const log = logOf([1, 1]);
    log.commitTo(1);
    log.restore(snapshotAt(9, 3));
    log.append([testEntry(3, 10)]);
    log.commitTo(10);
    expect(log.hasNextCommitted(true)).toBe(false);
    log.unstable.stableSnapshotTo(9);
    log.appliedTo(9, 0);
    expect(log.hasNextCommitted(true)).toBe(true);
  });

  test("a full page pauses until something is applied", () => {
    const storage = MemoryStorage.withEntries(testConf([1]), testLog(1, 1, 1, 1));
    const entryBytes = encodedEntryBytes(testEntry(1, 1));
    const log = new RaftLog(storage, 2 * entryBytes, encodedEntryBytes);
    log.commitTo(4);
    const page = log.nextCommitted(true) ?? [];
    expect(indexes(page)).toEqual([1, 2]);
    log.acceptApplying(page, true);
    expect(log.hasNextCommitted(true)).toBe(false);
    log.appliedTo(1, entryBytes);
    expect(indexes(log.nextCommitted(true))).toEqual([3]);
  });

  test("a page that the limit cut short pauses, too", () => {
    const storage = MemoryStorage.withEntries(testConf([1]), testLog(1, 1, 1));
    const log = new RaftLog(storage, 5, () => 3);
    log.commitTo(3);
    const page = (log.nextCommitted(true) ?? []).slice(0, 1);
    log.acceptApplying(page, true);
    expect(log.hasNextCommitted(true)).toBe(false);
    log.appliedTo(1, 3);
    expect(log.hasNextCommitted(true)).toBe(true);
  });

  test("waits for entries that the host loads", () => {
    const storage = MemoryStorage.withEntries(testConf([1]), testLog(1, 1));
    let isLoaded = false;
    const lazy: RaftStorage = {
      initialState: () => storage.initialState(),
      firstIndex: () => 1,
      lastIndex: () => 2,
      term: (index) => storage.term(index),
      snapshot: () => "pending",
      entries: (lo, hi, max) => (isLoaded ? storage.entries(lo, hi, max) : "pending"),
    };
    const log = new RaftLog(lazy, NO_LIMIT, ONE_EACH);
    log.commitTo(2);
    expect(log.nextCommitted(true)).toBeNull();
    expect(log.hasNextCommitted(true)).toBe(false);
    isLoaded = true;
    log.retryCommitted();
    expect(indexes(log.nextCommitted(true))).toEqual([1, 2]);
  });

  test("applied neither goes back nor passes the commit index", () => {
    const log = logOf([1, 1, 1]);
    log.commitTo(2);
    log.appliedTo(2, 0);
    expect(() => log.appliedTo(1, 0)).toThrow(RaftAssertionError);
    expect(() => log.appliedTo(3, 0)).toThrow(RaftAssertionError);
  });
});

describe("restoring a snapshot", () => {
  test("replaces the log and commits what the snapshot covers", () => {
    const log = logOf([1, 1], [1]);
    log.restore(snapshotAt(7, 2));
    expect(log.committed).toBe(7);
    log.append([testEntry(3, 8)]);
    expect(log.lastIndex()).toBe(8);
    expect(log.snapshot()).toEqual(snapshotAt(7, 2));
  });

  test("never takes committed entries back", () => {
    const log = logOf([1, 1]);
    log.commitTo(2);
    expect(() => log.restore(snapshotAt(2, 1))).toThrow(RaftAssertionError);
  });
});
