/**
 * controls.ts: broken variants of the code under test that the checks must find, each with a seed where they do.
 *
 * A check that finds nothing in them would find nothing anywhere. The same seeds without the variant must be clean.
 */
import type { Variant } from "./plan.js";
import { runSeed } from "./simulation.js";

export interface Control {
  readonly variant: Exclude<Variant, "none">;
  readonly seed: number;
  /** Which invariant must find it. */
  readonly invariant: string;
}

export const CONTROLS: readonly Control[] = [
  { variant: "ackBeforeFsync", seed: 3, invariant: "recovery" },
  { variant: "voteNotPersisted", seed: 2, invariant: "recovery" },
  { variant: "commitOldTerm", seed: 2, invariant: "commit-own-term" },
];

/** Runs every control with and without its variant. @returns how many did not do what they must. */
export async function runControls(write: (line: string) => void): Promise<number> {
  let failures = 0;
  for (const { variant, seed, invariant } of CONTROLS) {
    const broken = await runSeed({ seed, variant });
    const sound = await runSeed({ seed });
    const isGood = broken.violation?.invariant === invariant && sound.violation === null;
    if (!isGood) failures++;
    write(
      `${isGood ? "ok" : "FAILED"} ${variant} at seed ${seed}: ${broken.violation?.invariant ?? "not found"}; ` +
        `without it: ${sound.violation?.message ?? "clean"}`,
    );
  }
  return failures;
}
