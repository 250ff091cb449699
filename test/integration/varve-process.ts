/**
 * varve-process.ts: the `varve` command as users run it: processes, their output and their exit codes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type DevFile, readDevFile } from "varve";

const VARVE = fileURLToPath(new URL("../../packages/cli/bin/varve.js", import.meta.url));
/** Longest wait for any state in these tests; a busy machine needs patience, a broken program none. */
const STATE_MS = 25_000;
const LOOK_MS = 20;

export interface Finished {
  /** null: it died by a signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

/** A running `varve ARGS` (or another script of this repository). */
export class VarveProcess {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  private readonly out: Buffer[] = [];
  private readonly err: Buffer[] = [];

  constructor(args: readonly string[], options: RunOptions = {}, script: string = VARVE) {
    this.child = spawn(process.execPath, [script, ...args], { env: { ...process.env, ...options.env }, stdio: "pipe" });
    this.child.stdout?.on("data", (chunk: Buffer) => this.out.push(chunk));
    this.child.stderr?.on("data", (chunk: Buffer) => this.err.push(chunk));
    this.child.stdin?.on("error", () => {}); // A command that ends before it has read everything.
    if (options.stdin !== undefined) this.child.stdin?.end(options.stdin);
    this.finished = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("close", (code) => {
        const stdoutBytes = Buffer.concat(this.out);
        resolve({ code, stdoutBytes, stdout: stdoutBytes.toString(), stderr: this.stderr });
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get stdout(): string {
    return Buffer.concat(this.out).toString();
  }

  get stderr(): string {
    return Buffer.concat(this.err).toString();
  }
}

/** Runs a command with nothing on its standard input, unless told, to its end. */
export function varve(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new VarveProcess(args, { stdin: "", ...options }).finished;
}

/** Looks until `ask` has an answer. @param withinMs when what brings the state about is much work. */
export async function until<T>(what: string, ask: () => T | null | Promise<T | null>, withinMs = STATE_MS): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() > endMs) throw new Error(`${what}: not within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS)); // Between two looks; the deadline bounds them.
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The running cluster's dev.json; null while there is none. */
export function devFileOf(folder: string): DevFile | null {
  try {
    return readDevFile(folder);
  } catch {
    return null;
  }
}
