/**
 * controls.ts: for every broken variant a seed on which it must be found, by which invariant. The same seed without it must be clean.
 *
 * Seeds mean something only as long as the simulator draws as it did; `npm run sim -- --control NAME` finds a new one.
 */
import { VARIANTS, type Variant } from "./breakage.js";
import { runJobs } from "./pool.js";
import type { RunReport } from "./simulation.js";

export interface Control {
  readonly variant: Variant;
  readonly seed: number;
  /** Which invariant finds it there. */
  readonly invariant: string;
}

export const CONTROLS: readonly Control[] = [
  { variant: "ack-before-fsync", seed: 1, invariant: "S6" },
  { variant: "vote-not-persisted", seed: 1, invariant: "S6" },
  { variant: "commit-old-term", seed: 1, invariant: "S5" },
];

/** A hunt that has not found anything by then has failed. */
const SEEDS_MAX = 2_000;

export interface Catch {
  readonly report: RunReport;
  /** Seeds that were run until then, this one among them. */
  readonly seeds: number;
}

/** Runs a broken variant on fresh seeds until it is caught; null: it is not. */
export async function hunt(variant: Variant, firstSeed: number, processes: number): Promise<Catch | null> {
  let given = 0;
  let caught: RunReport | null = null;
  await runJobs(
    processes,
    () => (caught === null && given < SEEDS_MAX ? { seed: firstSeed + given++, variant } : null),
    (report) => {
      if (report.violation !== null && (caught === null || report.seed < caught.seed)) caught = report;
    },
  );
  const report = caught as RunReport | null;
  return report === null ? null : { report, seeds: report.seed - firstSeed + 1 };
}

/** The variant of this name. @throws RangeError. */
export function variantOf(name: string): Variant {
  const variant = VARIANTS.find((each) => each === name);
  if (variant === undefined) throw new RangeError(`${name} is none of: ${VARIANTS.join(", ")}`);
  return variant;
}
