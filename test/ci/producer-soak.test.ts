/**
 * producer-soak.test.ts: a minute of `npm run soak`: 5,000 sends a second to three broker processes that are killed, stopped and frozen again and
 * again, all of them together too. What is proven: test/soak/ledger.ts and test/soak/memory.ts.
 */
import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** 20,000 sends that are not settled take 30 MiB. All brokers are down for 6 s: long enough for deliveries to fail, twice in the minute. */
const HEAP_MIB = 96;
const ARGS = ["--minutes", "1", "--sends-per-second", "5000", "--delivery-timeout-ms", "4000"];
const RUN_MS = 240_000;

const seed = Number(process.env["SEED"] ?? 1 + (Date.now() % 2 ** 32));

function run(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const program = [`--max-old-space-size=${HEAP_MIB}`, join(ROOT, "test/soak/dist/main.js")];
    const child = spawn(process.execPath, [...program, ...args], { stdio: "pipe" });
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

test(`a producer tells the truth about every send, and its memory does not keep growing (SEED=${seed})`, {
  timeout: RUN_MS,
}, async () => {
  execFileSync(join(ROOT, "node_modules/.bin/tsc"), ["-b", "test/soak"], { cwd: ROOT });
  const { code, output } = await run([...ARGS, "--seed", String(seed)]);
  process.stdout.write(output);
  expect(code, output).toBe(0);
  expect(output, "deliveries failed without a trace").toMatch(/failed [1-9]\d* NOT_APPLIED [1-9]\d* UNKNOWN/);
});
