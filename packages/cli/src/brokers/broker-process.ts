/**
 * broker-process.ts: one broker as a child process: start, readiness, death, stop.
 *
 * Invariants:
 *   P1  states: running -> ended; `ended` resolves once, with how it ended
 *   P2  a child never outlives this process, not even after kill -9: its standard input is a pipe from here, and the child stops when
 *       that closes
 *   P3  Ctrl-C in a terminal reaches this process only (the child has a process group of its own), so that the stop is ordered
 */
/// <reference types="node" preserve="true" />
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { assertDefined, VarveError } from "@varve/base";
import { brokerEnvironment } from "./config-file.js";
import type { BrokerPlace } from "./layout.js";

const LAUNCHER = fileURLToPath(new URL("../../bin/varve.js", import.meta.url));
/** A log file beyond this size is set aside as `.log.1` before the next start; one older file is kept. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;
/** Lines of the log that an error message quotes. */
const LOG_TAIL_LINES = 8;
const LOG_TAIL_BYTES = 4 * 1024;

/** How a process ended, in words for people. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class BrokerProcess {
  readonly place: BrokerPlace;
  readonly pid: number;
  /** Resolves when the process is gone. */
  readonly ended: Promise<ProcessEnd>;
  private readonly child: ChildProcess;
  private end: ProcessEnd | null = null;

  private constructor(place: BrokerPlace, child: ChildProcess, pid: number) {
    this.place = place;
    this.child = child;
    this.pid = pid;
    this.ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.end = { code, signal };
        resolve(this.end);
      });
    });
  }

  /**
   * Starts the broker of `place` with its configuration file; its output is appended to its log file.
   * @param env variables that it inherits, without those that the file fixes.
   * @param launcher a command that runs the broker's command in its own place, such as `ip netns exec NAME`.
   */
  static async start(
    place: BrokerPlace,
    env: NodeJS.ProcessEnv = process.env,
    launcher: readonly string[] = [],
  ): Promise<BrokerProcess> {
    setLargeLogAside(place.logFile);
    const log = openSync(place.logFile, "a");
    try {
      const broker = [process.execPath, LAUNCHER, "broker", "start", "--config", place.configFile, "--stop-with-stdin"];
      const [command = process.execPath, ...args] = [...launcher, ...broker];
      const child = spawn(command, args, { stdio: ["pipe", log, log], env: brokerEnvironment(env), detached: true });
      // The pipe breaks when the child dies first; its exit says so already.
      child.stdin?.on("error", () => {});
      await spawned(child);
      return new BrokerProcess(place, child, assertDefined(child.pid, "a spawned process has a pid"));
    } finally {
      closeSync(log);
    }
  }

  get isRunning(): boolean {
    return this.end === null;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.isRunning) this.child.kill(signal);
  }

  /** SIGTERM, and SIGKILL after `graceMs`; resolves when the process is gone. */
  async stop(graceMs: number): Promise<ProcessEnd> {
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), graceMs);
    try {
      return await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Resolves when /readyz says yes.
   * @throws VarveError TIMEOUT after `timeoutMs`, INTERNAL when the process ends first: with the end of its log; the reason of `signal`.
   */
  async ready(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      signal?.throwIfAborted();
      const answer = await readiness(this.place.ops);
      if (answer === null) return;
      if (this.end !== null) throw this.failure("INTERNAL", `broker ${this.place.id} ${describeEnd(this.end)}`);
      if (performance.now() > deadline) {
        throw this.failure("TIMEOUT", `broker ${this.place.id} is not ready after ${timeoutMs / 1_000} s (${answer})`);
      }
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
    }
  }

  private failure(code: "INTERNAL" | "TIMEOUT", what: string): VarveError {
    const { logFile } = this.place;
    const tail = logTail(logFile);
    return new VarveError(code, {
      message: `${what}; its log ${logFile} ends with:\n${tail}`,
      details: { broker: this.place.id, logFile },
      effect: "NONE",
    });
  }
}

const READY_POLL_MS = 25;
const READY_ANSWER_MS = 1_000;

/** null: ready; else why not, in a few words. */
async function readiness(opsAddress: string): Promise<string | null> {
  try {
    const response = await fetch(`http://${opsAddress}/readyz`, { signal: AbortSignal.timeout(READY_ANSWER_MS) });
    const text = await response.text();
    return response.ok ? null : `/readyz answers ${response.status} ${text.slice(0, 300).trim()}`;
  } catch {
    return "/readyz does not answer";
  }
}

/** "ended by SIGKILL", "ended with exit code 1". */
export function describeEnd({ code, signal }: ProcessEnd): string {
  return signal === null ? `ended with exit code ${code}` : `ended by ${signal}`;
}

function spawned(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
}

function setLargeLogAside(logFile: string): void {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_BYTES_MAX) renameSync(logFile, `${logFile}.1`);
}

function logTail(logFile: string): string {
  try {
    const text = readFileSync(logFile).subarray(-LOG_TAIL_BYTES).toString();
    const lines = text.trimEnd().split("\n").slice(-LOG_TAIL_LINES);
    return lines.map((line) => `  ${line}`).join("\n");
  } catch {
    return "  (the log cannot be read)";
  }
}
