/** real-disk.test.ts: processes of their own on a real folder: who may have it, and what is left when it is closed. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { nodeClock, nodeRandom } from "@varve/base/node";
import { nodeCodec } from "@varve/records/node";
import { nodeDisk, nodeWalThread } from "@varve/storage/node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openStorage, type Storage } from "./index.js";
import { tinyOptions } from "./testing/log-driver.js";

const CHILD = fileURLToPath(new URL("../dist/testing/real-disk-child.js", import.meta.url));
let dir = "";
const children: ChildProcessWithoutNullStreams[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "varve-real-disk-"));
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(dir, { recursive: true, force: true });
});

/** Starts the program on the folder; gives its lines. */
function run(mode: "hold" | "cycle"): { child: ChildProcessWithoutNullStreams; lines: AsyncIterator<string> } {
  const child = spawn(process.execPath, [CHILD, dir, mode]);
  child.stderr.pipe(process.stderr);
  children.push(child);
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

function openHere(): Promise<Storage> {
  const options = { ...tinyOptions(nodeClock, 1), random: nodeRandom };
  return openStorage(dir, nodeDisk, nodeWalThread(), nodeCodec, options);
}

test("a folder that another process has is refused by name; when that one is killed the folder is free, with all it wrote", async () => {
  const { child, lines } = run("hold");
  expect((await lines.next()).value).toBe("open");
  await expect(openHere()).rejects.toMatchObject({
    code: "DATA_DIR_UNUSABLE",
    message: expect.stringContaining(`process ${child.pid}`),
    details: { pid: child.pid },
  });
  child.kill("SIGKILL");
  await once(child, "exit");
  const storage = await openHere();
  expect(storage.group(1)?.lastIndex()).toBe(1);
  expect(storage.group(1)?.hardState).toMatchObject({ term: 1, vote: 1 });
  await storage.close();
});

test("close leaves no thread, no open file, no timer and no lock, so the process ends by itself", async () => {
  const { child, lines } = run("cycle");
  const { before, after } = JSON.parse((await lines.next()).value ?? "{}");
  expect(after.threads).toBe(before.threads);
  // The system may still be closing the first round's last file.
  expect(after.files).toBeLessThanOrEqual(before.files);
  expect(after.resources).toEqual([]);
  const [code] = await once(child, "exit");
  expect(code).toBe(0);
  expect(await readdir(dir)).not.toContain("lock");
});

test("a WAL thread that cannot start makes the open fail, and says so", async () => {
  const program = new URL(`data:text/javascript,${encodeURIComponent("throw new Error('no such program')")}`);
  const options = { ...tinyOptions(nodeClock, 1), random: nodeRandom };
  const opening = openStorage(dir, nodeDisk, nodeWalThread(program), nodeCodec, options);
  await expect(opening).rejects.toMatchObject({
    code: "DATA_DIR_UNUSABLE",
    message: expect.stringContaining("no such program"),
  });
});
