/**
 * main.ts: `npm run chaos`: breaks a cluster of real broker processes under load and proves from a history that it kept its promises.
 *
 * Exit 0: every check holds; 1: one does not, or the cluster did not come back; 2: wrong usage. Ctrl-C ends the load and goes on with the
 * proof; a second one ends everything at once.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ChaosCluster } from "./cluster/chaos-cluster.js";
import { isInside, namespaceProblem, runInside } from "./cluster/namespaces.js";
import type { GroupLoad } from "./groups/group-load.js";
import { htmlOf } from "./report/html.js";
import { isClean } from "./report/report.js";
import { textOf } from "./report/text.js";
import { runChaos } from "./run.js";
import { type ChaosSettings, parseSettings, USAGE } from "./settings.js";

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function settingsOrExit(): ChaosSettings {
  try {
    return parseSettings(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    return process.exit(2);
  }
}

async function main(): Promise<number> {
  const settings = settingsOrExit();
  if (!settings.namespaces || isInside()) return chaos(settings);
  const problem = namespaceProblem();
  if (problem === null) return runInside();
  say(`no namespaces: ${problem}`);
  return chaos({ ...settings, namespaces: false });
}

async function chaos(settings: ChaosSettings): Promise<number> {
  const startedMs = performance.now();
  const tick = (text: string): void =>
    say(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(6)} s  ${text}`);
  const over = new AbortController();
  let cluster: ChaosCluster | null = null;
  let groups: GroupLoad | null = null;
  const killAll = (): void => {
    cluster?.killAll();
    groups?.killAll();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (over.signal.aborted) {
        killAll();
        process.exit(1);
      }
      over.abort();
    });
  }
  process.on("exit", killAll);
  say(`seed ${settings.seed}`);
  for (const { name, why } of settings.skipped) say(`no ${name}: ${why}`);
  const report = await runChaos(settings, {
    say: tick,
    signal: over.signal,
    started: (made) => {
      cluster = made;
    },
    working: (made) => {
      groups = made;
    },
  });
  const text = textOf(report);
  writeFileSync(join(settings.out, "report.txt"), text);
  writeFileSync(join(settings.out, "report.html"), htmlOf(report));
  say(text);
  say(`history.jsonl, report.txt and report.html are in ${settings.out}`);
  return isClean(report) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exitCode = 1;
}
