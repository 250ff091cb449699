/**
 * main.ts: `npm run soak`: sends at a steady rate to three broker processes that are broken and mended again and again, and reads
 * everything in the end.
 *
 * Exit 0: what was said of every send is true (ledger.ts) and memory does not keep growing (memory.ts); 1: it is not so, and what; 2: wrong usage.
 *
 * V8 collects late where there is much memory, and then the resident set says little of what is held. So the run takes a small heap: started
 * with a larger one it starts itself again. Memory that grew without end would end it.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { getHeapStatistics } from "node:v8";
import { isTrue } from "./ledger.js";
import { growthOf } from "./memory.js";
import { parseSettings, type SoakSettings, USAGE } from "./settings.js";
import { type SoakResult, soak } from "./soak.js";

/** Some 50,000 sends that are not settled, which is what comes in ten seconds of an outage, take 75 MiB. */
const HEAP_MIB = 128;
/** What V8 adds to the limit that it is given is less. */
const HEAP_LIMIT_BYTES_MAX = 2 * HEAP_MIB * 1_024 * 1_024;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function settingsOrExit(): SoakSettings {
  try {
    return parseSettings(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    return process.exit(2);
  }
}

/** What is wrong; empty when all is well. */
function problemsOf(result: SoakResult, settings: SoakSettings): string[] {
  const growth = growthOf(result.samples);
  const { sent, acknowledged, open } = result.counts;
  const due = settings.minutes * 60 * settings.sendsPerSecond;
  return [
    ...(isTrue(result.verdict) ? [] : ["what was said of sends is not true"]),
    ...(growth.keepsGrowing ? ["memory keeps growing"] : []),
    ...(open > 0 ? [`${open} sends never settled`] : []),
    ...(result.nonsense === null ? [] : [`a send failed without an effect: ${String(result.nonsense)}`]),
    ...(acknowledged * 2 < sent ? ["fewer than half of the sends were acknowledged"] : []),
    ...(sent < due * 0.9 ? [`only ${sent} of ${due} sends were made: this machine is too slow for the rate`] : []),
  ];
}

function report(result: SoakResult): void {
  for (const [code, { count, example }] of result.failures) say(`failed ${count} ${code}, the first: ${example}`);
  say(`log ${JSON.stringify(result.verdict)}`);
  const growth = growthOf(result.samples);
  const mib = (value: number): string => `${value.toFixed(0)} MiB`;
  say(
    `memory: largest RSS ${mib(growth.rssMibMaxBefore)} before, ${mib(growth.rssMibMaxLast)} in the last third; ` +
      `smallest heap ${mib(growth.heapMibMinMiddle)} in the middle third, ${mib(growth.heapMibMinLast)} in the last`,
  );
}

/** The exit code of the run. */
async function run(settings: SoakSettings): Promise<number> {
  say(`seed ${settings.seed}`);
  const result = await soak(settings, say);
  report(result);
  const problems = problemsOf(result, settings);
  for (const problem of problems) say(`PROBLEM: ${problem}`);
  say(problems.length === 0 ? "holds" : "does not hold");
  return problems.length === 0 ? 0 : 1;
}

/** The same program with a small heap; the exit code of that. */
function runWithSmallHeap(): number {
  const args = [`--max-old-space-size=${HEAP_MIB}`, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  return spawnSync(process.execPath, args, { stdio: "inherit" }).status ?? 1;
}

const settings = settingsOrExit();
const isSmall = getHeapStatistics().heap_size_limit <= HEAP_LIMIT_BYTES_MAX;
process.exitCode = isSmall ? await run(settings) : runWithSmallHeap();
