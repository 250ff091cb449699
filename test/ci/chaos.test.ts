/**
 * chaos.test.ts: a run of `npm run chaos`, a minute and more, in which every kind of fault strikes once: every check of the history holds, and each fault has
 * struck. And that the checks find what is broken, and that nothing is left of a run. What is proven: test/chaos/README.md.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VARIANTS } from "../chaos/broken/variants.js";
import { honestNames } from "../chaos/nemesis/index.js";
import { preloadProblem } from "../faults/preload.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Kinds that need a library inside the broker's process, which not every machine can build. */
const FROM_INSIDE = ["power", "disk-slow", "disk-fails", "clock"];
const RUN_MS = 600_000;
const GONE_MS = 10_000;

const seed = Number(process.env["SEED"] ?? 1 + (Date.now() % 2 ** 32));
const problem = preloadProblem();
if (problem !== null)
  console.warn(`disks that lie, fail or lose their power and clocks that jump are not tried: ${problem}`);
const folder = mkdtempSync(join(tmpdir(), "varve-chaos-test-"));
let runs = 0;

beforeAll(() => {
  execFileSync(join(ROOT, "node_modules/.bin/tsc"), ["-b", "test/chaos"], { cwd: ROOT });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Run {
  readonly code: number | null;
  readonly output: string;
  /** Where its report is. */
  readonly out: string;
}

/** @param heard is told of what the run has said so far, and may interrupt it. */
function chaos(
  args: readonly string[],
  heard: (output: string, interrupt: () => void) => void = () => {},
): Promise<Run> {
  const out = join(folder, `report-${++runs}`);
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
    child.once("close", (code) => resolve({ code, output, out }));
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

/** `no NAME: WHY` of a run's first lines: kinds that this machine cannot have. */
function unavailable(output: string): string[] {
  return [...output.matchAll(/^no ([\w-]+): .+$/gm)].map(([, name = ""]) => name);
}

test(`what clients were told is true while every kind of fault strikes once (SEED=${seed})`, {
  timeout: RUN_MS,
}, async () => {
  // Four brokers: with fewer, no replica has anywhere to move to.
  const { code, output, out } = await chaos(["--faults", "all", "--once", "--brokers", "4", "--minutes", "6"]);
  process.stdout.write(output);
  expect(code, output).toBe(0);
  expect(output).toContain("all checks hold");
  const skipped = unavailable(output);
  for (const name of skipped) console.warn(`${name} was not tried; the run says why`);
  expect(skipped.filter((name) => !FROM_INSIDE.includes(name))).toEqual([]);
  if (problem === null) expect(skipped).toEqual([]);
  for (const name of honestNames().filter((one) => !skipped.includes(one)))
    expect(output, `${name} has struck`).toMatch(new RegExp(`^${name} +[1-9]`, "m"));
  const page = readFileSync(join(out, "report.html"), "utf8");
  expect(page).toContain(`seed ${seed}`);
  expect(page, "a page that needs nothing else").not.toMatch(/\b(?:src|href)=/);
  await nothingIsLeft();
});

/** Frozen members take a minute and more to show; that variant is run by hand. */
const QUICK_VARIANTS = VARIANTS.filter(({ needsGroups }) => needsGroups !== true);

describe(`a control is found out (SEED=${seed})`, () => {
  test.each(QUICK_VARIANTS)(
    "$name: brokers that are broken on purpose",
    { timeout: RUN_MS },
    async ({ name, checks, rounds }) => {
      const { code, output } = await chaos(["--broken", name, ...shortly(rounds)]);
      expect(code, output).toBe(1);
      expect(output).toContain(`broken on purpose, and the checks must find it: ${name}`);
      expect(output).toMatch(new RegExp(`^(?:${checks.join("|")}) +VIOLATED [1-9]`, "m"));
    },
  );

  test.skipIf(problem !== null)("disks that lie about their syncs", { timeout: RUN_MS }, async () => {
    const { code, output } = await chaos(["--faults", "lying-disks", ...shortly(1)]);
    expect(code, output).toBe(1);
    expect(output).toMatch(/^K1 +VIOLATED [1-9]/m);
    expect(output).toContain("NOT CLEAN");
  });
});

function shortly(rounds: number): string[] {
  return ["--rounds", String(rounds), "--minutes", "2", "--no-groups"];
}

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
