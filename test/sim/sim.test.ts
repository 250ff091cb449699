/**
 * sim.test.ts: the simulator is deterministic, finds broken variants where they were found before, and nothing in the shipped code.
 *
 * SEED sets the first fresh seed.
 */
import { expect, test } from "vitest";
import { CONTROLS, findAgain } from "./controls.js";
import { type RunReport, runSeed } from "./simulation.js";

const RUN_MS = 120_000;
const firstSeed = Number(process.env["SEED"] ?? Date.now());

/** Runs of the shipped code, by seed: each takes seconds. */
const runs = new Map<number, Promise<RunReport>>();

function soundRun(seed: number): Promise<RunReport> {
  const run = runs.get(seed) ?? runSeed({ seed });
  runs.set(seed, run);
  return run;
}

test("one seed gives the same history twice, two seeds give two", { timeout: RUN_MS }, async () => {
  const [one, two] = [await soundRun(1), await soundRun(2)];
  expect((await runSeed({ seed: 1 })).hash).toBe(one.hash);
  expect(one.hash).not.toBe(two.hash);
});

test(`fresh seeds break no invariant (SEED=${firstSeed})`, { timeout: RUN_MS }, async () => {
  for (const seed of [firstSeed, firstSeed + 1]) {
    const { violation } = await soundRun(seed);
    expect(violation, `seed ${seed}`).toBeNull();
  }
});

test.each(CONTROLS)(
  "$variant is found by $invariants, where the shipped code is clean",
  { timeout: RUN_MS },
  async (control) => {
    const broken = await findAgain(control);
    expect(broken, "the variant was not caught").not.toBeNull();
    if (broken !== null) expect((await soundRun(broken.seed)).violation).toBeNull();
  },
);
