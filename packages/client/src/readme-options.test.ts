/** readme-options.test.ts: holds the defaults and ranges that README.md prints to what the SDK does with options. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { consumerSettings, runSettings } from "./consumer/options.js";
import { clientSettings } from "./options.js";
import { producerSettings } from "./producer/options.js";
import { readerSettings } from "./reader/options.js";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const UNITS: Readonly<Record<string, number>> = { KiB: 1_024, MiB: 1_024 * 1_024, "": 1 };
const NUMBER = /^([\d,]+)(?: (KiB|MiB))?$/;

type Options = Readonly<Record<string, unknown>>;
interface OptionRow {
  readonly option: string;
  readonly stated: string;
  readonly meaning: string;
}

/** What each table of the reference speaks of: the settings that options lead to, and the least that must be given. */
const PLACES: readonly { readonly title: string; readonly settings: (options: Options) => object }[] = [
  { title: "new Varve(options)", settings: (options) => clientSettings({ bootstrap: "b:1", ...options }) },
  { title: "varve.producer(options)", settings: (options) => producerSettings(options) },
  { title: "varve.reader(options)", settings: (options) => readerSettings({ topic: "t", ...options }) },
  {
    title: "varve.consumer(options)",
    settings: (options) => consumerSettings({ group: "g", topics: ["t"], ...options }),
  },
  { title: "consumer.run(options)", settings: (options) => runSettings({ handler: () => {}, ...options }) },
];

/** The value that a text of a table stands for. */
function meantBy(text: string): unknown {
  const bare = text.replaceAll("`", "");
  const [, digits, unit = ""] = NUMBER.exec(bare) ?? [];
  if (digits !== undefined) return Number(digits.replaceAll(",", "")) * (UNITS[unit] ?? Number.NaN);
  return bare === "true" ? true : bare;
}

function rowsOf(text: string): OptionRow[] {
  return [...text.matchAll(/^\| `(\w+)`\s*\| ([^|]*?)\s*\| ([^|]*?)\s*\|$/gm)].map(
    ([, option = "", stated = "", meaning = ""]) => ({ option, stated, meaning }),
  );
}

function tableOf(title: string): OptionRow[] {
  return rowsOf(readme.split(`### \`${title}\`\n`)[1]?.split("\n### ")[0]?.split("<!--")[0] ?? "");
}

/** Defaults that are words about behaviour, which no setting holds. */
const isPlainValue = ({ stated }: OptionRow): boolean => NUMBER.test(stated) || /^[a-z]+$/.test(stated);

describe.each(PLACES)("README.md, $title", ({ title, settings }) => {
  const rows = tableOf(title);

  test("states the defaults that the SDK has", () => {
    expect(rows.length).toBeGreaterThan(2);
    const effective: Options = { ...settings({}) };
    for (const row of rows.filter(isPlainValue)) {
      const { option, stated } = row;
      const actual = effective[option];
      // "all", "none": nothing is set.
      if (actual === null || actual === undefined || actual === "") expect(["all", "none"], option).toContain(stated);
      else expect(meantBy(stated), option).toBe(actual);
    }
  });

  test("states ranges whose ends are accepted and beyond which values are refused", () => {
    for (const { option, meaning } of rows) {
      const [, least, most] = /([\d,]+(?: [KM]iB)?) \.\. ([\d,]+(?: [KM]iB)?)/.exec(meaning) ?? [];
      if (least === undefined || most === undefined) continue;
      const [min, max] = [Number(meantBy(least)), Number(meantBy(most))];
      for (const value of [min, max]) expect(() => settings({ [option]: value }), `${option} ${value}`).not.toThrow();
      for (const value of [min - 1, max + 1])
        expect(() => settings({ [option]: value }), `${option} ${value}`).toThrow(`${option} is ${value}`);
    }
  });
});

test("the tables in the text of README.md state the same defaults as the reference", () => {
  const guide = readme.slice(0, readme.indexOf("\n## Options\n"));
  const reference = PLACES.flatMap(({ title }) => tableOf(title)).filter(isPlainValue);
  const pairs = rowsOf(guide)
    .filter(({ stated }) => /^`?[\w,]+( [KM]iB)?`?$/.test(stated))
    .flatMap((row) => reference.filter(({ option }) => option === row.option).map((other) => [row, other] as const))
    .filter(([row, other]) => NUMBER.test(row.stated) === NUMBER.test(other.stated));
  expect(pairs.length).toBeGreaterThan(8);
  for (const [{ option, stated }] of pairs) {
    const same = pairs.filter(([row]) => row.option === option).map(([, other]) => meantBy(other.stated));
    expect(same, option).toContain(meantBy(stated));
  }
});
