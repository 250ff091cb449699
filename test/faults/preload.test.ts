import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cutPower } from "./power-cut.js";
import { buildPreload, FaultControl, type FaultRule, preloadProblem } from "./preload.js";

const problem = preloadProblem();
if (problem !== null) console.warn(`the fault library is not tested: ${problem}`);

describe.skipIf(problem !== null)("the fault library", () => {
  const root = mkdtempSync(join(tmpdir(), "varve-faults-"));
  const data = join(root, "data");
  const power = { folder: join(root, "power"), paths: ["/data/"] };
  const file = join(data, "file");
  let faults: FaultControl;

  beforeAll(() => {
    mkdirSync(data);
    faults = new FaultControl(buildPreload(root), join(root, "control"));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  /** Runs a program with `fs`, `data` and `file` at hand; returns what it printed. */
  function run(program: string, rules: readonly FaultRule[] = [], withPower = false): string {
    faults.set(rules);
    const head = `const fs = require("node:fs"); const data = ${JSON.stringify(data)}; const file = data + "/file";
      const tried = (call) => { try { return String(call()); } catch (error) { return error.code; } };`;
    const env = { ...process.env, ...faults.env(withPower ? power : undefined) };
    const done = spawnSync(process.execPath, ["-e", head + program], { env, encoding: "utf8" });
    expect(done.stderr).toBe("");
    return done.stdout.trim();
  }

  test("hits the chosen calls on the chosen path, and no other", () => {
    const answers = run(
      `const fd = fs.openSync(file, "w"); const other = fs.openSync(data + "/other", "w");
       console.log([1, 2, 3].map(() => tried(() => fs.fdatasyncSync(fd))).join(), tried(() => fs.fsyncSync(other)));`,
      [{ id: "second", call: "sync", path: "data/file", skip: 1, count: 1, fault: { kind: "error", code: "EIO" } }],
    );
    expect(answers).toBe("undefined,EIO,undefined undefined");
    expect(faults.hits("second").map(({ call, path }) => [call, path])).toEqual([["sync", file]]);
  });

  test("refuses writes for want of space, and makes them and reads short", () => {
    writeFileSync(file, "0123456789");
    const full = { id: "full", call: "write", path: "/data/", fault: { kind: "error", code: "ENOSPC" } } as const;
    expect(run(`console.log(tried(() => fs.writeFileSync(data + "/new", "x")))`, [full])).toBe("ENOSPC");
    const short = { id: "short", call: "any", path: "/data/file", fault: { kind: "short", bytes: 3 } } as const;
    const program = `const fd = fs.openSync(file, "r+");
      console.log(fs.writeSync(fd, Buffer.from("abcdefgh"), 0, 8, 0), fs.readSync(fd, Buffer.alloc(8), 0, 8, 1))`;
    // libuv goes on with a short write by itself, in pieces of 3; a short read is the program's own affair.
    expect(run(program, [short])).toBe("8 3");
    expect(faults.hits("short").map(({ call }) => call)).toEqual(["open", "write", "write", "write", "read"]);
    expect(readFileSync(file, "utf8")).toBe("abcdefgh89");
  });

  test("delays calls, and lets a hanging one hang until the rule is gone", async () => {
    const slow = { id: "slow", call: "sync", path: "/data/file", fault: { kind: "delay", ms: 200 } } as const;
    const timed = `const from = Date.now(); const fd = fs.openSync(file, "r+"); fs.fdatasyncSync(fd); console.log(Date.now() - from);`;
    expect(Number(run(timed, [slow]))).toBeGreaterThanOrEqual(200);
    faults.set([{ id: "stuck", call: "sync", path: "/data/file", fault: { kind: "hang" } }]);
    const program = `require("fs").fdatasyncSync(require("fs").openSync(${JSON.stringify(file)}, "r+")); process.exit(7);`;
    const child = spawn(process.execPath, ["-e", program], {
      env: { ...process.env, ...faults.env() },
      stdio: "ignore",
    });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    await expect.poll(() => faults.hits("stuck").length, { timeout: 10_000 }).toBe(1);
    expect(child.exitCode).toBeNull();
    faults.clear();
    expect(await ended).toBe(7);
  });

  test("a power cut takes back all bytes that were not synced, and no others", () => {
    writeFileSync(file, "before----------");
    const seen = run(
      `const fd = fs.openSync(file, "r+");
       fs.writeSync(fd, "synced", 0); fs.fdatasyncSync(fd);
       fs.writeSync(fd, "LOST", 8); fs.writeSync(fd, "MORE", 20); fs.ftruncateSync(fd, 22);
       console.log(fs.readFileSync(file, "utf8").replaceAll("\\0", "_"), fs.fstatSync(fd).size);
       process.kill(process.pid, "SIGKILL");`,
      [],
      true,
    );
    expect(seen).toBe("synced--LOST----____MO 22");
    expect(readFileSync(file, "utf8").replaceAll("\0", "_")).toBe("synced--LOST----____MO");
    const report = cutPower({ folder: power.folder });
    expect(report).toMatchObject({ files: 1 });
    expect(readFileSync(file, "utf8")).toBe("synced----------");
  });

  test("a power cut takes back names that their folder was not synced for, and no others", () => {
    for (const name of ["a", "b", "c"]) writeFileSync(join(data, name), name);
    run(
      `const sync = (path) => { const fd = fs.openSync(path, "r"); fs.fsyncSync(fd); fs.closeSync(fd); };
       fs.renameSync(data + "/a", data + "/synced"); sync(data);
       fs.renameSync(data + "/b", data + "/c"); fs.unlinkSync(data + "/synced");
       fs.mkdirSync(data + "/folder"); fs.writeFileSync(data + "/folder/x", "x");
       process.kill(process.pid, "SIGKILL");`,
      [],
      true,
    );
    expect(cutPower({ folder: power.folder }).namesLost).toBe(4);
    expect(["a", "folder"].map((name) => existsSync(join(data, name)))).toEqual([false, false]);
    expect(["synced", "b", "c"].map((name) => readFileSync(join(data, name), "utf8"))).toEqual(["a", "b", "c"]);
  });

  test("a power cut may keep any part of what was not synced, by sectors", () => {
    writeFileSync(file, Buffer.alloc(2_048, "o"));
    run(
      `const fd = fs.openSync(file, "r+"); fs.writeSync(fd, Buffer.alloc(2048, "n"), 0, 2048, 0); process.kill(process.pid, "SIGKILL");`,
      [],
      true,
    );
    let turn = 0;
    const report = cutPower({ folder: power.folder, isLost: () => turn++ % 2 === 1 });
    expect(report).toMatchObject({ sectorsLost: 2, sectorsKept: 2 });
    const sectors = [0, 512, 1_024, 1_536].map((at) => readFileSync(file, "latin1").slice(at, at + 512));
    expect(sectors.map((sector) => new Set(sector))).toEqual(["n", "o", "n", "o"].map((letter) => new Set(letter)));
  });

  test("what one process left unsynced is still lost with the power after the next one has started", () => {
    writeFileSync(file, "oldest");
    const write = (text: string) =>
      run(
        `fs.writeSync(fs.openSync(file, "r+"), ${JSON.stringify(text)}, 0); process.kill(process.pid, "SIGKILL");`,
        [],
        true,
      );
    write("first-");
    write("second");
    expect(readFileSync(file, "utf8")).toBe("second");
    cutPower({ folder: power.folder });
    expect(readFileSync(file, "utf8")).toBe("oldest");
  });
});
