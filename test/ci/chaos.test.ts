/**
 * chaos.test.ts: a minute of `npm run chaos`: brokers are killed, frozen and cut off under load; every check of the history holds, and each fault
 * has struck. What is proven: test/chaos/README.md.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FAULTS = ["kill", "pause", "partition"];
const RUN_MS = 240_000;

const seed = Number(process.env["SEED"] ?? 1 + (Date.now() % 2 ** 32));
const out = mkdtempSync(join(tmpdir(), "varve-chaos-report-"));

beforeAll(() => {
  execFileSync(join(ROOT, "node_modules/.bin/tsc"), ["-b", "test/chaos"], { cwd: ROOT });
});

afterAll(() => rmSync(out, { recursive: true, force: true }));

function chaos(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(ROOT, "test/chaos/dist/chaos/main.js"), ...args, "--out", out], {
      stdio: "pipe",
    });
    let output = "";
    const keep = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

test(`what clients were told is true after a minute of ${FAULTS.join(", ")} (SEED=${seed})`, {
  timeout: RUN_MS,
}, async () => {
  const { code, output } = await chaos(["--minutes", "1", "--faults", FAULTS.join(","), "--seed", String(seed)]);
  process.stdout.write(output);
  expect(code, output).toBe(0);
  expect(output).toContain("all checks hold");
  for (const fault of FAULTS) expect(output, `${fault} has struck`).toMatch(new RegExp(`^${fault} +[1-9]`, "m"));
  const page = readFileSync(join(out, "report.html"), "utf8");
  expect(page).toContain(`seed ${seed}`);
  expect(page, "a page that needs nothing else").not.toMatch(/\b(?:src|href)=/);
});
