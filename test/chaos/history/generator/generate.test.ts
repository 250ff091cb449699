import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { checkHistory } from "../check-history.js";
import { generate } from "./generate.js";
import { MUTATIONS, mutated } from "./mutations.js";

const SEEDS = 12;
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

function generated(of: number, events: number): string[] {
  const lines: string[] = [];
  generate({ seed: of, events, partitions: 3, producers: 4, replicas: 3 }, (line) => lines.push(line));
  return lines;
}

/** The checks that find something. */
function invalid(lines: readonly string[]): string[] {
  const judgement = checkHistory(lines);
  if (judgement.kind === "unreadable") throw new Error(`line ${judgement.line}: ${judgement.problem}`);
  return judgement.verdicts.filter(({ valid }) => !valid).map(({ check }) => check);
}

test("a seed decides a history to the letter", () => {
  expect(generated(7, 300)).toEqual(generated(7, 300));
  expect(generated(7, 300)).not.toEqual(generated(8, 300));
});

test(`histories that break nothing pass every check (SEED=${seed})`, () => {
  for (let of = seed; of < seed + SEEDS; of++) expect(invalid(generated(of, 2_000)), `seed ${of}`).toEqual([]);
});

describe(`broken on purpose, a history is found out (SEED=${seed}):`, () => {
  test.each(MUTATIONS)("$check: $what", (mutation) => {
    let broken = 0;
    for (let of = seed; of < seed + SEEDS; of++) {
      const lines = mutated(generated(of, 1_200), mutation, new Prng(of));
      if (lines === null) continue;
      broken++;
      expect(invalid(lines), `seed ${of}`).toContain(mutation.check);
    }
    expect(broken, "seeds that had something to break").toBeGreaterThan(SEEDS / 2);
  });
});
