/**
 * chaos-run.ts: `npm run chaos` as a child of a test, and what is left of it afterwards.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const GONE_MS = 10_000;

export interface ChaosRun {
  readonly code: number | null;
  readonly output: string;
  /** Where its report is. */
  readonly out: string;
}

/** Runs that share a folder and a seed; SEED of the environment repeats them. */
export class ChaosRuns {
  readonly seed = Number(process.env["SEED"] ?? 1 + (Date.now() % 2 ** 32));
  private readonly folder = mkdtempSync(join(tmpdir(), "varve-chaos-test-"));
  private count = 0;
  private isKept = false;

  build(): void {
    execFileSync(join(ROOT, "node_modules/.bin/tsc"), ["-b", "test/chaos"], { cwd: ROOT });
  }

  /** @param heard is told of what the run has said so far, and may interrupt it. */
  run(args: readonly string[], heard: (output: string, interrupt: () => void) => void = () => {}): Promise<ChaosRun> {
    const out = join(this.folder, `report-${++this.count}`);
    return new Promise((resolve, reject) => {
      const program = [join(ROOT, "test/chaos/dist/chaos/main.js"), ...args, "--seed", String(this.seed), "--out", out];
      // Brokers and workers inherit the folder, by which those that are left would be found.
      const child = spawn(process.execPath, program, { stdio: "pipe", env: { ...process.env, TMPDIR: this.folder } });
      let output = "";
      const keep = (chunk: Buffer): void => {
        output += chunk.toString();
        heard(output, () => child.kill("SIGINT"));
      };
      child.stdout.on("data", keep);
      child.stderr.on("data", keep);
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, output, out }));
    });
  }

  async nothingIsLeft(): Promise<void> {
    const endMs = performance.now() + GONE_MS;
    while (this.left().length > 0) {
      if (performance.now() > endMs) expect(this.left()).toEqual([]);
      await new Promise((resolve) => setTimeout(resolve, 50)); // Between two looks; the deadline bounds them.
    }
  }

  /** For a test that fails: its histories and reports stay. @returns where they are. */
  keep(): string {
    this.isKept = true;
    return this.folder;
  }

  remove(): void {
    if (!this.isKept) rmSync(this.folder, { recursive: true, force: true });
  }

  /** Processes that these runs have started and that live; none where the system does not show them. */
  private left(): string[] {
    if (process.platform !== "linux") return [];
    const ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
    return ids.filter((id) => {
      try {
        return readFileSync(`/proc/${id}/environ`, "utf8").includes(`TMPDIR=${this.folder}`);
      } catch {
        return false;
      }
    });
  }
}
