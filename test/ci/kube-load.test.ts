/**
 * kube-load.test.ts: the load of test/kube as the program that a pod runs: started from exactly the files that a ConfigMap brings, steered as from outside, on three
 * real brokers of this process, one of which is killed; then two loads at once on the same brokers. Their histories are judged.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Varve } from "@varve/client";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePorts } from "../integration/ports.js";
import { filesOf } from "../kube/cluster/load-files.js";
import { judge, type LoadHandle, type LoadVerdict, planOf } from "../kube/cluster/load-handle.js";
import { startLocalLoad } from "../kube/cluster/local-load.js";
import { KubeLoad } from "../kube/load/load.js";
import type { LoadEnd } from "../kube/load/plan.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** What a ConfigMap may hold, less what stands around the files. */
const CONFIG_MAP_BYTES_MAX = 900_000;
/** kubectl keeps a copy of what it applies in an annotation of at most so many bytes. */
const APPLIED_BYTES_MAX = 262_144;

let folder: string;
let cluster: TestCluster;
let program: string;
const loads: LoadHandle[] = [];

beforeAll(async () => {
  execFileSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-b", join(ROOT, "test/kube")]);
  folder = mkdtempSync(join(tmpdir(), "varve-load-"));
  program = programIn(folder);
  cluster = await startCluster({ brokers: 3 });
});

afterAll(async () => {
  for (const load of loads) await load.remove();
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("the files of the ConfigMap are a whole program whose history holds when a broker is killed", async () => {
  const bytes = [...programFiles().values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  expect(bytes).toBeLessThan(Math.min(CONFIG_MAP_BYTES_MAX, APPLIED_BYTES_MAX));
  const load = await start("first");
  await load.begin("kill", "broker 2");
  await cluster.kill(2);
  await cluster.restart(2);
  await load.end();
  await getsOn(load);
  const end = await load.stop();
  expect(end.gaps).toHaveLength(6);
  const verdict = await judged(load, end);
  expect(verdict.problems).toEqual([]);
  expect(verdict.acknowledged).toBeGreaterThan(90);
});

test("two loads at once on brokers that have had one before do not count each other's records, nor take each other's work", async () => {
  const both = [await start("inside"), await start("outside")];
  await Promise.all(both.map(getsOn));
  for (const load of both) expect((await judged(load, await load.stop())).problems, load.name).toEqual([]);
});

test("a load does not begin on a topic with records of others", async () => {
  const topic = "orders";
  const varve = new Varve({ bootstrap: cluster.bootstrap });
  await varve.admin.createTopic({ topic, partitions: 6, replicas: 3 });
  const producer = varve.producer();
  await producer.send({ topic, value: "not ours" });
  await producer.close();
  await varve.close();
  const plan = planOf({ bootstrap: cluster.bootstrap.join(","), folder, topic });
  await expect(KubeLoad.start(plan)).rejects.toThrow("the topic orders has records of others");
});

test("the list of scenarios does not complain of a reader that has gone", async () => {
  const main = join(ROOT, "test/kube/dist/kube/main.js");
  const child = spawn(process.execPath, [main, "--list"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.on("data", (text: Buffer) => (stderr += text.toString()));
  const [code] = await once(child, "close");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});

function programFiles(): ReadonlyMap<string, string> {
  return filesOf(join(ROOT, "test/kube/dist"));
}

/** As the kubelet lays a ConfigMap out: what is seen are links into a folder of this version; and the modules lie beside the program's folder. */
function programIn(place: string): string {
  const laid = join(place, "app/load");
  const version = join(laid, "..version");
  for (const [path, text] of [...programFiles(), ["package.json", '{ "type": "module" }'] as const]) {
    mkdirSync(dirname(join(version, path)), { recursive: true });
    writeFileSync(join(version, path), text);
  }
  for (const name of ["kube", "chaos", "package.json"]) symlinkSync(join("..version", name), join(laid, name));
  symlinkSync(join(ROOT, "node_modules"), join(place, "app/node_modules"));
  return laid;
}

async function start(name: string): Promise<LoadHandle> {
  const [controlPort = 0] = await freePorts(1);
  const own = join(folder, name);
  mkdirSync(own);
  const small = { bytesPerSecond: 40_000, recordBytes: 1_000, controlPort };
  const load = await startLocalLoad(
    planOf({ bootstrap: cluster.bootstrap.join(","), folder: own, ...small }),
    program,
    name,
  );
  loads.push(load);
  return load;
}

async function getsOn(load: LoadHandle): Promise<void> {
  const before = await load.status();
  await expect
    .poll(async () => (await load.status()).acknowledged, { timeout: 60_000 })
    .toBeGreaterThan(before.acknowledged + 50);
}

/** The verdict, without K14, which judges times, and this machine may be busy. */
async function judged(load: LoadHandle, end: LoadEnd): Promise<LoadVerdict> {
  const verdict = judge(load.name, end, await load.fetchHistory(join(folder, `${load.name}.jsonl.gz`)));
  return { ...verdict, problems: verdict.problems.filter((problem) => !problem.startsWith("K14")) };
}
