import { type HashRange, hashRangesProblem, initialRanges, splitWidest } from "@varve/base";
import { ownTimeMs, Prng } from "@varve/base/testing";
import { expect, test } from "vitest";
import { growRanges } from "./grow-ranges.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

test(`growing at once is the same as splitting the widest range again and again (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  for (let round = 0; round < 200; round++) {
    const count = prng.between(1, 20);
    let slow: readonly HashRange[] = initialRanges(count);
    let grown: readonly HashRange[] = slow;
    let partitions = count;
    for (let step = 0; step < 3; step++) {
      const end = partitions + prng.between(0, 40);
      for (let partition = partitions; partition < end; partition++) slow = splitWidest(slow, partition);
      grown = growRanges(grown, partitions, end);
      expect(grown, `round ${round}, ${count} to ${end}`).toEqual(slow);
      partitions = end;
    }
  }
});

test("10,000 partitions out of one are whole, and ready before a leader would be missed", () => {
  const startMs = ownTimeMs();
  const grown = growRanges(initialRanges(1), 1, 10_000);
  expect(ownTimeMs() - startMs).toBeLessThan(500);
  expect(hashRangesProblem(grown)).toBeNull();
  expect(grown).toHaveLength(10_000);
});
