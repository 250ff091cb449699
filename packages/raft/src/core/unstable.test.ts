/**
 * unstable.test.ts: the end of the log on its way to the disk.
 */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { RaftAssertionError } from "../assert.js";
import { testConf, testEntry } from "../testing/samples.js";
import type { Entry, Snapshot } from "../types.js";
import { Unstable } from "./unstable.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

function snapshotAt(index: number, term: number): Snapshot {
  return { metadata: { index, term, confState: testConf([1]) }, data: new Uint8Array(0) };
}

/** An unstable log that starts at `offset`, one entry for each term. */
function unstable(offset: number, ...terms: readonly number[]): Unstable {
  const log = new Unstable(offset);
  if (terms.length > 0) log.truncateAndAppend(terms.map((term, at) => testEntry(term, offset + at)));
  return log;
}

function places(entries: readonly Entry[]): string {
  return entries.map(({ term, index }) => `${term}/${index}`).join(" ");
}

describe("appending", () => {
  test("goes on at the end", () => {
    const log = unstable(5, 1);
    log.truncateAndAppend([testEntry(1, 6), testEntry(1, 7)]);
    expect(places(log.slice(5, 8))).toBe("1/5 1/6 1/7");
    expect(log.end).toBe(8);
  });

  test("replaces the tail from its first index on", () => {
    const log = unstable(5, 1, 1, 1);
    log.truncateAndAppend([testEntry(2, 6)]);
    expect(places(log.slice(5, 7))).toBe("1/5 2/6");
  });

  test("replaces everything, and entries that are stable already", () => {
    const log = unstable(5, 1, 1);
    log.truncateAndAppend([testEntry(2, 4), testEntry(2, 5)]);
    expect(log.offset).toBe(4);
    expect(places(log.slice(4, 6))).toBe("2/4 2/5");
  });

  test("never leaves a gap", () => {
    expect(() => unstable(5, 1).truncateAndAppend([testEntry(1, 8)])).toThrow(RaftAssertionError);
  });
});

describe("what is known", () => {
  test("the term of each entry and of the snapshot, no others", () => {
    const log = unstable(5, 1, 2);
    expect([4, 5, 6, 7].map((index) => log.term(index))).toEqual([null, 1, 2, null]);
    log.restore(snapshotAt(9, 3));
    expect([5, 8, 9, 10].map((index) => log.term(index))).toEqual([null, null, 3, null]);
  });

  test("the last index is that of the last entry, else of the snapshot, else unknown", () => {
    const log = unstable(5);
    expect(log.lastIndex()).toBeNull();
    log.restore(snapshotAt(9, 3));
    expect(log.lastIndex()).toBe(9);
    log.truncateAndAppend([testEntry(3, 10)]);
    expect(log.lastIndex()).toBe(10);
  });

  test("slices lie within it", () => {
    const log = unstable(5, 1, 1);
    expect(() => log.slice(4, 6)).toThrow(RaftAssertionError);
    expect(() => log.slice(5, 8)).toThrow(RaftAssertionError);
    expect(log.slice(6, 6)).toEqual([]);
  });
});

describe("handing over to the writer", () => {
  test("each entry is handed over once", () => {
    const log = unstable(5, 1);
    expect(places(log.nextEntries())).toBe("1/5");
    log.acceptInProgress();
    expect(log.hasNextEntries()).toBe(false);
    log.truncateAndAppend([testEntry(1, 6)]);
    expect(places(log.nextEntries())).toBe("1/6");
    expect(log.hasNextOrInProgressEntries()).toBe(true);
  });

  test("replacements are handed over although their places were before", () => {
    const log = unstable(5, 1, 1, 1);
    log.acceptInProgress();
    log.truncateAndAppend([testEntry(2, 6)]);
    expect(places(log.nextEntries())).toBe("2/6");
  });

  test("a snapshot is handed over once", () => {
    const log = unstable(5, 1);
    log.restore(snapshotAt(9, 3));
    expect(log.nextSnapshot()?.metadata.index).toBe(9);
    log.acceptInProgress();
    expect(log.nextSnapshot()).toBeNull();
    expect(log.snapshot).not.toBeNull();
  });
});

describe("acknowledgements of the writer", () => {
  test("release entries up to the written one", () => {
    const log = unstable(5, 1, 1, 1);
    log.acceptInProgress();
    expect(log.stableTo(6, 1)).toBe(true);
    expect(log.offset).toBe(7);
    expect(places(log.slice(7, 8))).toBe("1/7");
    expect(log.hasNextEntries()).toBe(false);
  });

  test("do nothing for an entry that was replaced while it was written (A-B-A)", () => {
    const log = unstable(5, 1, 1);
    log.acceptInProgress();
    log.truncateAndAppend([testEntry(2, 5), testEntry(2, 6)]);
    log.acceptInProgress();
    expect(log.stableTo(6, 1)).toBe(false);
    expect(log.offset).toBe(5);
    expect(log.stableTo(6, 2)).toBe(true);
    expect(log.isEmpty).toBe(true);
  });

  test("do nothing for entries that are gone or not there", () => {
    const log = unstable(5, 1);
    expect(log.stableTo(4, 1)).toBe(false);
    expect(log.stableTo(6, 1)).toBe(false);
    log.stableTo(5, 1);
    expect(log.stableTo(5, 1)).toBe(false);
  });

  test("of another snapshot leave this one", () => {
    const log = unstable(5);
    log.restore(snapshotAt(9, 3));
    log.stableSnapshotTo(8);
    expect(log.snapshot).not.toBeNull();
    log.stableSnapshotTo(9);
    expect(log.snapshot).toBeNull();
  });
});

test("a snapshot replaces all entries", () => {
  const log = unstable(5, 1, 1);
  log.restore(snapshotAt(20, 3));
  expect(log.isEmpty).toBe(true);
  expect(log.offset).toBe(21);
});

test(`the writer's disk always holds what the log says is stable (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  for (let round = 0; round < 300; round++) {
    const log = new Unstable(1);
    const disk: number[] = [];
    const writes: { entries: readonly Entry[]; ack: { index: number; term: number } }[] = [];
    let term = 1;
    for (let step = 0; step < 60; step++) {
      const dice = prng.between(0, 9);
      if (dice < 4) {
        log.truncateAndAppend([testEntry(term, log.end)]);
      } else if (dice < 6) {
        // A new leader replaces a tail.
        term++;
        log.truncateAndAppend([testEntry(term, prng.between(1, log.end))]);
      } else if (dice < 8 && log.hasNextEntries()) {
        const last = log.end - 1;
        writes.push({ entries: log.nextEntries(), ack: { index: last, term: log.term(last) ?? 0 } });
        log.acceptInProgress();
      } else {
        const write = writes.shift();
        if (write === undefined) continue;
        for (const entry of write.entries) {
          disk.length = entry.index - 1;
          disk.push(entry.term);
        }
        log.stableTo(write.ack.index, write.ack.term);
      }
      if (writes.length > 0) continue;
      expect(disk.length, `round ${round}, step ${step}`).toBeGreaterThanOrEqual(log.offset - 1);
    }
  }
});
