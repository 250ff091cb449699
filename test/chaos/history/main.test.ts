import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { checkHistory } from "./check-history.js";
import { Script } from "./script.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const examples = fileURLToPath(new URL("examples", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "varve-history-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command as its users do. */
function checkHistoryCommand(...args: string[]): Ran {
  const ran = spawnSync("npm", ["run", "--silent", "check-history", "--", ...args], { cwd: root, encoding: "utf8" });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

/** The program itself, which the command has built. */
function program(...args: string[]): Ran {
  const path = fileURLToPath(new URL("dist/main.js", import.meta.url));
  const ran = spawnSync(process.execPath, [path, ...args], { cwd: root, encoding: "utf8" });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

function written(name: string, script: Script): string {
  const path = join(folder, name);
  writeFileSync(path, script.lines.map((line) => `${line}\n`).join(""));
  return path;
}

describe("npm run check-history", { timeout: 60_000 }, () => {
  test("exits with 0 on a history that breaks nothing, and prints nothing but the verdict", () => {
    const script = new Script();
    script.send("p:1", 0);
    script.final(1, ["p:1"]);
    const { code, out } = checkHistoryCommand(written("good.jsonl", script), "--json");
    expect(JSON.parse(out)).toMatchObject({ valid: true });
    expect(out.trimEnd()).not.toContain("\n");
    expect(code).toBe(0);
  });

  test("exits with 1 on one that breaks a promise, and shows by which events", () => {
    const script = new Script();
    const lost = script.send("p:1", 0);
    script.final(1, []);
    const path = written("bad.jsonl", script);
    const json = checkHistoryCommand(path, "--json");
    const said = JSON.parse(json.out) as { readonly valid: boolean; readonly checks: readonly unknown[] };
    expect(said.valid).toBe(false);
    expect(said.checks[0]).toEqual({ check: "K1", valid: false, count: 1, offending: [lost] });
    expect(json.code).toBe(1);
    const text = program(path);
    expect(text.out).toContain("p:1 was acknowledged at o/0@0, and no replica holds it");
    expect(text.code).toBe(1);
  });

  test("exits with 2 on what is no history, with the line, and says nothing on stdout", () => {
    const script = new Script();
    script.send("p:1", 0);
    script.line("nonsense");
    const path = written("torn.jsonl", script);
    expect(checkHistoryCommand(path, "--json")).toMatchObject({ code: 2, out: "" });
    expect(program(path).err).toContain(`${path}:3: no JSON`);
    expect(program(join(folder, "missing.jsonl"), "--json")).toMatchObject({ code: 2, out: "" });
    expect(program(folder).code).toBe(2);
  });

  test("exits with 2 on wrong usage", () => {
    for (const args of [[], ["a", "b"], ["a", "--loud"]]) {
      const { code, err } = program(...args);
      expect(code).toBe(2);
      expect(err).toContain("usage: npm run check-history -- FILE [--json]");
    }
  });
});

describe("the examples", () => {
  const readme = readFileSync(fileURLToPath(new URL("README.md", import.meta.url)), "utf8");

  test.each(readdirSync(examples))("%s breaks what its name and the guide say", (name) => {
    const lines = readFileSync(join(examples, name), "utf8").trimEnd().split("\n");
    const judgement = checkHistory(lines);
    if (judgement.kind === "unreadable") throw new Error(`line ${judgement.line}: ${judgement.problem}`);
    const broken = judgement.verdicts.filter(({ valid }) => !valid).map(({ check }) => check);
    const named = /^(k\d+)-/.exec(name)?.[1]?.toUpperCase() ?? null;
    expect(broken[0] ?? null).toBe(named);
    expect(readme).toContain(`| [${name}](examples/${name}) | ${broken.length === 0 ? "none" : broken.join(", ")} |`);
  });

  test("the guide shows what the command prints", () => {
    const shown = /```\n(\$ npm run check-history -- (test\/chaos\/history\/examples\/\S+)\n[\s\S]*?)```/.exec(readme);
    const { out } = checkHistoryCommand(shown?.[2] ?? "");
    expect(shown?.[1]).toBe(`$ npm run check-history -- ${shown?.[2]}\n${out}`);
  });
});
