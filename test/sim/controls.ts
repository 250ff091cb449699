/**
 * controls.ts: broken variants of the code under test that the checks must find, each with a seed where they do.
 *
 * A check that finds nothing in them would find nothing anywhere. The same seeds without the variant must be clean.
 */
import type { Plan, Variant } from "./plan.js";
import { runSeed } from "./simulation.js";

export interface Control {
  readonly variant: Exclude<Variant, "none">;
  readonly seed: number;
  readonly plan?: Partial<Plan>;
}

export const CONTROLS: readonly Control[] = [
  { variant: "ackBeforeFsync", seed: 1 },
  { variant: "voteNotPersisted", seed: 1 },
  { variant: "commitOldTerm", seed: 1 },
];

/** Runs every control with and without its variant. @returns how many did not do what they must. */
export async function runControls(write: (line: string) => void): Promise<number> {
  let failures = 0;
  for (const { variant, seed, plan } of CONTROLS) {
    const changes = plan === undefined ? {} : { plan };
    const broken = await runSeed({ seed, variant, ...changes });
    const sound = await runSeed({ seed, ...changes });
    const isGood = broken.violation !== null && sound.violation === null;
    if (!isGood) failures++;
    write(
      `${isGood ? "ok" : "FAILED"} ${variant} at seed ${seed}: ${broken.violation?.invariant ?? "not found"}; ` +
        `without it: ${sound.violation?.message ?? "clean"}`,
    );
  }
  return failures;
}
