/** scratch.ts: temporary folders that are gone when this process is, also when a signal ends it in the middle. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Scratch {
  readonly folder: string;
  remove(): void;
}

export function scratch(prefix: string): Scratch {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  const clear = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", clear);
  return {
    folder,
    remove: () => {
      process.off("exit", clear);
      clear();
    },
  };
}
