/**
 * main.ts: `npm run sim`: fresh seeds or a given one, then the broken variants on their recorded seeds.
 *
 * --seeds N: that many seeds (default 20). --seed S: this seed only. --trace: every event, one line each. --variant V: break the code.
 */
import { parseArgs } from "node:util";
import { runControls } from "./controls.js";
import type { Variant } from "./plan.js";
import { type RunReport, runSeed } from "./simulation.js";
import { summaryLines, Totals } from "./totals.js";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "20" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    variant: { type: "string", default: "none" },
    controls: { type: "boolean", default: true },
  },
  allowNegative: true,
});

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}

function describe({ seed, violation }: RunReport): string {
  return [
    `VIOLATION of ${violation?.invariant} at seed ${seed}: ${violation?.message}`,
    `replay: npm run sim -- --seed ${seed} --trace`,
  ].join("\n");
}

async function main(): Promise<number> {
  const { seed, trace } = values;
  const variant = values.variant as Variant;
  const count = seed === undefined ? Number(values.seeds) : 1;
  const firstSeed = seed === undefined ? Date.now() * 1_000 : Number(seed);
  const totals = new Totals();
  for (let at = 0; at < count; at++) {
    const report = await runSeed({ seed: firstSeed + at, variant, ...(trace ? { print: write } : {}) });
    totals.add(report);
    if (report.violation !== null) write(describe(report));
    if ((at + 1) % 50 === 0) write(`${at + 1} of ${count} seeds, ${totals.violations} violations`);
  }
  for (const line of summaryLines(totals, firstSeed)) write(line);
  if (values.controls && seed === undefined) {
    const failures = await runControls(write);
    return totals.violations + failures > 0 ? 1 : 0;
  }
  return totals.violations > 0 ? 1 : 0;
}

process.exitCode = await main();
