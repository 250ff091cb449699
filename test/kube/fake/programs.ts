/** programs.ts: a folder that looks like the compiled load, for tests that need no more than its files' names. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { LOAD_ENTRIES } from "../cluster/load-files.js";

export function compiledPrograms(folder: string): string {
  for (const entry of LOAD_ENTRIES) {
    mkdirSync(dirname(join(folder, entry)), { recursive: true });
    writeFileSync(join(folder, entry), "export {};\n");
  }
  return folder;
}
