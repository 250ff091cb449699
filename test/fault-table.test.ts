/**
 * fault-table.test.ts: every row of the table of faults in README.md names tests that exist and injectors that are there. That an injector
 * strikes is seen by the runs themselves: `npm run sim` and test/ci/chaos.test.ts fail when one that they claim never did.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const ROWS = 56;
/** Where the names of the faults stand that a run can inject. */
const SIMULATED = "test/sim/decisions.ts";
const NEMESES = "test/chaos/nemesis";

interface Row {
  readonly number: number;
  readonly fault: string;
  readonly tests: string;
  readonly injectors: string;
}

function rowsOf(markdown: string): Row[] {
  const rows = markdown.matchAll(/^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm);
  return [...rows].map(([, number = "", fault = "", tests = "", injectors = ""]) => ({
    number: Number(number),
    fault,
    tests,
    injectors,
  }));
}

/** What is wrong with a row, in words. */
function problemsOf({ tests, injectors }: Row): string[] {
  return [...problemsOfTests(tests), ...problemsOfInjectors(injectors)];
}

function problemsOfTests(cell: string): string[] {
  const references = cell.split("; ").map((reference) => /^`([^`]+\.test\.ts)` › (.+)$/.exec(reference.trim()));
  return references.flatMap((reference) => {
    if (reference === null) return [`not a test's name: ${cell}`];
    const [, path = "", title = ""] = reference;
    if (!existsSync(join(ROOT, path))) return [`there is no ${path}`];
    if (/\$[a-z]|%s/.test(title)) return [`a template names no test: ${title}`];
    return titlesOf(path).some((text) => text.includes(title)) ? [] : [`${path} has no test "${title}"`];
  });
}

/** What a test's titles may stand in: its file, and modules of test/ that its cases come from. */
function titlesOf(path: string): string[] {
  const text = readFileSync(join(ROOT, path), "utf8");
  const imports = [...text.matchAll(/from "(\.[^"]+)\.js"/g)].map(([, module = ""]) =>
    join(ROOT, dirname(path), `${module}.ts`),
  );
  return [
    text,
    ...imports.filter((file) => file.startsWith(join(ROOT, "test"))).map((file) => readFileSync(file, "utf8")),
  ];
}

function problemsOfInjectors(cell: string): string[] {
  const simulated = readFileSync(join(ROOT, SIMULATED), "utf8");
  const names = [...cell.matchAll(/\b(sim|chaos):([\w-]+)/g)];
  const strangers = names.filter(([, where, name]) =>
    where === "sim"
      ? !new RegExp(`^  ${name}: (?:\\d+|\\{.*\\}),$`, "m").test(simulated)
      : !existsSync(join(ROOT, NEMESES, `${name}.ts`)),
  );
  if (names.length === 0 && !/^test\b/.test(cell.trim())) return [`no injector in: ${cell}`];
  return strangers.map(([name]) => `there is no injector ${name}`);
}

describe("the table of faults in README.md", () => {
  const rows = rowsOf(readFileSync(join(ROOT, "test/README.md"), "utf8"));

  test(`has rows 1 to ${ROWS}, each once`, () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: ROWS }, (_, at) => at + 1));
  });

  test.each(rows)("row $number, $fault: its tests and injectors exist", (row) => expect(problemsOf(row)).toEqual([]));
});

describe("a row", () => {
  const good = {
    number: 1,
    fault: "any",
    tests: "`test/fault-table.test.ts` › a row",
    injectors: "sim:crash, chaos:kill",
  };

  test("that is right has no problem", () => expect(problemsOf(good)).toEqual([]));

  test.each([
    { why: "a file that is not there", row: { tests: "`test/none.test.ts` › any" } },
    { why: "a test that is not there", row: { tests: `\`test/fault-table.test.ts\` › ${"no".repeat(3)}such` } },
    { why: "a test of which any could be meant", row: { tests: "`test/ci/disk-damage.test.ts` › $what" } },
    { why: "no test", row: { tests: "by hand" } },
    { why: "an injector that is not there", row: { injectors: "sim:meteor" } },
    { why: "a nemesis that is not there", row: { injectors: "chaos:meteor" } },
    { why: "nobody who injects it", row: { injectors: "nobody" } },
  ])("with $why has one", ({ row }) => expect(problemsOf({ ...good, ...row })).toHaveLength(1));
});
