/**
 * chaos.test.ts: a run of `npm run chaos`, a minute and more, in which every kind of fault strikes once: every check of the history holds, and each fault has
 * struck; and nothing is left of a run. What is proven: test/chaos/README.md.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFailed, test } from "vitest";
import { honestNames } from "../chaos/nemesis/index.js";
import { preloadProblem } from "../faults/preload.js";
import { ChaosRuns } from "./chaos-run.js";

/** Kinds that need a library inside the broker's process, which not every machine can build. */
const FROM_INSIDE = ["power", "disk-slow", "disk-fails", "clock"];
const RUN_MS = 600_000;
const PACKETS = ["--namespaces", "--faults", "partition,one-way"];

const problem = preloadProblem();
if (problem !== null)
  console.warn(`disks that fail or lose their power and clocks that jump are not tried: ${problem}`);
const chaos = new ChaosRuns();

beforeAll(() => chaos.build());
afterAll(() => chaos.remove());

/** `no NAME: WHY` of a run's first lines: kinds that this machine cannot have. */
function unavailable(output: string): string[] {
  return [...output.matchAll(/^no ([\w-]+): .+$/gm)].map(([, name = ""]) => name);
}

test(`what clients were told is true while every kind of fault strikes once (SEED=${chaos.seed})`, {
  timeout: RUN_MS,
}, async () => {
  onTestFailed(() => console.warn(`the history is in ${chaos.keep()}`));
  // Four brokers: with fewer, no replica has anywhere to move to.
  const { code, output, out } = await chaos.run(["--faults", "all", "--once", "--brokers", "4", "--minutes", "6"]);
  process.stdout.write(output);
  expect(code, output).toBe(0);
  expect(output).toContain("all checks hold");
  const skipped = unavailable(output);
  for (const name of skipped) console.warn(`${name} was not tried; the run says why`);
  expect(skipped.filter((name) => !FROM_INSIDE.includes(name))).toEqual([]);
  if (problem === null) expect(skipped).toEqual([]);
  for (const name of honestNames().filter((one) => !skipped.includes(one)))
    expect(output, `${name} has struck`).toMatch(new RegExp(`^${name} +[1-9]`, "m"));
  const page = readFileSync(join(out, "report.html"), "utf8");
  expect(page).toContain(`seed ${chaos.seed}`);
  expect(page, "a page that needs nothing else").not.toMatch(/\b(?:src|href)=/);
  await chaos.nothingIsLeft();
});

test(`the same where packets are lost between namespaces, wholly and in one direction (SEED=${chaos.seed})`, {
  timeout: RUN_MS,
}, async ({ skip }) => {
  const { code, output } = await chaos.run([...PACKETS, "--once", "--minutes", "2"]);
  const [, why] = /^no namespaces: (.+)$/m.exec(output) ?? [];
  skip(why !== undefined, why);
  expect(code, output).toBe(0);
  expect(output).toContain("all checks hold");
  await chaos.nothingIsLeft();
});

test(`Ctrl-C ends the load and judges what there is; twice ends everything at once, frozen brokers too (SEED=${chaos.seed})`, {
  timeout: RUN_MS,
}, async () => {
  let isInterrupted = false;
  const once = await chaos.run(["--minutes", "5", "--faults", "pause"], (output, interrupt) => {
    if (isInterrupted || !output.includes("pause: broker")) return;
    isInterrupted = true;
    interrupt();
  });
  expect(once.code, once.output).toBe(0);
  expect(once.output).toContain("all checks hold");
  await chaos.nothingIsLeft();
  let interrupts = 0;
  const twice = await chaos.run(["--minutes", "5", "--faults", "pause"], (output, interrupt) => {
    if (!output.includes("pause: broker") || interrupts > 0) return;
    interrupts++;
    interrupt();
    setTimeout(interrupt, 100); // Two signals at the same time arrive as one.
  });
  expect(twice.code, twice.output).toBe(1);
  await chaos.nothingIsLeft();
});
