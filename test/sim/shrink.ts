/**
 * shrink.ts: makes a failing run short: leaves out decisions as long as the same invariant still breaks.
 *
 * Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002 (ddmin). What is left is not always the least, since
 * every decision that goes shifts what the network and the disks draw; but it is a failing run of its own.
 */
import type { Variant } from "./breakage.js";
import { type Decision, textOf } from "./decisions.js";
import type { Plan } from "./plan.js";
import { drawRun, type RunReport, runSeed } from "./simulation.js";

export interface Shrunk {
  readonly seed: number;
  readonly plan: Plan;
  readonly decisions: readonly Decision[];
  readonly report: RunReport;
  readonly runs: number;
}

/** Runs that a shrinking takes at most; each takes a second or two. */
const RUNS_MAX = 150;

/**
 * @param report of the failing run.
 * @param changes what was changed in its plan.
 */
export async function shrink(
  report: RunReport,
  variant: Variant | null,
  changes: Partial<Plan> = {},
  runsMax = RUNS_MAX,
): Promise<Shrunk> {
  const { seed, violation } = report;
  if (violation === null) throw new RangeError(`seed ${seed} does not fail`);
  const { plan, decisions } = drawRun(seed, changes);
  let best: Shrunk = { seed, plan, decisions, report, runs: 0 };
  const attempt = async (decisions: readonly Decision[]): Promise<boolean> => {
    if (decisions.length === best.decisions.length || best.runs >= runsMax) return false;
    const run = await runSeed({ seed, variant, plan, decisions });
    const runs = best.runs + 1;
    if (run.violation?.invariant !== violation.invariant) {
      best = { ...best, runs };
      return false;
    }
    best = { ...best, decisions: until(run.violation.atMs, decisions), report: run, runs };
    return true;
  };
  best = { ...best, decisions: until(violation.atMs, best.decisions) };
  await attempt([]);
  for (let parts = 2; parts <= best.decisions.length && best.runs < runsMax; ) {
    const size = Math.ceil(best.decisions.length / parts);
    let isShorter = false;
    for (let from = 0; from < best.decisions.length; ) {
      const { decisions } = best;
      if (await attempt([...decisions.slice(0, from), ...decisions.slice(from + size)])) isShorter = true;
      else from += size;
    }
    if (size === 1 && !isShorter) break;
    parts = size === 1 ? best.decisions.length : Math.min(parts * 2, Math.max(2, best.decisions.length));
  }
  return best;
}

/** What was to come after the violation has no part in it. */
function until(violationAtMs: number, decisions: readonly Decision[]): readonly Decision[] {
  return decisions.filter(({ atMs }) => atMs <= violationAtMs);
}

/** The decisions that are left, as a timeline, and as what `regressions.ts` keeps. */
export function timeline({ seed, plan, decisions, report, runs }: Shrunk): string[] {
  return [
    `shrunk to ${decisions.length} decisions in ${runs} runs:`,
    ...decisions.map(({ atMs, kind }) => `  ${String(atMs).padStart(6)} ms  ${kind}`),
    `  ${String(Math.round(report.violation?.atMs ?? 0)).padStart(6)} ms  violation of ${report.violation?.invariant}`,
    "kept in regressions.ts as:",
    `  seed: ${seed},`,
    `  plan: ${JSON.stringify(plan)},`,
    `  decisions: ${JSON.stringify(decisions.map(textOf))},`,
  ];
}
