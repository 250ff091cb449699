/**
 * scenarios.test.ts: every scenario from its first command to its last, on a made-up cluster: that it gives the commands of the runbooks, passes where all
 * is well, notices what it is there to notice, and leaves a cluster that is well. It proves nothing about Kubernetes.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { LoadHandle } from "./cluster/load-handle.js";
import type { Flaws } from "./fake/fake-cluster.js";
import { FakeWorld } from "./fake/fake-world.js";
import { compiledPrograms } from "./fake/programs.js";
import type { ScenarioReport } from "./report/report.js";
import { KubeRun } from "./run.js";
import { SCENARIOS } from "./scenarios/index.js";
import { parseSettings } from "./settings.js";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

interface Ran {
  readonly world: FakeWorld;
  readonly reports: readonly ScenarioReport[];
  /** Commands that change something, without the looks in between. */
  readonly commands: readonly string[];
}

async function ran(names: readonly string[], flaws: Flaws = {}, env: Record<string, string> = {}): Promise<Ran> {
  const folder = mkdtempSync(join(tmpdir(), "varve-kube-"));
  folders.push(folder);
  const world = new FakeWorld(flaws);
  const args = ["--out", folder, "--only", names.join(",")];
  const settings = parseSettings(args, env, { version: "0.1.0", kustomizeBase: "base" });
  const run = await KubeRun.open({
    world,
    settings,
    chart: "CHART",
    compiled: compiledPrograms(folder),
    startLocalLoad: async () =>
      new LoadHandle({
        name: "outside",
        node: null,
        ask: async (asked, options) => {
          const argv = ["kubectl", "--namespace", "varve-test", "exec", "varve-load", "--", "node", "ask.js", ...asked];
          return (await world.run(argv, options)).stdout;
        },
        remove: async () => {},
      }),
    say: () => {},
  });
  const reports = await run.run(SCENARIOS.filter(({ name }) => names.includes(name)));
  const isLook = (command: string): boolean =>
    / (?:get (?:pods?|nodes|pvc)|version|cluster health)\b|ask\.js /.test(command);
  return { world, reports, commands: world.commands.filter((command) => !isLook(command)) };
}

const PREVIOUS = { VARVE_KUBE_PREVIOUS_IMAGE: "varve:0.0.9" };

test.each(SCENARIOS.map(({ name }) => name))("%s passes on a cluster that does all as it should", async (name) => {
  const { reports, world } = await ran([name], {}, PREVIOUS);
  expect(reports.map(({ outcome }) => outcome)).toEqual([expect.objectContaining({ kind: "passed" })]);
  const left = world.cluster.release("varve-test");
  expect(left.health(), "the cluster is well in the end").toBe(true);
  expect(left.pods.length).toBe(3);
  expect([...world.cluster.cordoned, ...world.cluster.down]).toEqual([]);
  const others = [...world.cluster.releases].filter(
    ([namespace, { pods }]) => namespace !== "varve-test" && pods.length > 0,
  );
  expect(others, "no namespace of its own is left").toEqual([]);
  expect(world.commands.filter((command) => command.includes("undefined") || command.includes("  "))).toEqual([]);
});

test.each<{ name: string; flaws: Flaws; why: string; said: RegExp }>([
  { name: "rolling-restart", why: "two pods at once", flaws: { rollsTwo: true }, said: /only 1 brokers were ready/ },
  { name: "rolling-restart", why: "a long gap", flaws: { gapMs: 1_400 }, said: /acknowledged nothing for 1\.4\d s/ },
  { name: "rolling-restart", why: "a lost record", flaws: { losesRecords: true }, said: /varve-load: K1: 1 found/ },
  { name: "bad-image", why: "a roll that goes on", flaws: { rollsOn: true }, said: /pods have the bad image, not one/ },
  {
    name: "node-drain",
    why: "a budget that sleeps",
    flaws: { budgetSleeps: true },
    said: /drained although a broker was/,
  },
  {
    name: "volume-lost",
    why: "an empty volume",
    flaws: { emptyVolumeIsFine: true },
    said: /without its data is not noticed/,
  },
  { name: "scale", why: "a guard that sleeps", flaws: { guardSleeps: true }, said: /3 replicas was not refused/ },
  { name: "tls", why: "restarts", flaws: { restartsForCertificates: true }, said: /a broker restarted/ },
])("$name fails for $why, and the cluster is mended", async ({ name, flaws, said }) => {
  const { reports, world } = await ran([name], flaws);
  const [report] = reports;
  expect(report?.outcome.kind).toBe("failed");
  expect(report?.outcome.kind === "failed" ? report.outcome.why : "").toMatch(said);
  expect(world.cluster.release("varve-test").pods.length % 3, "three brokers, or none for one that has its own").toBe(
    0,
  );
});

test("what needs more than there is is skipped, with the reason", async () => {
  const { reports } = await ran(["upgrade", "rolling-restart"]);
  expect(reports.map(({ name, outcome }) => [name, outcome.kind])).toEqual([
    ["rolling-restart", "passed"],
    ["upgrade", "skipped"],
  ]);
  expect(reports[1]?.outcome).toEqual({ kind: "skipped", reason: "VARVE_KUBE_PREVIOUS_IMAGE is not set" });
});

test.each([
  {
    name: "pod-delete",
    commands: [
      "kubectl --namespace varve-test delete pod varve-2",
      "kubectl --namespace varve-test delete pod varve-2 --grace-period=0 --force",
    ],
  },
  {
    name: "volume-lost",
    commands: [
      "kubectl --namespace varve-test delete pvc data-varve-2 --wait=false",
      "kubectl --namespace varve-test delete pod varve-2 --grace-period=0 --force",
      expect.stringMatching(
        /^kubectl --namespace varve-test delete pv pv-of-claim-\d+ --wait=false --ignore-not-found$/,
      ),
      "kubectl --namespace varve-test exec varve-0 -- varve broker replace 3",
    ],
  },
  {
    name: "scale",
    commands: [
      "helm --namespace varve-test upgrade varve CHART --reuse-values --set replicas=5",
      "kubectl --namespace varve-test exec varve-0 -- varve cluster rebalance --dry-run --json",
      "kubectl --namespace varve-test exec varve-0 -- varve cluster rebalance",
      "helm --namespace varve-test upgrade varve CHART --reuse-values --set replicas=3",
      "kubectl --namespace varve-test logs job/varve-scale-guard",
      "helm --namespace varve-test upgrade varve CHART --reuse-values --set scaleGuard.admissionPolicy=true",
      "kubectl --namespace varve-test scale statefulset/varve --replicas=3 --dry-run=server",
      "kubectl --namespace varve-test exec varve-0 -- varve broker decommission 5 --progress",
      "kubectl --namespace varve-test exec varve-0 -- varve broker decommission 4 --progress",
      "helm --namespace varve-test upgrade varve CHART --reuse-values --set replicas=3",
      "kubectl --namespace varve-test delete pvc data-varve-3 data-varve-4",
    ],
  },
  {
    name: "node-cut-off",
    commands: [
      "docker exec kind-worker3 iptables -I FORWARD -s 10.244.0.10 -d 10.244.0.12 -j DROP",
      "docker exec kind-worker3 iptables -I FORWARD -s 10.244.0.11 -d 10.244.0.12 -j DROP",
      "docker exec kind-worker iptables -I FORWARD -s 10.244.0.12 -d 10.244.0.10 -j DROP",
      "docker exec kind-worker2 iptables -I FORWARD -s 10.244.0.12 -d 10.244.0.11 -j DROP",
      "docker exec kind-worker3 iptables -D FORWARD -s 10.244.0.10 -d 10.244.0.12 -j DROP",
    ],
  },
  {
    name: "container-kill",
    commands: [expect.stringMatching(/^docker exec kind-worker3 crictl stop --timeout 0 cpod-\d+$/)],
  },
])("$name gives the commands that were meant", async ({ name, commands }) => {
  const given = (await ran([name])).commands;
  const first = given.findIndex((command) => matches(command, commands[0]));
  expect(given.slice(first, first + commands.length)).toEqual(commands);
});

function matches(command: string, wanted: unknown): boolean {
  return typeof wanted === "string"
    ? command === wanted
    : (wanted as { asymmetricMatch(x: string): boolean }).asymmetricMatch(command);
}
