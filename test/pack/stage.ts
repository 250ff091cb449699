/**
 * stage.ts: copies a built package to where it is packed from. The manifest's `files` says what a tarball holds; what npm cannot know is
 * done here.
 *
 * Invariants:
 *   G1  compiled files whose source is gone stay out: `tsc -b` does not remove them
 *   G2  no file names a source map, since maps would lead to sources that are not in the tarball; the compiled code is as readable as they are
 *   G3  each package carries the repository's licence
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const NEVER_PACKED: ReadonlySet<string> = new Set(["dist", "node_modules", "src"]);
const COMPILED = /\.(?:d\.ts|js)$/;
const NAMES_MAP = /\n?\/\/# sourceMappingURL=\S+\s*$/;

/** Copies the package in `folder` into the new folder `into`. */
export function stage(folder: string, licence: string, into: string): void {
  mkdirSync(into, { recursive: true });
  for (const name of readdirSync(folder)) {
    if (!NEVER_PACKED.has(name)) cpSync(join(folder, name), join(into, name), { recursive: true });
  }
  copyFileSync(licence, join(into, "LICENSE"));
  for (const path of compiledFiles(folder)) {
    const target = join(into, "dist", path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, withoutMap(readFileSync(join(folder, "dist", path), "utf8")));
  }
}

/** Paths below dist, of what the sources of today compile to. */
function compiledFiles(folder: string): string[] {
  const dist = join(folder, "dist");
  if (!existsSync(dist)) throw new Error(`${dist} is not there; run first: npm run build`);
  return readdirSync(dist, { recursive: true, encoding: "utf8" }).filter(
    (path) => COMPILED.test(path) && existsSync(join(folder, "src", path.replace(COMPILED, ".ts"))),
  );
}

function withoutMap(code: string): string {
  return `${code.replace(NAMES_MAP, "").trimEnd()}\n`;
}
