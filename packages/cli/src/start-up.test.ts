/** start-up.test.ts: what the command line loads before it knows the command: itself and what it parses with, not the broker, the SDK or gRPC. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const script = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;
const HOOKS = script(`
  import { writeSync } from "node:fs";
  export const load = (url, context, next) => (writeSync(1, url + "\\n"), next(url, context));
`);
const PRELOAD = script(`import { register } from "node:module"; register(${JSON.stringify(HOOKS)});`);
const VARVE = fileURLToPath(new URL("../bin/varve.js", import.meta.url));

test.each([{ args: ["--version"] }, { args: ["group", "--help"] }])(
  "varve $args: nothing heavy is loaded",
  ({ args }) => {
    const output = execFileSync(process.execPath, ["--import", PRELOAD, VARVE, ...args], { encoding: "utf8" });
    const loaded = output.split("\n").filter((line) => line.startsWith("file:"));
    const packages = loaded.flatMap(
      (url) => /\/(?:node_modules|packages)\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? [],
    );
    expect(packages).toContain("cli");
    expect([...new Set(packages)].filter((name) => !["cli", "base", "commander"].includes(name))).toEqual([]);
  },
);
