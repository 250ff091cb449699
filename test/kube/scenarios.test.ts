/**
 * scenarios.test.ts: every scenario from its first command to its last, on a made-up cluster: that it gives the commands of the runbooks, passes where all
 * is well, notices what it is there to notice, and leaves a cluster that is well. It proves nothing about Kubernetes.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { FakeCluster, Flaws } from "./fake/fake-cluster.js";
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

async function ran(
  names: readonly string[],
  flaws: Flaws = {},
  env: Record<string, string> = {},
  prepare: (cluster: FakeCluster) => void = () => {},
): Promise<Ran> {
  const folder = mkdtempSync(join(tmpdir(), "varve-kube-"));
  folders.push(folder);
  const world = new FakeWorld(flaws);
  prepare(world.cluster);
  const args = ["--out", folder, "--only", names.join(",")];
  const settings = parseSettings(args, env, { version: "0.1.0", kustomizeBase: "base" });
  const run = await KubeRun.open({
    world,
    settings,
    chart: "CHART",
    compiled: compiledPrograms(folder),
    startLocalLoad: (plan) => world.startLocalLoad("varve-test", plan),
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
  expect([...world.cluster.cordoned, ...world.cluster.down.keys(), ...world.cut]).toEqual([]);
  const { loads } = left;
  expect([...loads.topics.keys(), ...loads.groups()], "no records of loads are left").toEqual([]);
  const anew = world.commands.filter((command) => command.includes("delete namespace varve-test "));
  expect(anew, "the cluster was mended, not made anew").toEqual([]);
  expect(world.disturbed, "what loads measure is what the scenario did").toEqual([]);
  const others = [...world.cluster.releases].filter(
    ([namespace, { pods }]) => namespace !== "varve-test" && pods.length > 0,
  );
  expect(others, "no namespace of its own is left").toEqual([]);
  expect(world.commands.filter((command) => command.includes("undefined") || command.includes("  "))).toEqual([]);
});

test.each<{ name: string; flaws: Flaws; why: string; said: RegExp }>([
  { name: "install", why: "a slow start", flaws: { readyAfterMs: 70_000 }, said: /took 7\d\.\d s to 3\/3 ready, more/ },
  {
    name: "install",
    why: "records that a cluster by kustomize does not give back",
    flaws: { forgetsIn: "kustomize" },
    said: /varve-test-kustomize exec varve-0 -- varve consume orders .* wrote/,
  },
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
  {
    name: "volume-lost",
    why: "an empty volume that is slow to come",
    flaws: { emptyVolumeIsFine: true, readyAfterMs: 70_000 },
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

test("a history that breaks off on its way is asked for again, not for ever", async () => {
  expect((await ran(["rolling-restart"], { breaksOff: 2 })).reports[0]?.outcome.kind).toBe("passed");
  expect((await ran(["rolling-restart"], { breaksOff: 3 })).reports[0]?.outcome).toMatchObject({
    kind: "failed",
    why: expect.stringMatching(/unexpected end of file/),
  });
});

test("images whose tags look like numbers are strings to the chart", async () => {
  const { reports, commands } = await ran(["install"], {}, { VARVE_KUBE_IMAGE: "registry.example:5000/varve:1" });
  expect(reports[0]?.outcome).toMatchObject({ kind: "passed" });
  expect(commands.find((command) => command.includes(" install "))).toContain(
    " --set-string image.tag=1 --set replicas=3 ",
  );
});

test("loads of all scenarios have topics and groups of their own, one after the other and side by side", async () => {
  const { reports } = await ran(["rolling-restart", "pod-delete", "inside-outside"]);
  expect(reports.map(({ outcome }) => outcome.kind)).toEqual(["passed", "passed", "passed"]);
});

test("a scenario begins when what came before it has rolled out, not when all pods look well on the way", async () => {
  const { world, reports } = await ran(["pod-delete"], {}, {}, (cluster) => {
    const left = cluster.release("varve-test");
    left.set({ replicas: "3", "external.enabled": "true" });
    cluster.advance(60_000);
  });
  expect(reports[0]?.outcome).toMatchObject({ kind: "passed" });
  expect(world.disturbed).toEqual([]);
});

test("nodes that a scenario left dead are started again, and claims of brokers that left are deleted", async () => {
  const { world } = await ran(["pod-delete"], {}, {}, (cluster) => {
    const left = cluster.release("varve-test");
    left.set({ replicas: "3" });
    cluster.advance(60_000);
    left.claims.set(4, "claim-of-5");
    cluster.down.set("kind-worker3", cluster.nowMs);
    cluster.advance(60_000);
  });
  expect([...world.cluster.down.keys()]).toEqual([]);
  expect([...world.cluster.release("varve-test").claims.keys()]).toEqual([0, 1, 2]);
});

test("on one node that runs everything, pods are broken and nodes are not", async () => {
  const names = ["pod-delete", "container-kill", "node-kill", "node-drain", "volume-lost", "nodes-restart"];
  const { reports } = await ran(names, { hasOneNode: true });
  expect(Object.fromEntries(reports.map(({ name, outcome }) => [name, outcome.kind]))).toEqual({
    "pod-delete": "passed",
    "container-kill": "passed",
    "node-kill": "skipped",
    "node-drain": "skipped",
    "volume-lost": "passed",
    "nodes-restart": "skipped",
  });
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
    commands: [expect.stringMatching(/^docker exec kind-worker3 crictl stop --timeout 0 cpod-\d+-0$/)],
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
