import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { Floor } from "./floor.js";
import { OffsetRanges } from "./offset-ranges.js";
import { type Span, uncovered, union } from "./spans.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

describe(`parts that search agree with slow models (SEED=${seed}):`, () => {
  test("what was certain before an event", () => {
    const prng = new Prng(seed);
    for (let round = 0; round < 200; round++) {
      const floor = new Floor();
      const all = Array.from({ length: prng.between(0, 30) }, (_, at) => ({ i: 2 * at, value: prng.between(0, 20) }));
      for (const { i, value } of all) floor.raise(i, value);
      for (let i = 0; i < 62; i++) {
        const values = all.filter((known) => known.i < i).map(({ value }) => value);
        expect(floor.before(i)?.value ?? -1).toBe(Math.max(-1, ...values));
      }
    }
  });

  test("a set of offsets", () => {
    const prng = new Prng(seed);
    for (let round = 0; round < 200; round++) {
      const ranges = Array.from({ length: prng.between(0, 8) }, () => {
        const start = prng.between(0, 40);
        return { start, end: start + prng.between(0, 10) };
      });
      const set = new OffsetRanges(ranges);
      for (let offset = 0; offset < 55; offset++)
        expect(set.has(offset)).toBe(ranges.some(({ start, end }) => start <= offset && offset < end));
    }
  });

  test("stretches of time that others cover or not", () => {
    const prng = new Prng(seed);
    const drawn = (): Span => {
      const startMs = prng.between(0, 40);
      return { startMs, endMs: startMs + prng.between(0, 12) };
    };
    const isIn = (spans: readonly Span[], ms: number): boolean =>
      spans.some(({ startMs, endMs }) => startMs < ms && ms < endMs);
    for (let round = 0; round < 200; round++) {
      const covers = Array.from({ length: prng.between(0, 6) }, drawn);
      const span = drawn();
      const left = uncovered(span, covers);
      for (let ms = 0.5; ms < 55; ms++) {
        expect(isIn(left, ms)).toBe(isIn([span], ms) && !isIn(covers, ms));
        expect(isIn(union(covers), ms)).toBe(isIn(covers, ms));
      }
    }
  });

  test("spans that lie no more than a pause apart are one", () => {
    const spans = [
      { startMs: 20, endMs: 25 },
      { startMs: 0, endMs: 10 },
      { startMs: 15, endMs: 16 },
    ];
    expect(union(spans, 4)).toEqual([
      { startMs: 0, endMs: 10 },
      { startMs: 15, endMs: 25 },
    ]);
  });
});
