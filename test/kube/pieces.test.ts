/** pieces.test.ts: the parts that every scenario stands on: programs that are run, settings, the load's pod, the table that comes out. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { at, find, objectsOf } from "../deploy/chart.js";
import { notes } from "../deploy/notes.js";
import { type PodSpec, podProblems } from "../deploy/policy.js";
import { CHART, judge as conform, lacks, ROOT, run } from "../deploy/tools.js";
import { Helm } from "./cluster/helm.js";
import { keyOf } from "./cluster/load-files.js";
import { planOf } from "./cluster/load-handle.js";
import { loadManifest } from "./cluster/load-manifest.js";
import { realWorld, type World } from "./cluster/runner.js";
import { compiledPrograms } from "./fake/programs.js";
import { markdownOf } from "./report/report.js";
import { SCENARIOS } from "./scenarios/index.js";
import { adapted } from "./scenarios/install.js";
import { notesCommands } from "./scenarios/notes-commands.js";
import { imageOf, parseSettings } from "./settings.js";

const NODE = process.execPath;

test("a program's output, errors and exit code are told; its input reaches it", async () => {
  const echo = "process.stdin.pipe(process.stdout); console.error('said'); process.exitCode = 3";
  expect(await realWorld.run([NODE, "-e", echo], { input: "asked" })).toEqual({
    code: 3,
    stdout: "asked",
    stderr: "said\n",
  });
});

test("a program that hangs is ended at its deadline, one that is not there is a result like any other", async () => {
  const hung = await realWorld.run([NODE, "-e", "setInterval(() => {}, 1000)"], { timeoutMs: 500 });
  expect(hung.code).toBeNull();
  expect(hung.stderr).toMatch(/was ended: no end within 0.5 s/);
  expect(await realWorld.run(["no-such-program"])).toMatchObject({ code: null, stderr: /no-such-program/ });
});

test("output may go to a file, byte by byte", async () => {
  const folder = mkdtempSync(join(tmpdir(), "varve-kube-"));
  try {
    const file = join(folder, "out");
    const write = "process.stdout.write(Buffer.from([0, 255, 10, 200]))";
    expect(await realWorld.run([NODE, "-e", write], { stdoutFile: file })).toMatchObject({ code: 0, stdout: "" });
    expect([...readFileSync(file)]).toEqual([0, 255, 10, 200]);
    // Nothing is in a pipe before somebody reads: the program is gone long before that.
    const slow = join(folder, "slow");
    execFileSync("mkfifo", [slow]);
    let isOver = false;
    const writing = realWorld.run([NODE, "-e", write], { stdoutFile: slow }).then(() => {
      isOver = true;
    });
    await setTimeout(500);
    expect(isOver, "what it wrote is not there yet").toBe(false);
    expect([...(await readFile(slow))]).toEqual([0, 255, 10, 200]);
    await writing;
    const refused = await realWorld.run([NODE, "-e", write], { stdoutFile: join(folder, "no/such/folder") });
    expect(refused).toMatchObject({ code: null, stderr: expect.stringMatching(/ENOENT/) });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const BUILT = { version: "0.1.0", kustomizeBase: "base" };

test("settings have defaults; images need a tag, and may come from a registry with a port", () => {
  expect(parseSettings([], {}, BUILT)).toMatchObject({
    namespace: "varve-test",
    image: { repository: "varve", tag: "0.1.0" },
    previousImage: null,
    only: [],
    steadyMs: 10_000,
  });
  expect(imageOf("registry.example:5000/a/varve:1.2")).toEqual({
    repository: "registry.example:5000/a/varve",
    tag: "1.2",
  });
  expect(() => imageOf("registry.example:5000/varve")).toThrow(/REPOSITORY:TAG/);
  expect(() => parseSettings(["--steady", "long"], {}, BUILT)).toThrow(/--steady/);
});

test.skipIf(lacks("helm"))(
  "the commands that helm install prints are found, and the made-up cluster prints the same",
  () => {
    const printed = notes([], "NAMESPACE");
    expect(printed).toBe(readFileSync(new URL("fake/notes.txt", import.meta.url), "utf8"));
    const commands = notesCommands(printed);
    expect(commands).toHaveLength(6);
    expect(commands[0]).toBe("kubectl -n NAMESPACE rollout status statefulset/varve");
    expect(commands.at(-1)).toMatch(/varve consume orders --from earliest --to end$/);
  },
);

/** The load's objects. */
function manifest(tlsSecret: string | null): string {
  const folder = mkdtempSync(join(tmpdir(), "varve-kube-"));
  try {
    const plan = planOf({ bootstrap: "varve:7650", folder: "/work" });
    const compiled = compiledPrograms(folder);
    return loadManifest({
      name: "varve-load",
      namespace: "varve-test",
      image: "varve:0.1.0",
      compiled,
      plan,
      tlsSecret,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the load's pod is a restricted one, and brings its program where the image's modules are found", () => {
  const { items } = JSON.parse(manifest("varve-tls")) as {
    items: [{ data: Record<string, string> }, { spec: PodSpec }];
  };
  const [{ data }, { spec }] = items;
  expect(podProblems(spec)).toEqual([]);
  const program = spec.volumes?.find(({ name }) => name === "program");
  const placed = at(program, "configMap", "items") as readonly { key: string }[];
  expect(placed).toContainEqual({ key: keyOf("kube/load/main.js"), path: "kube/load/main.js" });
  expect(Object.keys(data).sort()).toEqual(placed.map(({ key }) => key).sort());
  expect(JSON.stringify(spec)).toContain('"mountPath":"/app/load"');
});

test.skipIf(lacks("kubeconform"))("the load's objects are valid for Kubernetes' own schemas", () => {
  const schemas = `${ROOT}test/fixtures/kubernetes`;
  for (const version of ["v1.30", "v1.35"]) {
    const place = `${schemas}/${version}/{{.ResourceKind}}{{.KindSuffix}}.json`;
    const { items } = JSON.parse(manifest("varve-tls")) as { items: object[] };
    for (const object of items)
      expect(conform("kubeconform", ["-strict", "-schema-location", place, "-"], JSON.stringify(object))).toEqual({
        ok: true,
        said: "",
      });
  }
});

test.skipIf(lacks("kubectl"))(
  "the kustomize base takes this run's image and class of storage, and no more is changed",
  () => {
    const built = run("kubectl", ["kustomize", `${ROOT}deploy/kustomize/base`]);
    const image = { repository: "registry.example:5000/varve", tag: "1" };
    const plain = objectsOf(built);
    const changed = structuredClone(objectsOf(adapted(built, { image, storageClass: "fast" })));
    const set = find(changed, "StatefulSet", "varve");
    const container = at(set, "spec", "template", "spec", "containers", 0) as { image: string };
    const claim = at(set, "spec", "volumeClaimTemplates", 0, "spec") as { storageClassName?: string };
    expect([container.image, claim.storageClassName]).toEqual(["registry.example:5000/varve:1", "fast"]);
    container.image = "varve:0.1.0";
    delete claim.storageClassName;
    expect(changed).toEqual(plain);
  },
);

test.skipIf(lacks("helm"))("values reach the chart as the types that they have here", async () => {
  const seen: string[][] = [];
  const world: World = {
    ...realWorld,
    run: async (argv) => {
      seen.push([...argv]);
      return { code: 0, stdout: "", stderr: "" };
    },
  };
  const values = { "image.repository": "a,b\\c", "image.tag": "1", replicas: 5, "scaleGuard.enabled": false };
  await new Helm(world, "CHART", "varve-test").install(values);
  const set = seen[0]?.slice(seen[0].indexOf("10m") + 1) ?? [];
  const rendered = objectsOf(run("helm", ["template", "varve", CHART, "--kube-version", "1.33", ...set]));
  const brokers = find(rendered, "StatefulSet", "varve");
  expect(at(brokers, "spec", "template", "spec", "containers", 0, "image")).toBe("a,b\\c:1");
  expect(at(brokers, "spec", "replicas")).toBe(5);
});

test("deploy/README.md names every scenario, and what came of it", () => {
  const text = readFileSync(`${ROOT}deploy/README.md`, "utf8");
  const section = text.split("### Scenarios for a real Kubernetes")[1]?.split("**Not run**")[0] ?? "";
  const rows = [...section.matchAll(/^\| ([a-z-]+) \| .* \| (.+) \|$/gm)].map(([, name, gaps]) => ({ name, gaps }));
  expect(rows.map(({ name }) => name)).toEqual(SCENARIOS.map(({ name }) => name));
  expect(rows.filter(({ gaps }) => gaps === "")).toEqual([]);
});

test("the table has a row for each step, and never calls passed what did not run", () => {
  const scenario = { id: "5.2", name: "rolling-restart", title: "", notes: ["at least 2 ready"], verdicts: [] };
  const gaps = [120, 80].map((ms, partition) => ({ partition, ms }));
  const text = markdownOf({
    date: "2026-11-21",
    machine: "kind",
    image: "varve:0.1.0",
    scenarios: [
      {
        ...scenario,
        rows: [{ step: "rolling restart", load: "varve-load", gaps, seconds: 61 }],
        verdicts: [{ load: "varve-load", acknowledged: 5_000, events: 10, problems: [] }],
        outcome: { kind: "passed", seconds: 90 },
      },
      {
        ...scenario,
        name: "node-kill",
        rows: [],
        notes: [],
        outcome: { kind: "skipped", reason: "needs a | cluster" },
      },
      { ...scenario, name: "scale", rows: [], notes: [], outcome: { kind: "failed", why: "a\nb", seconds: 1 } },
    ],
  });
  expect(text).toContain(
    "| 5.2 | rolling-restart | rolling restart | 0.12 0.08 | 61 | passed: 5000 records acknowledged, nothing lost; at least 2 ready |",
  );
  expect(text).toContain("| 5.2 | node-kill |  |  |  | not run: needs a \\| cluster |");
  expect(text).toContain("| 5.2 | scale |  |  |  | **failed**: a b |");
});
