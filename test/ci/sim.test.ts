/**
 * sim.test.ts: the simulator finds every broken variant where it was found before, and nothing there in the shipped code; runs that once showed a
 * bug are clean.
 */
import { expect, test } from "vitest";
import { CONTROLS, findAgain } from "../sim/controls.js";
import { type Decision, type DecisionKind, FAULTS_MS } from "../sim/decisions.js";
import { KEPT_PLAN } from "../sim/kept-plan.js";
import { REGRESSIONS, runOf } from "../sim/regressions.js";
import { type RunReport, runSeed } from "../sim/simulation.js";

const RUN_MS = 300_000;

/** Runs of the shipped code, by seed: each takes seconds. */
const runs = new Map<number, Promise<RunReport>>();

function soundRun(seed: number): Promise<RunReport> {
  const run = runs.get(seed) ?? runSeed({ seed });
  runs.set(seed, run);
  return run;
}

test.each(CONTROLS)(
  "$variant is found by $invariants, where the shipped code is clean",
  { timeout: RUN_MS },
  async (control) => {
    const broken = await findAgain(control);
    expect(broken, "the variant was not caught").not.toBeNull();
    if (broken === null) return;
    const { seed } = broken;
    const sound = control.plan === undefined ? await soundRun(seed) : await runSeed(runOf({ ...control, seed }));
    expect(sound.violation).toBeNull();
  },
);

/** The same again and again in the time of faults. */
function every(ms: number, kind: DecisionKind): Decision[] {
  return Array.from({ length: Math.floor(FAULTS_MS / ms) }, (_, at) => ({ atMs: at * ms, kind, salt: at }));
}

/** What bare seeds do not draw: faults that strike all the time while producers and a group are at work. */
test.each([
  { kind: "breakCalls", ms: 500, what: "connections of clients that break while their brokers live" },
  { kind: "lateCommits", ms: 6_000, what: "commits that arrive when their members have given them up" },
] as const)("$what break nothing", { timeout: RUN_MS }, async ({ kind, ms }) => {
  const decisions = [...every(300, "produce"), ...every(8_000, "pauseMember"), ...every(ms, kind)];
  const { violation, faults } = await runSeed({ seed: 1, plan: KEPT_PLAN, decisions });
  expect(violation).toBeNull();
  expect(faults[kind]).toBeGreaterThan(5);
});

test.each(REGRESSIONS)("$name: it stays repaired", { timeout: RUN_MS }, async (regression) => {
  const run = runOf(regression);
  const report = run.decisions === undefined ? await soundRun(run.seed) : await runSeed(run);
  expect(report.violation).toBeNull();
});
