import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findChromium, HeadlessBrowser } from "../../integration/headless-browser.js";
import { htmlOf } from "./html.js";
import { isClean, type Report } from "./report.js";
import { textOf } from "./text.js";

const VALID = {
  check: "K1",
  promise: "D1",
  meaning: "a write is lost",
  valid: true,
  count: 0,
  offending: [],
  findings: [],
  notes: ["a <note>"],
} as const;
const BROKEN = {
  ...VALID,
  check: "K5",
  valid: false,
  count: 2,
  findings: [{ at: [7, 9], what: "p:3 was refused, and seen" }],
} as const;

const REPORT: Report = {
  command: "npm run chaos -- --seed 5",
  seed: 5,
  brokers: 3,
  dateIso: "2026-11-21T12:00:00.000Z",
  loadMs: 10_000,
  events: 100,
  operations: [{ f: "send", ok: 90, fail: 3, info: 7 }],
  faults: [
    { name: "kill", does: "kill -9", fired: 2, lastedMs: 3_000 },
    { name: "pause", does: "SIGSTOP", fired: 0, lastedMs: 0 },
  ],
  broken: [],
  skipped: [{ name: "clock", why: "there is no C compiler" }],
  strikes: [
    { name: "kill", target: "broker <1>", fromMs: 1_000, toMs: 3_000 },
    { name: "kill", target: "broker 2", fromMs: 5_000, toMs: 6_000 },
  ],
  partitions: [
    {
      partition: 0,
      acknowledged: 90,
      longestGap: { fromMs: 1_000, toMs: 2_500 },
      leaderChanges: 1,
      perSecond: [10, 0, 20, 30, 30],
    },
  ],
  brokerMeasures: [
    {
      broker: 1,
      rssMibFirst: 90,
      rssMibMax: 140,
      rssMibLast: 120,
      descriptorsFirst: 40,
      descriptorsMax: 60,
      descriptorsLast: 41,
    },
  ],
  resume: { count: 2, p50Ms: 300, p99Ms: 900, maxMs: 900 },
  wokenAnswers: 0,
  starvedMs: 0,
  verdicts: [VALID],
  problems: [],
};

test("a report is clean when all checks hold, there are any, and nothing went wrong beside", () => {
  expect(isClean(REPORT)).toBe(true);
  expect(isClean({ ...REPORT, verdicts: [] })).toBe(false);
  expect(isClean({ ...REPORT, verdicts: [VALID, BROKEN] })).toBe(false);
  expect(isClean({ ...REPORT, problems: ["broker 1 ended by itself"] })).toBe(false);
});

test("the text says what was done, broken and found", () => {
  const text = textOf({ ...REPORT, verdicts: [VALID, BROKEN], problems: ["broker 1 ended by itself"] });
  for (const part of [
    "seed 5, 3 brokers",
    "kill       2",
    "no clock: there is no C compiler",
    "K1   valid",
    "K5   VIOLATED 2",
    "p:3 was refused, and seen (events 7, 9)",
    "300 ms (p50), 900 ms (p99)",
    "PROBLEM broker 1 ended by itself",
    "NOT CLEAN",
  ])
    expect(text).toContain(part);
  expect(textOf(REPORT)).toContain("all checks hold");
});

test("the page needs nothing else, and shows nothing of a text as markup", () => {
  const page = htmlOf({ ...REPORT, verdicts: [VALID, BROKEN] });
  expect(page).not.toMatch(/\b(?:src|href)=|<script|@import|url\(/);
  expect(page).not.toContain("<note>");
  expect(page).not.toContain("broker <1>");
  expect(page.match(/<rect class="fault"/g)).toHaveLength(2);
});

const chromium = findChromium();
if (chromium === null) console.warn("the page is not opened: there is no Chromium");

test.skipIf(chromium === null)(
  "a browser shows the page, in light and dark, and complains of nothing",
  { timeout: 60_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "varve-report-"));
    const browser = await HeadlessBrowser.start(chromium ?? "");
    try {
      writeFileSync(join(folder, "report.html"), htmlOf({ ...REPORT, verdicts: [VALID, BROKEN] }));
      const page = await browser.open(`file://${folder}/report.html`);
      await page.shows("body", "Varve chaos, seed 5", "Not clean: K5", "p:3 was refused, and seen");
      expect(await page.rows("h2 ~ div table tr")).toContainEqual(["kill", "2", "3.0", "kill -9"]);
      const grounds: string[] = [];
      for (const scheme of ["light", "dark"] as const) {
        await page.screenshot(join(folder, `${scheme}.png`), scheme);
        grounds.push(await page.evaluate<string>("getComputedStyle(document.body).backgroundColor"));
      }
      expect(grounds[0]).not.toBe(grounds[1]);
      expect(await page.evaluate<boolean>("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
      expect(page.complaints).toEqual([]);
    } finally {
      await browser.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
