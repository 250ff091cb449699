/** hash-ranges.test.ts: the invariants H1 to H3 over random sequences of splits. */
import { describe, expect, test } from "vitest";
import { AssertionError } from "./assert.js";
import { HASH_SPACE, type HashRange, hashRangesProblem, initialRanges, splitWidest } from "./hash-ranges.js";
import { Prng } from "./testing/prng.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

describe("initialRanges", () => {
  test.each([1, 2, 3, 6, 7, 1_000, 10_000])("%i partitions cover the hash space in equal parts", (count) => {
    const ranges = initialRanges(count);
    const widths = ranges.map((range) => range.end - range.start);
    expect(hashRangesProblem(ranges)).toBeNull();
    expect(ranges.map((range) => range.partition)).toEqual(Array.from({ length: count }, (_, index) => index));
    expect(Math.max(...widths) - Math.min(...widths)).toBeLessThanOrEqual(1);
  });

  test.each([0, -1, 1.5, 10_001])("%d partitions are a programmer's error", (count) => {
    expect(() => initialRanges(count)).toThrow(AssertionError);
  });
});

describe("splitWidest", () => {
  test("halves the widest range and leaves the lower half to its owner", () => {
    expect(splitWidest(initialRanges(1), 1)).toEqual([
      { partition: 0, start: 0, end: 2 ** 30 },
      { partition: 1, start: 2 ** 30, end: 2 ** 31 },
    ]);
  });

  test("of several widest ranges takes the lowest; an odd width leaves the wider half to the owner", () => {
    const ranges: HashRange[] = [
      { partition: 0, start: 0, end: 1 },
      { partition: 1, start: 1, end: 2 ** 30 + 1 },
      { partition: 2, start: 2 ** 30 + 1, end: HASH_SPACE },
    ];
    expect(splitWidest(ranges, 3)[2]).toEqual({ partition: 3, start: 2 ** 29 + 1, end: 2 ** 30 + 1 });
    expect(splitWidest([{ partition: 0, start: 0, end: 5 }], 1)).toEqual([
      { partition: 0, start: 0, end: 3 },
      { partition: 1, start: 3, end: 5 },
    ]);
  });

  test(`any sequence of splits keeps H1 to H3 (SEED=${SEED})`, () => {
    const prng = new Prng(SEED);
    for (let round = 0; round < 30; round++) {
      let ranges = initialRanges(prng.between(1, 30));
      for (let added = prng.between(1, 60); added > 0; added--) {
        const next = splitWidest(ranges, ranges.length);
        expect(hashRangesProblem(next), `round ${round}`).toBeNull();
        const changed = ranges.filter((range) => !next.some((other) => sameRange(range, other)));
        expect(changed.length, "H3: one range changes").toBe(1);
        expect(next.find((other) => other.partition === changed[0]?.partition)?.start).toBe(changed[0]?.start);
        ranges = next;
      }
    }
  });
});

function sameRange(a: HashRange, b: HashRange): boolean {
  return a.partition === b.partition && a.start === b.start && a.end === b.end;
}

describe("hashRangesProblem", () => {
  test.each([
    { why: "no range at all", ranges: [] },
    { why: "a gap", ranges: [range(0, 0, 5), range(1, 6, HASH_SPACE)] },
    { why: "an overlap", ranges: [range(0, 0, 5), range(1, 4, HASH_SPACE)] },
    { why: "an empty range", ranges: [range(0, 0, 0), range(1, 0, HASH_SPACE)] },
    { why: "a partition twice", ranges: [range(0, 0, 5), range(0, 5, HASH_SPACE)] },
    { why: "an end before 2^31", ranges: [range(0, 0, HASH_SPACE - 1)] },
  ])("names $why", ({ ranges }) => {
    expect(hashRangesProblem(ranges)).not.toBeNull();
  });
});

function range(partition: number, start: number, end: number): HashRange {
  return { partition, start, end };
}
