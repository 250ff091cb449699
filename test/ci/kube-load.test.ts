/**
 * kube-load.test.ts: the load of test/kube as the program that a pod runs: started from exactly the files that a ConfigMap brings, steered as from outside, on three
 * real brokers of this process, one of which is killed. Its history is judged.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePorts } from "../integration/ports.js";
import { filesOf } from "../kube/cluster/load-files.js";
import { judge, type LoadHandle, planOf } from "../kube/cluster/load-handle.js";
import { startLocalLoad } from "../kube/cluster/local-load.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** What a ConfigMap may hold, less what stands around the files. */
const CONFIG_MAP_BYTES_MAX = 900_000;
/** kubectl keeps a copy of what it applies in an annotation of at most so many bytes. */
const APPLIED_BYTES_MAX = 262_144;

let folder: string;
let cluster: TestCluster;
let load: LoadHandle | null = null;

beforeAll(async () => {
  execFileSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-b", join(ROOT, "test/kube")]);
  folder = mkdtempSync(join(tmpdir(), "varve-load-"));
  cluster = await startCluster({ brokers: 3 });
});

afterAll(async () => {
  await load?.remove();
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("the files of the ConfigMap are a whole program whose history holds when a broker is killed", async () => {
  const files = filesOf(join(ROOT, "test/kube/dist"));
  const bytes = [...files.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  expect(bytes).toBeLessThan(Math.min(CONFIG_MAP_BYTES_MAX, APPLIED_BYTES_MAX));
  // As the kubelet lays a ConfigMap out: what is seen are links into a folder of this version; and the modules lie beside the program's folder.
  const program = join(folder, "app/load");
  const version = join(program, "..version");
  for (const [path, text] of [...files, ["package.json", '{ "type": "module" }'] as const]) {
    mkdirSync(dirname(join(version, path)), { recursive: true });
    writeFileSync(join(version, path), text);
  }
  for (const name of ["kube", "chaos", "package.json"]) symlinkSync(join("..version", name), join(program, name));
  symlinkSync(join(ROOT, "node_modules"), join(folder, "app/node_modules"));

  const [controlPort = 0] = await freePorts(1);
  const bootstrap = cluster.bootstrap.join(",");
  const small = { bytesPerSecond: 40_000, recordBytes: 1_000, controlPort };
  const plan = planOf({ bootstrap, topic: "load", folder, ...small });
  load = await startLocalLoad(plan, program);
  await load.begin("kill", "broker 2");
  await cluster.kill(2);
  await cluster.restart(2);
  await load.end();
  const before = await load.status();
  await expect
    .poll(async () => (await load?.status())?.acknowledged, { timeout: 60_000 })
    .toBeGreaterThan(before.acknowledged + 50);
  const end = await load.stop();
  expect(end.gaps).toHaveLength(6);
  const compressed = join(folder, "history.jsonl.gz");
  await load.fetchHistory(compressed);
  const verdict = await judge("load", end, compressed);
  // K14 judges times, and this machine may be busy.
  expect(verdict.problems.filter((problem) => !problem.startsWith("K14"))).toEqual([]);
  expect(verdict.acknowledged).toBeGreaterThan(90);
});
