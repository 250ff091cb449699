import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ERROR_CATALOGUE } from "@varve/base";
import { configReference } from "@varve/broker";
import { TOPIC_CONFIG_KEYS } from "@varve/cluster";
import { describe, expect, test } from "vitest";
import { interfaceOf, rowComments } from "./doc-comments.js";
import { errorTable } from "./errors.js";
import { table, withSection } from "./markdown.js";
import { optionTables, statedDefault } from "./options.js";
import { FILES, madeDocument, SECTIONS } from "./sections.js";
import { brokerTable, topicTable } from "./settings.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
const ERRORS = read("packages/base/src/errors.ts");
/** First cells of a table's rows, without the ticks of code. */
const firstCells = (text: string): string[] => [...text.matchAll(/^\| `([^`]+)` /gm)].map(([, cell = ""]) => cell);

describe("the documents", () => {
  test.each(SECTIONS)("$document: $name is what the code says; else run npm run docs", (section) => {
    const committed = read(section.document);
    expect(committed).toBe(madeDocument(section, read));
    // Made again from what was made, it stays; changed by hand, it is seen.
    const touched = committed.replace(/(?<=made by npm run docs[^\n]*\n\n[^\n]*\n[^\n]*\n\| )/, "x");
    expect(touched).not.toBe(committed);
    expect(madeDocument(section, (file) => (file === section.document ? touched : read(file)))).toBe(committed);
  });

  test.each(FILES)("$document: $name is what the code says; else run npm run docs", (file) => {
    const committed = read(file.document);
    expect(committed).toBe(madeDocument(file, read));
    const touched = committed.replace('"electionTimeoutMs"', '"electionTimeout"');
    expect(touched).not.toBe(committed);
    expect(madeDocument(file, () => touched)).toBe(committed);
  });

  test("a section is put between its marks, once, and nothing else is touched", () => {
    const marks = (inside: string) =>
      `# A\n<!-- x: made by npm run docs from the code, do not edit -->\n${inside}<!-- end of what npm run docs makes -->\nB\n`;
    expect(withSection(marks("old\n"), "x", "new")).toBe(marks("\nnew\n\n"));
    expect(() => withSection(marks(""), "y", "new")).toThrow("y: made by npm run docs");
    expect(() => withSection(marks("") + marks(""), "x", "new")).toThrow("once");
    expect(() => withSection(marks("").replace("end of", "end"), "x", "new")).toThrow("no line");
  });

  test("a cell ends neither its row nor its column", () => {
    expect(table(["a", "b"], [["1 | 2", "3\n4"]])).toBe("| a | b |\n| --- | --- |\n| 1 \\| 2 | 3 4 |");
  });
});

describe("the error reference", () => {
  test("has every code of the catalogue, in its order", () => {
    expect(firstCells(errorTable(ERRORS))).toEqual(Object.keys(ERROR_CATALOGUE));
  });

  test("is refused while a code does not say what happened and what to do", () => {
    expect(rowComments(ERRORS).size).toBe(Object.keys(ERROR_CATALOGUE).length);
    const withoutAdvice = ERRORS.replace(/ {3}\* Do: create it with `ifNotExists`[^\n]*\n/, "");
    expect(() => errorTable(withoutAdvice)).toThrow(/^TOPIC_EXISTS needs a comment/);
    const withoutComment = ERRORS.replace(
      / {2}\/\*\*\n {3}\* A topic of that name is there(?:[^*]|\*(?!\/))*\*\/\n/,
      "",
    );
    expect(withoutComment).not.toBe(ERRORS);
    expect(() => errorTable(withoutComment)).toThrow(/^TOPIC_EXISTS needs a comment/);
  });
});

describe("the configuration reference", () => {
  test("has every setting with its variable, and every setting of a topic", () => {
    expect(firstCells(brokerTable())).toEqual(configReference().map(({ path }) => path));
    for (const { env } of configReference()) expect(brokerTable()).toContain(`| \`${env}\` |`);
    expect(firstCells(topicTable())).toEqual([...TOPIC_CONFIG_KEYS]);
  });

  test("shows numbers as they are written, and in the unit in which people think", () => {
    expect(topicTable()).toContain("| `segmentBytes` | 134217728 (128 MiB) | 65536 .. 1073741824 bytes |");
    expect(topicTable()).toContain("| `retentionBytes` | -1 | 1 .. 9007199254740991 bytes, -1 = no bound |");
    expect(brokerTable()).toContain("| `brokerId` | must be set | 1 .. 2147483647 |");
  });
});

describe("comments in the code", () => {
  const source = [
    "export interface AOptions<T = Buffer> extends WaitOptions, Other {",
    "  /** Words. Default 5. */",
    "  readonly a?: number | undefined;",
    "  readonly b: string;",
    "  /**",
    "   * More * words,",
    "   * over lines.",
    "   */",
    "  readonly c?: { readonly d: number };",
    "}",
  ].join("\n");

  test("of an interface are read with its members and what it extends", () => {
    expect(interfaceOf(source, "AOptions")).toEqual({
      above: ["WaitOptions", "Other"],
      members: [
        { name: "a", optional: true, comment: "Words. Default 5." },
        { name: "b", optional: false, comment: "" },
        { name: "c", optional: true, comment: "More * words, over lines." },
      ],
    });
  });

  test("that are missing, or whose interface is, are refused", () => {
    expect(() => interfaceOf(source, "BOptions")).toThrow("no interface BOptions");
    expect(() => interfaceOf(source.replace("readonly b:", 'readonly "b":'), "AOptions")).toThrow("not all members");
    const silent = (file: string) => read(file).replace("  /** What is read. */\n", "");
    expect(() => optionTables(silent)).toThrow("ReaderOptions.topic has no comment");
  });

  test.each([
    ["How long, ms. Default 30,000. Longer: later.", "30,000", "How long, ms. Longer: later."],
    ["Default: all.", "all", ""],
    ["`quorum` (default): flushed. `leader`: less.", "quorum", "`quorum`: flushed. `leader`: less."],
    ["Bytes, 1 KiB .. 4 MiB. Default 256 KiB.", "256 KiB", "Bytes, 1 KiB .. 4 MiB."],
  ])("state a default: %j", (comment, value, rest) => {
    expect(statedDefault(comment)).toEqual({ value, rest });
  });

  test("without a default state none", () => {
    expect(statedDefault("A name. The default of others.")).toBeNull();
  });
});
