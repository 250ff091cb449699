/** dev.test.ts: `varve dev --tls` as a user types it: brokers as processes of their own, the command line and the SDK with what dev.json says. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Varve } from "@varve/client";
import { findFreePorts } from "varve";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

const STATE = { timeout: 90_000, interval: 50 };
const VARVE = fileURLToPath(new URL("../../packages/cli/bin/varve.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "varve-dev-tls-"));
let dev: ChildProcess;
let file: { readonly bootstrap: string; readonly tls: { readonly caFile: string } };

beforeAll(async () => {
  const [ports] = await findFreePorts(1);
  dev = spawn(
    process.execPath,
    [VARVE, "dev", "--tls", "--brokers", "1", "--data-dir", folder, "--port", String(ports?.grpc)],
    {
      stdio: "ignore",
    },
  );
  await vi.waitFor(() => {
    expect(dev.exitCode).toBeNull();
    file = JSON.parse(readFileSync(join(folder, "dev.json"), "utf8"));
  }, STATE);
});

afterAll(async () => {
  const gone = new Promise((resolve) => dev.once("exit", resolve));
  dev.kill("SIGTERM");
  await gone;
  rmSync(folder, { recursive: true, force: true });
});

function varve(...args: string[]): Promise<{ readonly code: number | null; readonly text: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [VARVE, "--json", "--bootstrap", file.bootstrap, ...args]);
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
    child.once("close", (code) => resolve({ code, text }));
  });
}

test("the command line and the SDK are served with the authority of dev.json, and told at once what is wrong without it", async () => {
  const made = await varve("--tls-ca-file", file.tls.caFile, "topic", "create", "orders", "--partitions", "1");
  expect(made).toMatchObject({ code: 0 });
  const client = new Varve({ bootstrap: file.bootstrap, tls: file.tls });
  expect(await client.admin.listTopics()).toMatchObject([{ topic: "orders" }]);
  await client.close();
  const [plain, system] = await Promise.all([varve("topic", "list"), varve("--tls", "topic", "list")]);
  expect(plain.code).toBe(1);
  expect(JSON.parse(plain.text)).toMatchObject({ error: { code: "TLS_FAILED", details: { reason: "tls-required" } } });
  expect(system.code).toBe(1);
  expect(JSON.parse(system.text)).toMatchObject({
    error: { code: "TLS_FAILED", details: { reason: "unknown-authority" } },
  });
  for (const { text } of [plain, system]) expect(text).toContain("in --tls-ca-file");
});
