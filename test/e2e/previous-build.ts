/**
 * previous-build.ts: the version before this one, built from this repository's own history: `previous-version` beside this file names its commit; tests
 * that need another one name theirs.
 *
 * It gets the installed dependencies of this checkout, and its own packages. A shallow clone lacks the commit; then there is nothing to build.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./root.js";

const ARCHIVE_BYTES_MAX = 256 * 1024 * 1024;
/** Names under node_modules that are this repository's own. */
const OWN = ["@varve", "raft-ts", "varve"];

/** The commit that old brokers are built from. */
export function previousCommit(): string {
  return readFileSync(join(ROOT, "test/e2e/previous-version"), "utf8").trim();
}

/** Why the previous version cannot be built here; null: it can. */
export function previousMissing(commit = previousCommit()): string | null {
  try {
    execFileSync("git", ["cat-file", "-e", `${commit}^{commit}`], { cwd: ROOT, stdio: "ignore" });
    return null;
  } catch {
    return `commit ${commit} is not in this clone (git fetch --unshallow brings it): no test with brokers of two versions`;
  }
}

/** Lays its sources out in an empty folder. */
export function extractPrevious(folder: string, commit = previousCommit()): void {
  const parts = ["packages", "proto", "package.json", "tsconfig.json", "tsconfig.base.json"];
  const options = { cwd: ROOT, maxBuffer: ARCHIVE_BYTES_MAX };
  const archive = execFileSync("git", ["archive", commit, ...parts], options);
  execFileSync("tar", ["-x", "-C", folder], { input: archive });
}

/** Builds it into a temporary folder. */
export class PreviousBuild {
  private readonly folder: string;

  constructor(commit = previousCommit()) {
    this.folder = mkdtempSync(join(tmpdir(), "varve-previous-"));
    extractPrevious(this.folder, commit);
    this.linkDependencies();
    const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
    execFileSync(process.execPath, [compiler, "-b", "packages/cli"], { cwd: this.folder, stdio: "pipe" });
  }

  /** Its `varve` command. */
  get command(): string {
    return join(this.folder, "packages/cli/bin/varve.js");
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private linkDependencies(): void {
    const modules = join(this.folder, "node_modules");
    mkdirSync(join(modules, "@varve"), { recursive: true });
    for (const name of readdirSync(join(ROOT, "node_modules"))) {
      if (!OWN.includes(name)) symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
    }
    for (const folder of readdirSync(join(this.folder, "packages"), { withFileTypes: true })) {
      if (!folder.isDirectory()) continue;
      const own = join(this.folder, "packages", folder.name);
      const manifest: { readonly name: string } = JSON.parse(readFileSync(join(own, "package.json"), "utf8"));
      symlinkSync(own, join(modules, manifest.name));
      if (hasOwnModules(folder.name))
        symlinkSync(join(ROOT, "packages", folder.name, "node_modules"), join(own, "node_modules"));
    }
  }
}

/** Dependencies of one package alone, in another version than the others'. */
function hasOwnModules(name: string): boolean {
  try {
    return readdirSync(join(ROOT, "packages", name, "node_modules")).length > 0;
  } catch {
    return false;
  }
}
