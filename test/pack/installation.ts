/**
 * installation.ts: an empty folder into which packages are installed as users do it, and what can be asked of it afterwards.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ran, run } from "./run.js";

const INIT_MS = 20_000;
const INSTALL_MS = 120_000;
const PROGRAM_MS = 60_000;
const ASK_MS = 15_000;

/** Whether the registry that npm is configured for answers; the outside packages that ours need come from there. */
export async function registryAnswers(): Promise<boolean> {
  const args = ["view", "commander", "version", "--fetch-retries", "0", "--fetch-timeout", `${ASK_MS / 2}`];
  return run("npm", args, { cwd: tmpdir(), timeoutMs: ASK_MS }).then(
    () => true,
    () => false,
  );
}

export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

/** A new folder for a test's files; the caller removes it. */
export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), "varve-install-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

export class Installation {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** `mkdir FOLDER && cd FOLDER && npm init -y && npm install PACKAGES`. A package is a tarball's path or `name@version`. */
  static async make(folder: string, packages: readonly string[]): Promise<Installation> {
    mkdirSync(folder);
    await run("npm", ["init", "-y"], { cwd: folder, timeoutMs: INIT_MS });
    await run("npm", ["install", "--no-audit", "--no-fund", ...packages], { cwd: folder, timeoutMs: INSTALL_MS });
    return new Installation(folder);
  }

  /** Runs a command in the folder. @throws Error when it fails. */
  run(command: string, args: readonly string[], timeoutMs: number = PROGRAM_MS): Promise<Ran> {
    return run(command, args, { cwd: this.folder, timeoutMs });
  }

  /** Runs a program of the folder, or of anywhere, with this Node.js. */
  node(args: readonly string[], timeoutMs?: number): Promise<Ran> {
    return this.run(process.execPath, args, timeoutMs);
  }

  /** Paths of all installed files, from the folder. */
  files(): string[] {
    const all = readdirSync(join(this.folder, "node_modules"), { recursive: true, withFileTypes: true });
    return all.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }

  bytes(): number {
    return this.files().reduce((sum, file) => sum + statSync(file).size, 0);
  }
}
