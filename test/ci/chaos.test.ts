/**
 * chaos.test.ts: a minute of `npm run chaos`: brokers are killed, frozen and cut off under load; every check of the history holds, and each fault
 * has struck. And that the checks find what is broken, and that nothing is left of a run. What is proven: test/chaos/README.md.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { preloadProblem } from "../faults/preload.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FAULTS = ["kill", "pause", "partition"];
const RUN_MS = 240_000;
const GONE_MS = 10_000;

const seed = Number(process.env["SEED"] ?? 1 + (Date.now() % 2 ** 32));
const folder = mkdtempSync(join(tmpdir(), "varve-chaos-test-"));
const out = join(folder, "report");

beforeAll(() => {
  execFileSync(join(ROOT, "node_modules/.bin/tsc"), ["-b", "test/chaos"], { cwd: ROOT });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Run {
  readonly code: number | null;
  readonly output: string;
}

/** @param heard is told of what the run has said so far, and may interrupt it. */
function chaos(
  args: readonly string[],
  heard: (output: string, interrupt: () => void) => void = () => {},
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const program = [join(ROOT, "test/chaos/dist/chaos/main.js"), ...args, "--seed", String(seed), "--out", out];
    // Brokers and workers inherit the folder, by which those that are left would be found.
    const child = spawn(process.execPath, program, { stdio: "pipe", env: { ...process.env, TMPDIR: folder } });
    let output = "";
    const keep = (chunk: Buffer): void => {
      output += chunk.toString();
      heard(output, () => child.kill("SIGINT"));
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

/** Processes that runs of this test have started and that live; none where the system does not show them. */
function left(): string[] {
  if (process.platform !== "linux") return [];
  const ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return ids.filter((id) => {
    try {
      return readFileSync(`/proc/${id}/environ`, "utf8").includes(`TMPDIR=${folder}`);
    } catch {
      return false;
    }
  });
}

async function nothingIsLeft(): Promise<void> {
  const endMs = performance.now() + GONE_MS;
  while (left().length > 0) {
    if (performance.now() > endMs) expect(left()).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 50)); // Between two looks; the deadline bounds them.
  }
}

test(`what clients were told is true after a minute of ${FAULTS.join(", ")} (SEED=${seed})`, {
  timeout: RUN_MS,
}, async () => {
  const { code, output } = await chaos(["--minutes", "1", "--faults", FAULTS.join(",")]);
  process.stdout.write(output);
  expect(code, output).toBe(0);
  expect(output).toContain("all checks hold");
  for (const fault of FAULTS) expect(output, `${fault} has struck`).toMatch(new RegExp(`^${fault} +[1-9]`, "m"));
  const page = readFileSync(join(out, "report.html"), "utf8");
  expect(page).toContain(`seed ${seed}`);
  expect(page, "a page that needs nothing else").not.toMatch(/\b(?:src|href)=/);
  await nothingIsLeft();
});

const problem = preloadProblem();
if (problem !== null) console.warn(`disks that lie are not tried: ${problem}`);

test.skipIf(problem !== null)(
  `disks that lie about their syncs are found out: K1 is violated (SEED=${seed})`,
  {
    timeout: RUN_MS,
  },
  async () => {
    const { code, output } = await chaos(["--minutes", "1", "--faults", "lying-disks", "--rounds", "1", "--no-groups"]);
    expect(code, output).toBe(1);
    expect(output).toMatch(/^K1 +VIOLATED [1-9]/m);
    expect(output).toContain("NOT CLEAN");
  },
);

test(`Ctrl-C ends the load and judges what there is; twice ends everything at once, frozen brokers too (SEED=${seed})`, {
  timeout: RUN_MS,
}, async () => {
  let isInterrupted = false;
  const once = await chaos(["--minutes", "5", "--faults", "pause"], (output, interrupt) => {
    if (isInterrupted || !output.includes("pause: broker")) return;
    isInterrupted = true;
    interrupt();
  });
  expect(once.code, once.output).toBe(0);
  expect(once.output).toContain("all checks hold");
  await nothingIsLeft();
  let interrupts = 0;
  const twice = await chaos(["--minutes", "5", "--faults", "pause"], (output, interrupt) => {
    if (!output.includes("pause: broker") || interrupts > 0) return;
    interrupts++;
    interrupt();
    setTimeout(interrupt, 100); // Two signals at the same time arrive as one.
  });
  expect(twice.code, twice.output).toBe(1);
  await nothingIsLeft();
});
