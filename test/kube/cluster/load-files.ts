/**
 * load-files.ts: the compiled files of the load program, which a ConfigMap brings into a pod of Varve's own image: that has the client and all that it
 * needs, and no test code.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";

/** What a program starts from, below the folder of compiled files; the worker is started by its path, so nothing imports it. */
export const LOAD_ENTRIES = ["kube/load/main.js", "kube/load/ask.js", "chaos/groups/worker.js"] as const;

const IMPORT = /^\s*(?:import|export)\b[^"']*["'](\.{1,2}\/[^"']+)["']/gm;

/** By path below `root`: the texts of these files and of all that they import by path. */
export function filesOf(root: string, entries: readonly string[] = LOAD_ENTRIES): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const waiting = [...entries];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (found.has(path)) continue;
    const file = join(root, path);
    if (!existsSync(file)) throw new Error(`${path} is not compiled: npx tsc -b test/kube`);
    const text = readFileSync(file, "utf8");
    found.set(path, text);
    for (const [, target = ""] of text.matchAll(IMPORT))
      waiting.push(relative(root, join(dirname(file), target)).replaceAll("\\", "/"));
  }
  return found;
}

/** A key of a ConfigMap knows no slash: this one tells where the file goes. */
export function keyOf(path: string): string {
  return posix.normalize(path).replaceAll("/", "_");
}
