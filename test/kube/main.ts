/**
 * main.ts: `npm run test:kube`: the scenarios of a real Kubernetes, on the cluster that KUBECONFIG names. Exit 0: all that ran passed, or there is no
 * cluster; 1: a scenario failed; 2: wrong usage.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Kubectl } from "./cluster/kubectl.js";
import { startLocalLoad } from "./cluster/local-load.js";
import { realWorld } from "./cluster/runner.js";
import { isClean, markdownOf, type RunReport } from "./report/report.js";
import { KubeRun } from "./run.js";
import { SCENARIOS } from "./scenarios/index.js";
import { chartVersion, imageText, type KubeSettings, parseSettings, USAGE } from "./settings.js";

/** Of compiled files. */
const COMPILED = fileURLToPath(new URL("..", import.meta.url));
const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));
const CHART = join(ROOT, "deploy/helm/varve");
const PROGRAMS = [
  ["kubectl", "version", "--client"],
  ["helm", "version", "--short"],
];

// Whoever reads may have heard enough (`--list | head`); the report is written all the same.
process.stdout.on("error", () => {});
const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(): Promise<number> {
  let settings: KubeSettings;
  try {
    const kustomizeBase = join(ROOT, "deploy/kustomize/base");
    settings = parseSettings(process.argv.slice(2), process.env, { version: chartVersion(CHART), kustomizeBase });
    const unknown = settings.only.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
    if (unknown.length > 0) throw new Error(`there is no scenario ${unknown.join(", ")}; --list names them`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    return 2;
  }
  if (settings.list) for (const { id, name, title } of SCENARIOS) say(`${id}  ${name.padEnd(18)}${title}`);
  if (settings.list) return 0;
  if (process.env["KUBECONFIG"] === undefined || process.env["KUBECONFIG"] === "") {
    say("test:kube: skipped: KUBECONFIG names no cluster");
    return 0;
  }
  for (const argv of PROGRAMS) {
    const { code, stderr } = await realWorld.run(argv);
    if (code !== 0) throw new Error(`${argv[0]} does not work: ${stderr}; deploy/install-tools.sh gets helm`);
  }
  return test(settings);
}

async function test(settings: KubeSettings): Promise<number> {
  mkdirSync(settings.folder, { recursive: true });
  const startedMs = performance.now();
  const tick = (text: string): void =>
    say(`${((performance.now() - startedMs) / 1_000).toFixed(0).padStart(5)} s  ${text}`);
  const run = await KubeRun.open({
    world: realWorld,
    settings,
    chart: CHART,
    compiled: COMPILED,
    startLocalLoad,
    say: tick,
  });
  const chosen = SCENARIOS.filter(({ name }) => settings.only.length === 0 || settings.only.includes(name));
  const report: RunReport = {
    date: new Date().toISOString().slice(0, 10),
    machine: await machineOf(settings, run),
    image: imageText(settings.image),
    scenarios: await run.run(chosen),
  };
  if (isClean(report)) await run.remove();
  else say(`the namespace ${settings.namespace} is left as it is, to be looked at`);
  writeFileSync(join(settings.folder, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(settings.folder, "report.md"), markdownOf(report));
  say(`\n${markdownOf(report)}\nin ${settings.folder}: report.md, report.json, histories`);
  return isClean(report) ? 0 : 1;
}

async function machineOf({ namespace }: KubeSettings, { facts }: KubeRun): Promise<string> {
  const [node] = await new Kubectl(realWorld, namespace).nodes();
  const version = node?.status.nodeInfo?.kubeletVersion ?? "unknown";
  const where = facts.nodes === null ? "" : `, kind on a machine of ${cpus().length} processors`;
  return `Kubernetes ${version}, ${facts.nodeCount} nodes${where}`;
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  return 1;
});
