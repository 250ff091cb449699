/** finished-prefix.test.ts: the committable offset against the obvious model. */
import { Prng } from "@varve/base/testing";
import { expect, test } from "vitest";
import { FinishedPrefix } from "./finished-prefix.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

/** The obvious model: all records, and which are finished. */
class SlowPrefix {
  private readonly records: { readonly offset: number; isFinished: boolean }[] = [];
  private end: number;

  constructor(start: number) {
    this.end = start;
  }

  get committable(): number {
    return this.records.find(({ isFinished }) => !isFinished)?.offset ?? this.end;
  }

  take(offset: number): void {
    this.records.push({ offset, isFinished: false });
    this.end = offset + 1;
  }

  passed(next: number): void {
    this.end = Math.max(this.end, next);
  }

  finish(offset: number): void {
    for (const record of this.records) if (record.offset === offset) record.isFinished = true;
  }
}

test(`takes with gaps and finishes in any order: the same committable offset as a slow model, seed ${seed}`, () => {
  const prng = new Prng(seed);
  for (let round = 0; round < 200; round++) {
    let next = prng.between(0, 1_000);
    const [prefix, slow] = [new FinishedPrefix(next), new SlowPrefix(next)];
    const open: number[] = [];
    let before = prefix.committable;
    for (let step = 0; step < 200; step++) {
      if (prng.chance(0.5)) {
        next += prng.chance(0.2) ? prng.between(1, 9) : 0;
        for (const each of [prefix, slow]) each.take(next);
        open.push(next++);
      } else if (open.length > 0 && prng.chance(0.9)) {
        const [offset = 0] = open.splice(prng.between(0, open.length - 1), 1);
        slow.finish(offset);
        expect(prefix.finish(offset)).toBe(slow.committable > before);
      } else {
        next += prng.between(0, 3);
        for (const each of [prefix, slow]) each.passed(next);
      }
      expect(prefix.committable).toBe(slow.committable);
      expect(prefix.committable).toBeGreaterThanOrEqual(before);
      before = prefix.committable;
    }
    expect(prefix.size).toBeGreaterThanOrEqual(open.length);
  }
});
