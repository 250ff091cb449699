/**
 * main.ts: `npm run test:e2e`: brokers in containers that are stopped, killed, cut off, wiped, added, removed and upgraded under load, and the proof
 * that nothing acknowledged was lost.
 *
 * Exit 0: every check holds, or there is no engine to try it with; 1: one does not; 2: wrong usage. However it ends, nothing that it made in the
 * engine is left but images.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { runDemo } from "./demo.js";
import { documentGaps } from "./document.js";
import { docker, engineMissing, engineVersion, sweep, withoutRyuk } from "./engine.js";
import { buildCurrent, buildPrevious } from "./images.js";
import { type Plan, planOf } from "./plan.js";
import { previousMissing } from "./previous-build.js";
import { isClean, markdownOf, type Report, textOf } from "./report/report.js";
import { runLife } from "./run.js";
import type { Images } from "./scenarios/scenario.js";
import { parseSettings, type Settings, USAGE } from "./settings.js";

const CURRENT = "varve:e2e";
const PREVIOUS = "varve:e2e-previous";

const startedMs = performance.now();
const say = (text: string): void => {
  process.stdout.write(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(6)} s  ${text}\n`);
};

function planOrExit(): { readonly settings: Settings; readonly plan: Plan } {
  try {
    const settings = parseSettings(process.argv.slice(2));
    return { settings, plan: planOf(settings.scenarios, previousMissing()) };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    return process.exit(2);
  }
}

async function main(): Promise<number> {
  const { settings, plan } = planOrExit();
  const missing = engineMissing();
  if (missing !== null) {
    process.stdout.write(`skipped: ${missing}; test/e2e/with-engine.sh starts one\n`);
    return 0;
  }
  withoutRyuk();
  const run = randomUUID().slice(0, 8);
  process.on("exit", () => sweep(run));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
  say(`run ${run}, seed ${settings.seed}`);
  for (const what of plan.skipped) say(`skipped: ${what}`);
  const report = await runAll(run, settings, plan);
  mkdirSync(settings.out, { recursive: true });
  const text = textOf(report);
  writeFileSync(join(settings.out, "report.txt"), text);
  writeFileSync(join(settings.out, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(settings.out, "gaps.md"), markdownOf(report));
  process.stdout.write(text);
  say(`histories and reports are in ${settings.out}`);
  if (settings.document && isClean(report)) documentGaps(markdownOf(report));
  return isClean(report) ? 0 : 1;
}

async function runAll(run: string, settings: Settings, plan: Plan): Promise<Report> {
  const images = await imagesFor(settings, plan);
  const { seed, sendsPerSecond, out } = settings;
  const demo = plan.demo ? await runDemo(run, CURRENT) : null;
  for (const line of [...(demo?.facts ?? []), ...(demo?.problems ?? [])]) say(line);
  const lives = [];
  for (const life of plan.lives) lives.push(await runLife(life, { run, images, seed, sendsPerSecond, out, say }));
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} processors that brokers and load share, ${engineVersion()}`,
    seed,
    demo,
    lives,
  };
}

async function imagesFor(settings: Settings, plan: Plan): Promise<Images> {
  const needsPrevious = plan.lives.some(({ beginsWith }) => beginsWith === "previous");
  if (settings.build) {
    await buildCurrent(CURRENT);
    say(`${CURRENT} is built: ${docker(["image", "inspect", CURRENT, "--format", "{{.Size}}"], 20_000)} bytes`);
    if (needsPrevious) await buildPrevious(PREVIOUS);
    if (needsPrevious) say(`${PREVIOUS} is built`);
  }
  return { current: CURRENT, previous: needsPrevious ? PREVIOUS : null };
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exitCode = 1;
}
