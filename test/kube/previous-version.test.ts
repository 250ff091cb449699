/**
 * previous-version.test.ts: the commit of `previous-version`, whose image the scenario `upgrade` begins with, is one that the chart can run: its broker takes the
 * file that the chart makes, starts with it, and answers the probes and the stop gate that the chart asks for.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { at, find, render, settingsText } from "../deploy/chart.js";
import { lacks } from "../deploy/tools.js";
import { PreviousBuild, previousMissing } from "../e2e/previous-build.js";
import { freePorts } from "../integration/ports.js";

const COMMIT = readFileSync(new URL("previous-version", import.meta.url), "utf8").trim();
const READY_MS = 60_000;
/** What the pod's specification adds to the file. */
const POD = { HOSTNAME: "varve-0", POD_NAMESPACE: "varve", NODE_NAME: "node-1", VARVE_RACK: "zone-a" };

const missing = previousMissing(COMMIT);
if (missing !== null) process.stderr.write(`skipped: ${missing}\n`);
const cannot = missing !== null || lacks("helm");

let previous: PreviousBuild | null = null;
let folder = "";

beforeAll(() => {
  if (cannot) return;
  previous = new PreviousBuild(COMMIT);
  folder = mkdtempSync(join(tmpdir(), "varve-chart-"));
});

afterAll(() => {
  previous?.remove();
  if (folder !== "") rmSync(folder, { recursive: true, force: true });
});

test.skipIf(cannot)("its config check takes the settings file of the chart", () => {
  const file = join(folder, "broker.yaml");
  writeFileSync(file, settingsText(render([])));
  const said = execFileSync(process.execPath, [previous?.command ?? "", "config", "check", file], {
    env: { ...process.env, ...POD },
    encoding: "utf8",
  });
  expect(said).toMatch(/is valid|: valid|^valid/m);
});

test.skipIf(cannot)("its broker starts by that file, and answers what the kubelet asks", async () => {
  const objects = render([]);
  const [grpcPort, peerPort, opsPort] = await freePorts(3);
  const settings = parse(settingsText(objects));
  // What differs between a pod and this machine: the folder, the ports, and that a pod has a name.
  settings.dataDir = join(folder, "data");
  settings.listen = { ...settings.listen, address: "127.0.0.1", grpcPort, peerPort, opsPort };
  settings.advertised = {};
  settings.cluster = { seeds: [`127.0.0.1:${peerPort}`] };
  const file = join(folder, "here.yaml");
  writeFileSync(file, stringify(settings));
  const args = at(find(objects, "StatefulSet", "varve"), ...CONTAINER, "args") as string[];
  const command = args.map((arg) => (arg.endsWith("broker.yaml") ? file : arg));
  const env = { ...process.env, ...POD };
  const broker = spawn(process.execPath, [previous?.command ?? "", ...command], { env, stdio: "ignore" });
  const ended = once(broker, "close");
  try {
    const ask = async (path: string): Promise<number> =>
      (await fetch(`http://127.0.0.1:${opsPort}${path}`).catch(() => null))?.status ?? 0;
    for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"])
      await expect.poll(() => ask(pathOf(objects, probe)), { timeout: READY_MS, message: probe }).toBe(200);
    expect(await ask(pathOf(objects, "lifecycle", "preStop")), "stop gate").toBe(200);
  } finally {
    broker.kill("SIGKILL");
    await ended;
  }
});

const CONTAINER = ["spec", "template", "spec", "containers", 0] as const;

/** The path of an `httpGet` of the brokers' container. */
function pathOf(objects: ReturnType<typeof render>, ...part: readonly string[]): string {
  return String(at(find(objects, "StatefulSet", "varve"), ...CONTAINER, ...part, "httpGet", "path"));
}
