import { expect, test } from "vitest";
import { withTable } from "../document.js";
import { isClean, type LifeReport, lostOf, markdownOf, type Report, textOf } from "./report.js";

const life: LifeReport = {
  life: "current",
  wholeAfterMs: 4_210,
  scenarios: [{ name: "kill", does: "SIGKILL", lastedMs: 10_000, gapsMs: [120, 2_345] }],
  acknowledged: 9_876,
  events: 50_000,
  starvedMs: 1_500,
  verdicts: [
    { check: "K1", promise: "p", meaning: "m", valid: true, count: 0, findings: [], offending: [], notes: [] },
  ],
  problems: [],
};
const report: Report = { date: "2026-11-21", machine: "2 processors, Docker 20", seed: 1, demo: null, lives: [life] };

test("a run is clean only when every check holds, there are verdicts, and nothing else went wrong", () => {
  expect(isClean(report)).toBe(true);
  expect(isClean({ ...report, lives: [{ ...life, problems: ["a broker ended by itself"] }] })).toBe(false);
  expect(isClean({ ...report, lives: [{ ...life, verdicts: [] }] })).toBe(false);
  const violated = life.verdicts.map((verdict) => ({ ...verdict, valid: false, count: 2 }));
  expect(isClean({ ...report, lives: [{ ...life, verdicts: violated }] })).toBe(false);
  expect(isClean({ ...report, demo: { facts: [], problems: ["no health"] } })).toBe(false);
});

test("what was lost is what K1 found; without its verdict nobody knows", () => {
  expect(lostOf(life)).toBe(0);
  expect(lostOf({ ...life, verdicts: [] })).toBeNull();
  expect(textOf({ ...report, lives: [{ ...life, verdicts: [] }] })).toContain("lost unknown");
});

test("the table has a row for each scenario, with each partition's gap and the longest", () => {
  expect(markdownOf(report)).toContain("| kill: SIGKILL | 10.00 | 0.12, 2.35 | 2.35 |");
  expect(textOf(report)).toMatch(/kill +10\.00 +0\.12 +2\.35 +2\.35/);
});

test("the table replaces what stood between its marks and nothing else", () => {
  const mark = "<!-- gaps in containers: made by npm run test:e2e -- --document, do not edit -->";
  const end = "<!-- end of gaps in containers -->";
  const text = `before\n${mark}\n\nold\n\n${end}\nafter\n`;
  const once = withTable(text, "new\n");
  expect(once).toBe(`before\n${mark}\n\nnew\n\n${end}\nafter\n`);
  expect(withTable(once, "new\n")).toBe(once);
  expect(() => withTable("no marks", "new\n")).toThrow("marks");
});
