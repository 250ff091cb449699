/**
 * main.ts: `npm run sim`: fresh seeds, one seed, or the hunt for a broken variant.
 *
 * --seeds N: that many seeds (default 20), from --from S or the time. --jobs N: processes (default: processors).
 * --seed S: this seed only; --trace: its plan and what happened, as a timeline; --variant V: with the code broken.
 * --regression NAME: that run of regressions.ts, also with --trace and --variant.
 * --control V: fresh seeds with the code broken until that is caught; with --hunts N: N times, and the median; `all`: every variant. What fails is made shorter, unless --no-shrink.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { VERSION } from "@varve/broker";
import { VARIANTS } from "./breakage.js";
import { hunt, variantOf } from "./controls.js";
import { huntedRow, huntOften, MEDIAN_MAX } from "./hunts.js";
import { runJobs } from "./pool.js";
import { regressionOf, runOf } from "./regressions.js";
import { shrink, timeline } from "./shrink.js";
import { drawRun, type RunReport, runSeed } from "./simulation.js";
import { Story } from "./story.js";
import { Totals } from "./totals.js";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "20" },
    from: { type: "string" },
    jobs: { type: "string" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    variant: { type: "string" },
    regression: { type: "string" },
    control: { type: "string" },
    hunts: { type: "string" },
    shrink: { type: "boolean", default: true },
    minutes: { type: "string" },
  },
  allowNegative: true,
});

const PROGRESS_EVERY = 50;
const variant = values.variant === undefined ? null : variantOf(values.variant);
const processes = Number(values.jobs ?? availableParallelism());
const firstSeed = values.from === undefined ? Date.now() * 1_000 : Number(values.from);

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}

function tell({ seed, violation }: RunReport): void {
  write(
    `VIOLATION of ${violation?.invariant} at seed ${seed}, ${Math.round(violation?.atMs ?? 0)} ms: ${violation?.message}`,
  );
  write(`replay: npm run sim -- --seed ${seed} --trace`);
}

async function runOne(seed: number): Promise<number> {
  const story = new Story(write);
  if (values.trace) write(`plan ${JSON.stringify(drawRun(seed).plan)}`);
  const report = await runSeed({ seed, variant, ...(values.trace ? { tell: (event) => story.tell(event) } : {}) });
  story.end();
  const totals = new Totals();
  totals.add(report);
  for (const line of totals.lines(seed)) write(line);
  write(`hash: ${report.hash}`);
  if (report.violation === null) return 0;
  tell(report);
  if (!values.trace && values.shrink) for (const line of timeline(await shrink(report, variant))) write(line);
  return 1;
}

async function runRegression(name: string): Promise<number> {
  const run = runOf(regressionOf(name));
  const story = new Story(write);
  const report = await runSeed({ ...run, variant, ...(values.trace ? { tell: (event) => story.tell(event) } : {}) });
  story.end();
  if (report.violation !== null) tell(report);
  else write(`clean: ${run.decisions === undefined ? "a whole seed" : `${run.decisions.length} decisions`}, ${name}`);
  return report.violation === null ? 0 : 1;
}

async function runMany(): Promise<number> {
  const count = values.minutes === undefined ? Number(values.seeds) : Number.POSITIVE_INFINITY;
  const endMs = performance.now() + Number(values.minutes ?? Number.POSITIVE_INFINITY) * 60_000;
  const startedMs = performance.now();
  const totals = new Totals();
  let given = 0;
  await runJobs(
    Math.min(count, processes),
    () => (given < count && performance.now() < endMs ? { seed: firstSeed + given++, variant } : null),
    (report) => {
      totals.add(report);
      if (report.violation !== null) tell(report);
      if (totals.seeds % PROGRESS_EVERY === 0) write(`${totals.seeds} seeds, ${totals.violations.length} violations`);
    },
  );
  for (const line of totals.lines(firstSeed)) write(line);
  write(
    `seeds a minute: ${((totals.seeds * 60_000) / (performance.now() - startedMs)).toFixed(0)} in ${processes} processes`,
  );
  const idle = [...totals.idleFaults(), ...totals.idleHooks().map((hook) => `hook ${hook}`)];
  if (idle.length > 0) write(`never happened: ${idle.join(", ")}`);
  write(`for test/README.md: ${totals.record(VERSION, new Date().toISOString().slice(0, 10))}`);
  const [first] = totals.violations;
  if (first === undefined) return idle.length > 0 ? 1 : 0;
  if (values.shrink) for (const line of timeline(await shrink(first, variant))) write(line);
  return 1;
}

/** Of an error with its stack. */
function firstLine(message = ""): string {
  return message.split("\n", 1)[0] ?? "";
}

async function runControl(name: string): Promise<number> {
  const broken = variantOf(name);
  const found = await hunt(broken, firstSeed, processes);
  if (found === null) {
    write(`${name} was not caught`);
    return 1;
  }
  const { report, seeds } = found;
  write(
    `${name} is caught at seed ${report.seed} by ${report.violation?.invariant}, after ${seeds} seeds: ${firstLine(report.violation?.message)}`,
  );
  const sound = await runSeed({ seed: report.seed });
  write(`the same seed without it: ${sound.violation?.message ?? "clean"}`);
  if (values.shrink) for (const line of timeline(await shrink(report, broken))) write(line);
  return sound.violation === null ? 0 : 1;
}

async function runHunts(name: string, hunts: number): Promise<number> {
  let isWithin = true;
  for (const broken of name === "all" ? VARIANTS : [variantOf(name)]) {
    const hunted = await huntOften(broken, hunts, firstSeed, processes);
    write(huntedRow(hunted));
    isWithin &&= hunted.median <= MEDIAN_MAX;
  }
  return isWithin ? 0 : 1;
}

async function main(): Promise<number> {
  if (values.regression !== undefined) return runRegression(values.regression);
  if (values.control !== undefined && values.hunts !== undefined) return runHunts(values.control, Number(values.hunts));
  if (values.control !== undefined) return runControl(values.control);
  return values.seed === undefined ? runMany() : runOne(Number(values.seed));
}

process.exitCode = await main();
