/** lmdb-store.test.ts: what kills, damage, restarts of the machine and full disks leave of a store on disk. Where a process may die it is another one. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type KeyValue, type Logger, silentLogger } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lmdbStores } from "./lmdb-store.js";

const SEED = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const CHILD = fileURLToPath(new URL("../../dist/testing/lmdb-child.js", import.meta.url));
const children: ChildProcessWithoutNullStreams[] = [];
let folder = "";
let state = "";
let warnings: string[] = [];
const logger: Logger = {
  ...silentLogger,
  warn: (fields) => {
    warnings.push("problem" in fields ? String(fields.problem) : "");
  },
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "varve-lmdb-"));
  state = join(folder, "state");
  warnings = [];
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

function start(command: string, ...args: readonly string[]): ChildProcessWithoutNullStreams {
  const child = spawn(command, args);
  children.push(child);
  return child;
}

async function linesOf(child: ChildProcessWithoutNullStreams): Promise<string[]> {
  const exit = once(child, "exit");
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) lines.push(line);
  expect(await exit).toEqual([0, null]);
  return lines;
}

const open = (options: { boot?: string; bytesMax?: number } = {}): Promise<KeyValue> =>
  lmdbStores({ logger, ...options }).open(state);
const keysOf = (store: KeyValue): string[] => [...store.entries("")].map(([key]) => key);

async function written(transactions: number): Promise<void> {
  const store = await open();
  const random = new Prng(SEED);
  for (let number = 0; number < transactions; number++)
    await store.write(
      Array.from({ length: 50 }, () => [
        `k/${random.between(0, 400)}`,
        random.chance(0.2) ? null : random.bytes(random.pick([5, 200, 9_000])),
      ]),
    );
  await store.close();
}

test(`kill -9 loses no transaction that resolved and leaves none in part (seed ${SEED})`, async () => {
  const random = new Prng(SEED);
  for (const entries of [1, 30, 3_000]) {
    const child = start(process.execPath, CHILD, state, "write", String(entries));
    const deadline = random.between(5, 60);
    let reported = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      reported = Number(line);
      if (reported === deadline) child.kill("SIGKILL");
    }
    const store = await open();
    const numbers = keysOf(store).filter((key) => key.startsWith("number/")).length;
    expect(numbers).toBeGreaterThanOrEqual(reported);
    const values = [...store.entries("entry/")].map(([, value]) => new DataView(value.buffer).getFloat64(0));
    expect(values).toEqual(Array.from({ length: entries }, () => numbers));
    await store.clear("");
    await store.close();
  }
  expect(warnings).toEqual([]);
});

test(`a damaged file never ends the process: the store is whole or empty, and takes writes (seed ${SEED})`, async () => {
  await written(12);
  const lines = await linesOf(start(process.execPath, CHILD, folder, "damage", String(SEED), "120", state));
  expect(lines).toHaveLength(120);
  expect(lines.filter((line) => !/: (?:empty|whole)$/.test(line))).toEqual([]);
  expect(lines.filter((line) => line.endsWith("empty")).length).toBeGreaterThan(40);
});

test.each([
  ["an empty file", "data.mdb", ""],
  ["text", "data.mdb", "this is no database\n".repeat(1_000)],
  ["zeros", "data.mdb", "\0".repeat(100_000)],
])("a data file of %s begins anew, and the log says so", async (_, name, content) => {
  await written(2);
  await writeFile(join(state, name), content);
  const store = await open();
  expect(keysOf(store)).toEqual([]);
  await store.write([["a", Uint8Array.of(1)]]);
  await store.close();
  expect(warnings).toHaveLength(1);
  const again = await open();
  expect(keysOf(again)).toEqual(["a"]);
  await again.close();
  expect(warnings).toHaveLength(1);
});

test("folders and garbage in place of the store's files do not keep it from opening", async () => {
  await mkdir(join(state, "data.mdb"), { recursive: true });
  await mkdir(join(state, "lock.mdb"));
  await (await open()).close();
  await written(2);
  await writeFile(join(state, "lock.mdb"), "garbage".repeat(1_000));
  const store = await open();
  expect(keysOf(store).length).toBeGreaterThan(0);
  await store.close();
  expect(warnings).toEqual(["data.mdb is no file"]);
});

test("a changed byte of a value is noticed at the next start", async () => {
  const store = await open();
  await store.write([["key", Buffer.from("the value that was written")]]);
  await store.close();
  const content = await readFile(join(state, "data.mdb"));
  content.write("T", content.indexOf("the value"));
  await writeFile(join(state, "data.mdb"), content);
  const again = await open();
  expect(keysOf(again)).toEqual([]);
  await again.close();
  expect(warnings).toEqual(["an entry is not as it was written"]);
});

test("after a restart of the machine a store that was closed is there, one that was not begins anew", async () => {
  const first = await open({ boot: "monday" });
  await first.write([["a", Uint8Array.of(1)]]);
  await first.close();
  const second = await open({ boot: "tuesday" });
  expect(keysOf(second)).toEqual(["a"]);
  expect(await readFile(join(state, "session"), "utf8")).toBe("tuesday");
  await second.close();
  // As a process leaves it that is killed on Tuesday.
  await writeFile(join(state, "session"), "tuesday");
  const third = await open({ boot: "tuesday" });
  expect(keysOf(third)).toEqual(["a"]);
  await third.close();
  await writeFile(join(state, "session"), "tuesday");
  const fourth = await open({ boot: "wednesday" });
  expect(keysOf(fourth)).toEqual([]);
  await fourth.close();
  expect(warnings).toEqual(["the machine stopped before the store was closed"]);
});

test("beyond its bound a store refuses writes, still clears, and begins anew at the next start", async () => {
  const bytesMax = 500_000;
  const store = await open({ bytesMax });
  const random = new Prng(1);
  const fill = async (): Promise<void> => {
    for (let at = 0; at < 1_000; at++) await store.write([[`k/${at}`, random.bytes(2_000)]]);
  };
  await expect(fill()).rejects.toMatchObject({ code: "DISK_FULL", details: { bytesMax } });
  expect((await stat(join(state, "data.mdb"))).size).toBeLessThan(bytesMax + 50_000);
  await store.clear("k/");
  expect(keysOf(store)).toEqual([]);
  await store.close();
  const again = await open({ bytesMax });
  await again.write([["a", Uint8Array.of(1)]]);
  await again.close();
  expect(warnings).toEqual([expect.stringContaining("more than 500000")]);
});

test.skipIf(process.platform === "win32")(
  "a failed commit is a rejection, not the end of the process, and what was there stays",
  async () => {
    const program = `ulimit -f 2000 && exec "${process.execPath}" "${CHILD}" "${state}" fill`;
    expect(await linesOf(start("bash", "-c", program))).toEqual(["refused DATA_DIR_UNUSABLE", "whole"]);
  },
);

test.each([
  ["cut to its first page", (file: string) => truncate(file, 4_096)],
  ["cut to nothing", (file: string) => truncate(file, 0)],
  ["removed", (file: string) => rm(file)],
])("a file that is %s under an open store is noticed before it is touched, and begins anew", async (_, harm) => {
  await written(12);
  const store = await open();
  await store.write([["k/1", Uint8Array.of(1)]]);
  await harm(join(state, "data.mdb"));
  expect(keysOf(store)).toEqual([]);
  await expect(store.write([["k/2", Uint8Array.of(1)]])).rejects.toMatchObject({ code: "DATA_DIR_UNUSABLE" });
  await store.clear("k/");
  await store.write([["k/3", Uint8Array.of(1)]]);
  await store.close();
  const again = await open();
  expect(keysOf(again)).toEqual(["k/3"]);
  await again.close();
});

test("a folder that cannot be made is an error of the caller's, with its name", async () => {
  await writeFile(state, "a file");
  await expect(open()).rejects.toMatchObject({ code: "DATA_DIR_UNUSABLE", details: { path: state } });
});
