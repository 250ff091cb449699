/**
 * tidy.test.ts: rules about the code itself. A broken rule is reported as `path:line: what`. Each rule is first shown to find made-up bad
 * examples, since a rule that cannot fail proves nothing, and to leave good ones alone.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { functionSizesOf } from "./tidy/functions.js";
import { IMPORT_RULES, outsideImportsOf } from "./tidy/import-rules.js";
import { isGenerated, isTest, LAYERS, packageOfPath, printedLayers } from "./tidy/layers.js";
import {
  brokenLayers,
  deepExports,
  installScripts,
  type Manifest,
  type Package,
  undeclared,
  unjustified,
  unlabelled,
} from "./tidy/manifest-rules.js";
import { PORT_RULES } from "./tidy/port-rules.js";
import { importsOf, matches, sourceOf } from "./tidy/source.js";
import { deadLinks, machineNames, missingFiles } from "./tidy/text-files.js";
import { TEXT_RULES } from "./tidy/text-rules.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const isFile = (path: string): boolean => statSync(join(root, path), { throwIfNoEntry: false })?.isFile() === true;

const listed = execFileSync("git", ["ls-files"], { cwd: root, encoding: "utf8" }).split("\n");
const tracked = listed.filter((path) => path !== "" && isFile(path));
const isBinary = (path: string): boolean =>
  /\.(?:png|zst|gz|lz4|snappy|wal|log|idx|checkpoint|bin|binpb)$/.test(path) || path.includes("/fixtures/data-");

/** The rules' own examples break the rules on purpose. */
const isOfTheRules = (path: string): boolean => path.startsWith("test/tidy");
const sources = tracked
  .filter((path) => /\.[mc]?ts$/.test(path) && !isOfTheRules(path))
  .map((path) => sourceOf(path, read(path)));
const rulesSources = tracked
  .filter((path) => isOfTheRules(path) && path.endsWith(".ts"))
  .map((path) => sourceOf(path, read(path)));
const texts = tracked
  .filter((path) => !isBinary(path) && !isOfTheRules(path))
  .map((path) => ({ path, text: read(path) }));
const rootManifest = JSON.parse(read("package.json")) as Manifest & { readonly workspaces: readonly string[] };
const packages: readonly Package[] = tracked
  .filter((path) => /^packages\/[^/]+\/package\.json$/.test(path))
  .map((path) => ({ path, json: JSON.parse(read(path)) as Manifest }));

/** A made-up package; the folder decides its layer. */
function packageOf(folder: string, json: Manifest): Package {
  return { path: `packages/${folder}/package.json`, json: { version: "0.1.0", ...json } };
}

describe("the code", () => {
  for (const rule of [...IMPORT_RULES, ...PORT_RULES, ...TEXT_RULES]) {
    test(rule.name, () => {
      for (const [path, text] of rule.bad) {
        expect(rule.check(sourceOf(path, text)), `must be found in ${path}: ${text}`).not.toEqual([]);
      }
      for (const [path, text] of rule.good) expect(rule.check(sourceOf(path, text)), text).toEqual([]);
      expect(sources.length, "files looked at").toBeGreaterThan(300);
      expect(sources.flatMap((source) => rule.check(source))).toEqual([]);
    });
  }

  test("functions stay short: of the shipped ones at most 3 % have more than 70 lines, none more than 150", () => {
    const example = `function long(): void {\n${"a();\n".repeat(160)}}\nif (a) {\n${"b();\n".repeat(160)}}\n`;
    expect(functionSizesOf(sourceOf("x.ts", example))).toEqual([{ at: "x.ts:1", lines: 162 }]);
    const three = "const a = (b: B): Map<C, D> => {\n};\nclass E { f(g = h()): I {} async j<K>() {} }\n";
    expect(functionSizesOf(sourceOf("x.ts", three))).toHaveLength(3);

    const shipped = sources.filter(({ path }) => packageOfPath(path) !== null && !isTest(path) && !isGenerated(path));
    const sizes = shipped.flatMap(functionSizesOf);
    const long = sizes.filter(({ lines }) => lines > 70);
    const share = long.length / sizes.length;
    expect(share, long.map(({ at, lines }) => `${at}: ${lines} lines`).join("\n")).toBeLessThan(0.03);
    expect(sizes.filter(({ lines }) => lines > 150)).toEqual([]);
  });

  test("the rules' own files keep what can be asked of them", () => {
    const names = [/^a file begins/, /^no file is longer/];
    const held = TEXT_RULES.filter(({ name }) => names.some((wanted) => wanted.test(name)));
    expect(held).toHaveLength(names.length);
    expect(rulesSources.flatMap((source) => held.flatMap((rule) => rule.check(source)))).toEqual([]);
  });
});

describe("the scanner", () => {
  const isSeen = (text: string): boolean => matches(sourceOf("x.ts", text), /bait/).length > 0;

  test.each([
    ["a line comment", "// bait"],
    ["a block comment over lines", "/* a\n bait */"],
    ["a string", '"bait"'],
    ["a string with an escaped quote", '"\\"bait"'],
    ["a string with another quote in it", `"it's" + 'bait'`],
    ["a template", "`bait`"],
    // biome reads a hole in a plain string as a mistake, so the sign stands alone.
    ["a template behind a hole", `\`${"$"}{a} bait ${"$"}{b} bait\``],
    ["a regular expression", "const a = /bait/;"],
    ["a regular expression with a slash in a class", "a(/[/]bait/)"],
    ["a regular expression with a quote", `return /'"bait/.test(b)`],
  ])("takes nothing in %s for code", (_, text) => {
    expect(isSeen(`${text}\nconst other = 1;`)).toBe(false);
    expect(isSeen(`${text}\nbait();`), "what follows is code again").toBe(true);
  });

  test.each([
    ["code in a template's hole", `\`a ${"$"}{bait()} b\``],
    ["code in a hole in a hole", `\`${"$"}{\`${"$"}{bait}\`}\``],
    ["code in a hole behind braces", `\`${"$"}{{ a: {} }, bait}\``],
    ["code behind a division", "const a = b / c; bait(); d = e / f;"],
    ["code behind a division of a call", "const a = b() / c; bait(); d = e() / f;"],
    ["code behind a URL in a string", '"http://x"; bait();'],
  ])("takes %s for code", (_, text) => {
    expect(isSeen(text)).toBe(true);
  });

  test("keeps every index and every line break, on all files here", () => {
    for (const { path, text, code } of sources) {
      expect(code.length, path).toBe(text.length);
      expect(code.split("\n").length, path).toBe(text.split("\n").length);
    }
  });

  test("finds imports of every kind, with their lines", () => {
    const lines = [
      'import type { A } from "a";',
      'import "b";',
      "export * from 'c';",
      'await import("d");',
      'require("e");',
      '// from "f"',
      "const g = 'from \"h\"';",
    ];
    expect(importsOf(sourceOf("x.ts", lines.join("\n")))).toEqual([
      { module: "a", at: "x.ts:1" },
      { module: "b", at: "x.ts:2" },
      { module: "c", at: "x.ts:3" },
      { module: "d", at: "x.ts:4" },
      { module: "e", at: "x.ts:5" },
    ]);
  });
});

describe("the packages", () => {
  test("are those of the table of layers, of the workspaces and of the build, and the table has no cycle", () => {
    const folders = Object.keys(LAYERS).sort();
    expect(packages.map(({ path }) => packageOfPath(path)).sort()).toEqual(folders);
    expect([...rootManifest.workspaces].sort()).toEqual(folders.map((folder) => `packages/${folder}`));
    const built = (JSON.parse(read("tsconfig.json")) as { references: { path: string }[] }).references;
    expect(built.map(({ path }) => path)).toEqual(
      expect.arrayContaining(folders.map((folder) => `packages/${folder}`)),
    );

    // A package's row names only packages whose rows stand above: such a table has no cycle.
    const rows = Object.keys(LAYERS);
    for (const folder of rows) {
      for (const below of LAYERS[folder] ?? []) expect(rows.indexOf(below)).toBeLessThan(rows.indexOf(folder));
    }
  });

  test("depend on what their layer allows", () => {
    expect(brokenLayers(packageOf("base", { dependencies: { "@varve/broker": "0.1.0" } }))).toHaveLength(1);
    expect(brokenLayers(packageOf("raft", { dependencies: { "@varve/base": "0.1.0" } }))).toHaveLength(1);
    expect(brokenLayers(packageOf("storage", { dependencies: { "@varve/base": "^0.2.0" } }))).toHaveLength(1);
    expect(packages.flatMap(brokenLayers)).toEqual([]);
  });

  test("are built after what they depend on, and after nothing else", () => {
    const broken = packages.flatMap(({ path, json }) => {
      const config = JSON.parse(read(path.replace("package.json", "tsconfig.json"))) as {
        references?: { path: string }[];
      };
      const built = (config.references ?? []).map((reference) => reference.path.replace("../", "")).sort();
      const needed = Object.keys(json.dependencies ?? {})
        .filter((name) => name === "raft-ts" || name.startsWith("@varve/"))
        .map((name) => (name === "raft-ts" ? "raft" : name.slice("@varve/".length)))
        .sort();
      return built.join() === needed.join() ? [] : [`${path}: depends on ${needed}, is built after ${built}`];
    });
    expect(broken).toEqual([]);
  });

  test("name every package from outside that they import", () => {
    const example = packageOf("broker", { dependencies: { pino: "1" }, devDependencies: { kafkajs: "2" } });
    const found = (path: string, name: string) =>
      undeclared(example, { devDependencies: { vitest: "4" } }, [{ name, at: `${path}:1` }]);
    expect(found("packages/broker/src/x.ts", "yaml")).toHaveLength(1);
    expect(found("packages/broker/src/x.ts", "kafkajs")).toHaveLength(1);
    expect(found("packages/broker/src/x.ts", "pino")).toEqual([]);
    expect(found("packages/broker/src/x.test.ts", "vitest")).toEqual([]);
    const broken = packages.flatMap((entry) => {
      const own = sources.filter(({ path }) => packageOfPath(path) === packageOfPath(entry.path));
      return undeclared(entry, rootManifest, own.flatMap(outsideImportsOf));
    });
    expect(broken).toEqual([]);
  });

  test("depend on nothing from outside that packages/README.md does not justify", () => {
    const guide = read("packages/README.md");
    const example = packageOf("base", { dependencies: { "left-pad": "1" }, devDependencies: { "right-pad": "1" } });
    expect(unjustified(example, "`left-pad` and `right-pad`, but in no table")).toHaveLength(2);
    expect(unjustified(example, "| `left-pad` | pads |")).toEqual([
      "packages/base/package.json: right-pad has no line in the dependencies of packages/README.md",
    ]);
    const all = [...packages, { path: "package.json", json: rootManifest }];
    expect(all.flatMap((entry) => unjustified(entry, guide))).toEqual([]);
  });

  test("export entries, never paths", () => {
    expect(deepExports(packageOf("base", { exports: { ".": {}, "./node": {} } }))).toEqual([]);
    expect(deepExports(packageOf("base", { exports: { "./*": {} } }))).toHaveLength(1);
    expect(deepExports(packageOf("base", { exports: { "./dist/a.js": {} } }))).toHaveLength(1);
    expect(deepExports(packageOf("base", {}))).toHaveLength(1);
    expect(packages.flatMap(deepExports)).toEqual([]);
  });

  test("run nothing at install; only the root builds", () => {
    expect(installScripts(packageOf("base", { scripts: { prepare: "tsc" } }))).toHaveLength(1);
    expect(packages.flatMap(installScripts)).toEqual([]);
    expect(installScripts({ path: "package.json", json: rootManifest })).toEqual(["package.json: prepare"]);
  });

  test("say their name, licence and Node.js alike", () => {
    expect(unlabelled(packageOf("base", { name: "base" }))).toHaveLength(3);
    expect(packages.flatMap(unlabelled)).toEqual([]);
  });
});

describe("the repository", () => {
  test("quickstart, test and bench build first, and varve can be run as it is committed", () => {
    for (const name of ["quickstart", "test", "bench"]) {
      expect(rootManifest.scripts?.[name]).toMatch(/^npm run build && /);
    }
    const stage = execFileSync("git", ["ls-files", "--stage", "packages/cli/bin/varve.js", ".ci/run"], {
      cwd: root,
      encoding: "utf8",
    });
    expect(stage.match(/^100755 /gm)).toHaveLength(2);
  });

  test("no file names a folder of one machine, a registry's host or material that lies beside the checkout", () => {
    const found = (text: string, path = "x.md") => machineNames({ path, text });
    const bad = ["cd /root/x", "/home/ann/x", "at /work/main", "https://registry.npmjs.org/", "../shared/data"];
    for (const text of [...bad, '"resolved": "https://x"']) expect(found(text), text).toHaveLength(1);
    const good = ["$HOME/x", "a/work/b", "node_modules/x/root/y", "https://example.org/home/ann"];
    for (const text of good) expect(found(text), text).toEqual([]);
    expect(found("../shared/data", ".ci/run")).toEqual([]);
    expect(texts.flatMap(machineNames)).toEqual([]);
  });

  test("packages/README.md prints the table of layers and names files that exist", () => {
    const guide = { path: "packages/README.md", text: read("packages/README.md") };
    expect(guide.text).toContain(printedLayers());
    const files = new Set(tracked);
    expect(missingFiles({ path: "x.md", text: "`broker/src/gone.ts`" }, files)).toHaveLength(1);
    expect(missingFiles({ path: "x.md", text: "`base/src/index.ts`, `test/tidy.test.ts`" }, files)).toEqual([]);
    expect(missingFiles(guide, files)).toEqual([]);
  });

  test("links between documents lead somewhere", () => {
    const files = new Set(["a.md", "b/c.md"]);
    const good = "[x](../a.md#part) [y](https://z) [b](../b)";
    expect(deadLinks({ path: "b/c.md", text: good }, files)).toEqual([]);
    expect(deadLinks({ path: "b/c.md", text: '[x](a.md) <img src="d.svg">' }, files)).toHaveLength(2);
    const documents = texts.filter(({ path }) => path.endsWith(".md"));
    expect(documents.flatMap((document) => deadLinks(document, new Set(tracked)))).toEqual([]);
  });
});
