/** text-rules.ts: what a file must say at its head, and what nobody may write. */
import { basename } from "node:path";
import { isGenerated, isTest } from "./layers.js";
import type { Rule } from "./rule.js";
import { matches, type Source } from "./source.js";

/** A file beyond this has more than one job. */
const LINES_MAX = 800;
/** Words of the header, the file's name and the comment's signs not counted. */
const HEADER_WORDS_MIN = 3;

const header = (source: Source): string | null => /^(?:#!.*\n)?\s*(\/\*\*[\s\S]*?\*\/)/.exec(source.text)?.[1] ?? null;

/** Tests say what they hold in their titles, so only their helpers need a header. */
const HEADER: Rule = {
  name: "a file begins with its name and its one job",
  check(source) {
    if (source.path.endsWith(".test.ts")) return [];
    const found = header(source);
    if (found === null) return [`${source.path}:1: no header comment`];
    if (isGenerated(source.path)) return [];
    const name = `${basename(source.path)}:`;
    if (!found.includes(name)) return [`${source.path}:1: the header does not begin with "${name}"`];
    const words = found.replace(name, "").match(/[A-Za-z]{2,}/g) ?? [];
    return words.length < HEADER_WORDS_MIN ? [`${source.path}:1: the header says nothing`] : [];
  },
  bad: [
    ["packages/base/src/x.ts", "export const a = 1;\n"],
    ["packages/base/src/x.ts", "// x.ts: an example of a file.\nexport const a = 1;\n"],
    ["packages/base/src/x.ts", "/** y.ts: an example of a file. */\nexport const a = 1;\n"],
    ["packages/base/src/x.ts", "/** x.ts: */\nexport const a = 1;\n"],
    ["test/sim/x.ts", "export const a = 1;\n"],
  ],
  good: [
    ["packages/base/src/x.ts", "/** x.ts: an example of a file. */\n"],
    ["packages/cli/src/x.ts", "#!/usr/bin/env node\n/**\n * x.ts: an example of a program.\n */\n"],
  ],
};

const ALL_TESTS_RUN: Rule = {
  name: "no test is skipped or runs alone",
  // skipIf and runIf, which decide at run time and say so, are allowed.
  check: (source) =>
    matches(
      source,
      /\b(?:test|it|describe|suite|bench)\s*(?:\.\s*\w+)*\.\s*(?:only|skip|todo|fails)\b|(?<![.\w$])(?:[fx](?:it|test|describe))\s*\(/,
    ),
  bad: [
    ["packages/base/src/x.test.ts", 'test.only("x", () => {});\n'],
    ["packages/base/src/x.test.ts", 'describe.skip("x", () => {});\n'],
    ["packages/base/src/x.test.ts", 'it.concurrent.skip("x", () => {});\n'],
    ["packages/base/src/x.test.ts", 'test.todo("x");\n'],
    ["packages/base/src/x.test.ts", 'xit("x", () => {});\n'],
  ],
  good: [["packages/base/src/x.test.ts", 'test.skipIf(folder === undefined)("x", () => {});\nlines.skip(1);\n']],
};

const SILENCED = /@ts-(?:ignore|nocheck|expect-error)|biome-ignore|eslint-disable|prettier-ignore|v8 ignore/;

const CHECKED: Rule = {
  name: "no type check and no lint rule is silenced",
  check(source) {
    const inComments = source.comments
      .filter(({ text }) => SILENCED.test(text))
      // A test may show that something does not compile.
      .filter(({ text }) => !(isTest(source.path) && text.includes("@ts-expect-error")))
      .map(({ line, text }) => `${source.path}:${line}: ${SILENCED.exec(text)?.[0]}`);
    const any = /(?<![.\w$])any\b(?!\s*[(:])/;
    const notNull = /(?<=[\w$)\]])!(?=\s*[.;,)\]}[(]|\s*$)/m;
    return [...inComments, ...matches(source, any), ...matches(source, notNull)];
  },
  bad: [
    ["packages/base/src/x.ts", "export const a: any = 1;\n"],
    ["packages/base/src/x.ts", "export const a = b as any;\n"],
    ["packages/base/src/x.ts", "const list = new Map<string, any>();\n"],
    ["packages/base/src/x.ts", "// @ts-ignore\nexport const a = 1;\n"],
    ["packages/base/src/x.ts", "// @ts-expect-error\nexport const a = 1;\n"],
    ["packages/base/src/x.ts", "// biome-ignore lint: it is right\nexport const a = 1;\n"],
    ["packages/base/src/x.ts", "export const a = list[0]!.name;\n"],
    ["packages/base/src/x.ts", "export const a = find(b)!;\n"],
  ],
  good: [
    [
      "packages/base/src/x.test.ts",
      "// @ts-expect-error: a string is no offset\noffset('1');\nexpect(a).toEqual(expect.any(Number));\n",
    ],
    ["packages/base/src/x.ts", '/** any */\nconst tone = "any!";\nif (a !== b && !c) d = AbortSignal.any([e]);\n'],
  ],
};

const FINISHED: Rule = {
  name: "nothing is left for later",
  check: ({ path, comments }) =>
    comments
      .filter(({ text }) => /\b(?:TODO|FIXME|XXX|HACK)\b/.test(text))
      .map(({ line, text }) => `${path}:${line}: ${text.slice(0, 60)}`),
  bad: [["packages/base/src/x.ts", "export const a = 1; // TODO: more\n"]],
  good: [["packages/base/src/x.ts", 'export const a = "TODO";\n']],
};

const SHORT: Rule = {
  name: `no file is longer than ${LINES_MAX} lines`,
  check(source) {
    const lines = source.text.split("\n").length - 1;
    return lines > LINES_MAX && !isGenerated(source.path) ? [`${source.path}:${lines}: ${lines} lines`] : [];
  },
  bad: [["packages/base/src/x.ts", "\n".repeat(LINES_MAX + 1)]],
  good: [["packages/base/src/x.ts", "\n".repeat(LINES_MAX)]],
};

export const TEXT_RULES: readonly Rule[] = [HEADER, ALL_TESTS_RUN, CHECKED, FINISHED, SHORT];
