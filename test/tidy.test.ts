/**
 * tidy.test.ts: rules about the code itself. Each is shown to fail on a bad example first: a rule that cannot fail proves nothing.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LAYERS, RULES } from "./tidy/rules.js";
import { importsOf, sourceOf } from "./tidy/source.js";

const root = new URL("..", import.meta.url).pathname;
const tracked = execFileSync("git", ["ls-files"], { cwd: root, encoding: "utf8" }).split("\n").filter(Boolean);
const sources = tracked
  .filter((path) => /\.m?ts$/.test(path) && !path.startsWith("test/tidy"))
  .map((path) => sourceOf(path, readFileSync(join(root, path), "utf8")));

const HEADER = "/** x.ts: an example. */\n";
const BAD: Readonly<Record<keyof typeof RULES, readonly [path: string, text: string]>> = {
  "imports point down only, through package entries": [
    "packages/base/src/x.ts",
    `${HEADER}import { A } from "@varve/broker";\n`,
  ],
  "only rpc imports gRPC": ["packages/broker/src/x.ts", `${HEADER}import { Server } from "@grpc/grpc-js";\n`],
  "the world is reached through ports": ["packages/raft/src/x.ts", `${HEADER}export const now = () => Date.now();\n`],
  "services are implemented in the broker only": ["packages/client/src/x.ts", `${HEADER}server.addLogService({});\n`],
  "a file begins with what it is for": ["packages/base/src/x.ts", "export const a = 1;\n"],
  "no test is skipped or alone": ["packages/base/src/x.test.ts", 'test.only("x", () => {});\n'],
  "shipped code does not print": ["packages/broker/src/x.ts", `${HEADER}console.log(1);\n`],
  "no type check is silenced": ["packages/base/src/x.ts", `${HEADER}export const a: any = 1;\n`],
  "files stay short": ["packages/base/src/x.ts", HEADER + "\n".repeat(900)],
};

describe("the code", () => {
  test.each(Object.entries(RULES))("%s", (name, rule) => {
    const [path, text] = BAD[name] ?? ["", ""];
    expect(rule(sourceOf(path, text)), "the rule finds its bad example").not.toEqual([]);
    expect(sources.flatMap((source) => rule(source))).toEqual([]);
  });

  test("what stands in comments and texts is not taken for code", () => {
    const text = `${HEADER}// Date.now()\nexport const a = "Date.now() \${x}"; const b = \`\${"}"} Math.random()\`; const c = /Date\\/\\["]/;\n`;
    expect(RULES["the world is reached through ports"]?.(sourceOf("packages/raft/src/x.ts", text))).toEqual([]);
    expect(
      importsOf(sourceOf("x.ts", 'import type { A } from "b";\nawait import("c");\n')).map(({ from }) => from),
    ).toEqual(["b", "c"]);
  });
});

describe("the repository", () => {
  const manifests = tracked
    .filter((path) => /^packages\/[^/]+\/package\.json$/.test(path))
    .map((path) => ({ path, json: JSON.parse(readFileSync(join(root, path), "utf8")) as Manifest }));

  test("each package depends on what its layer allows, and each dependency from outside is justified", () => {
    const guide = readFileSync(join(root, "packages/README.md"), "utf8");
    const broken: string[] = [];
    for (const { path, json } of manifests) {
      const folder = path.split("/")[1] ?? "";
      for (const name of Object.keys(json.dependencies ?? {})) {
        const own = name === "raft-ts" ? "raft" : name.startsWith("@varve/") ? name.slice("@varve/".length) : null;
        if (own === null && !guide.includes(`\`${name}\``))
          broken.push(`${path}: ${name} is not justified in packages/README.md`);
        if (own !== null && !LAYERS[folder]?.includes(own)) broken.push(`${path}: ${folder} may not depend on ${name}`);
      }
    }
    expect(broken).toEqual([]);
  });

  test("every package is in the map of layers, and only the root prepares", () => {
    expect(manifests.map(({ path }) => path.split("/")[1]).sort()).toEqual(Object.keys(LAYERS).sort());
    expect(manifests.filter(({ json }) => json.scripts?.["prepare"] !== undefined)).toEqual([]);
  });

  test("no tracked file names a folder of somebody's machine or a registry's host", () => {
    const broken = tracked
      .filter((path) => !/\.(?:png|zst|gz|wal|log|idx|checkpoint)$/.test(path) && !path.startsWith("test/tidy"))
      .filter((path) =>
        /(?:^|[^\w.-])\/(?:root|home\/[a-z]+|work)\/|registry\.npmjs/.test(readFileSync(join(root, path), "utf8")),
      );
    expect(broken).toEqual([]);
  });
});

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
}
