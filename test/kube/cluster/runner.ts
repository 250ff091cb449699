/**
 * runner.ts: runs outside programs to their end: the one way in which these scenarios touch the world, so that tests can stand in for it.
 *
 * Every program has a deadline and is killed when it passes. What it writes is bounded; a history, which is large, goes to a file.
 */
import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { setTimeout as wait } from "node:timers/promises";

export interface RunOptions {
  /** Default 60 s. */
  readonly timeoutMs?: number;
  readonly input?: string;
  /** Where stdout goes instead of into the answer. */
  readonly stdoutFile?: string;
}

export interface RunResult {
  /** Exit code; null: it was killed, or never ran. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Programs and time. */
export interface World {
  /** Never rejects: what went wrong is in the result. */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Milliseconds of a clock that never goes back. */
  nowMs(): number;
  pause(ms: number): Promise<void>;
}

const TIMEOUT_MS = 60_000;
const OUTPUT_CHARS_MAX = 32 * 1024 * 1024;

export const realWorld: World = {
  run: runProgram,
  nowMs: () => performance.now(),
  pause: (ms) => wait(ms),
};

function runProgram(
  argv: readonly string[],
  { timeoutMs = TIMEOUT_MS, input, stdoutFile }: RunOptions = {},
): Promise<RunResult> {
  const [program = "", ...args] = argv;
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: "pipe" });
    let stdout = "";
    let stderr = "";
    const timer = setTimeout(() => {
      stderr += `\n${program} was ended: no end within ${timeoutMs / 1_000} s`;
      child.kill("SIGKILL");
    }, timeoutMs);
    const take = (text: string, more: Buffer): string => (text + more.toString()).slice(-OUTPUT_CHARS_MAX);
    let written: Promise<void> = Promise.resolve();
    if (stdoutFile === undefined) child.stdout.on("data", (more: Buffer) => (stdout = take(stdout, more)));
    else written = pipeline(child.stdout, createWriteStream(stdoutFile));
    let failure: string | null = null;
    written.catch((error: unknown) => {
      failure = `${stdoutFile}: ${error}`;
    });
    child.stderr.on("data", (more: Buffer) => (stderr = take(stderr, more)));
    child.stdin.on("error", () => {}); // It ended without reading all of it.
    child.stdin.end(input);
    child.once("error", (error) => {
      clearTimeout(timer);
      resolve({ code: null, stdout, stderr: `${program}: ${error.message}` });
    });
    child.once("close", async (code) => {
      clearTimeout(timer);
      // The program is gone before all that it wrote is in the file.
      await written.catch(() => {});
      resolve(failure === null ? { code, stdout, stderr } : { code: null, stdout, stderr: `${stderr}${failure}` });
    });
  });
}

/** A program that ended otherwise than was wanted. */
export class CommandFailed extends Error {
  constructor(
    argv: readonly string[],
    readonly result: RunResult,
  ) {
    super(`${argv.join(" ")}\n  exit code ${result.code}: ${(result.stderr || result.stdout).trim().slice(-2_000)}`);
  }
}

const LOOK_MS = 500;

/** Looks until `look` says yes. @throws Error after `deadlineMs`, with what the last look found instead. */
export async function until(
  world: World,
  what: string,
  deadlineMs: number,
  look: () => Promise<true | string>,
): Promise<void> {
  const endMs = world.nowMs() + deadlineMs;
  for (;;) {
    const found = await look().catch((error: unknown) => String(error));
    if (found === true) return;
    if (world.nowMs() > endMs) throw new Error(`${what}: not within ${deadlineMs / 1_000} s: ${found}`);
    await world.pause(LOOK_MS);
  }
}
