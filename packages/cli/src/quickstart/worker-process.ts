/**
 * worker-process.ts: one member of the quickstart's group as a child process.
 *
 * Invariants:
 *   K1  everything that the worker said before its end has been heard when `ended` resolves; half a last line counts as not said
 *   K2  a worker never outlives this process, not even after kill -9: its standard input is a pipe from here, and its end closes the worker
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { MIB } from "@varve/base";
import { describeEnd, type ProcessEnd } from "../brokers/broker-process.js";
import { LineSplitter } from "../input/lines.js";
import type { WorkerReport } from "./worker-report.js";

const WORKER = fileURLToPath(new URL("./worker-main.js", import.meta.url));
/** A key is at most 1 MiB, a third more in base64. */
const REPORT_BYTES_MAX = 2 * MIB;
const STDERR_CHARS_MAX = 4_096;

export interface WorkerPlan {
  readonly name: string;
  readonly bootstrap: string;
  readonly sessionTimeoutMs: number;
}

export class WorkerProcess {
  readonly name: string;
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>;
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  private readonly splitter = new LineSplitter(REPORT_BYTES_MAX);
  private readonly onReport: (report: WorkerReport) => void;
  private end: ProcessEnd | null = null;
  private stderr = "";
  private failedToStart: Error | null = null;
  private isKilled = false;

  constructor({ name, bootstrap, sessionTimeoutMs }: WorkerPlan, onReport: (report: WorkerReport) => void) {
    this.name = name;
    this.onReport = onReport;
    const options = ["--name", name, "--bootstrap", bootstrap, "--session-timeout-ms", String(sessionTimeoutMs)];
    this.child = spawn(process.execPath, [WORKER, ...options], { stdio: ["pipe", "pipe", "pipe"] });
    const { stdin, stdout, stderr } = this.child;
    stdin.on("error", () => {}); // The pipe breaks when the worker dies first; its end says so already.
    stdout.on("data", (chunk: Buffer) => this.hear(chunk));
    stderr.on("data", (chunk: Buffer) => {
      this.stderr = (this.stderr + chunk.toString()).slice(-STDERR_CHARS_MAX);
    });
    this.ended = new Promise((resolve) => {
      this.child.once("error", (error) => {
        this.failedToStart = error;
        resolve();
      });
      this.child.once("close", (code, signal) => {
        this.end = { code, signal };
        resolve();
      });
    });
  }

  /** Why it ended although it should not have; null: it runs, was killed from here, or was closed in order. */
  get failure(): string | null {
    if (this.failedToStart !== null) return `${this.name} did not start: ${this.failedToStart.message}`;
    if (this.end === null || this.isKilled || this.end.code === 0) return null;
    return `${this.name} ${describeEnd(this.end)}: ${this.stderr.trim()}`;
  }

  /** kill -9. */
  kill(): void {
    this.isKilled = true;
    this.child.kill("SIGKILL");
  }

  /** Asks it to finish what it has in hand, commit and leave; one that needs longer than `graceMs` is killed, which is a failure. Resolves when the process is gone. */
  async close(graceMs: number): Promise<void> {
    this.child.stdin.end();
    const timer = setTimeout(() => this.child.kill("SIGKILL"), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  private hear(chunk: Buffer): void {
    for (const line of this.splitter.push(chunk)) {
      this.onReport(JSON.parse(Buffer.from(line.buffer, line.byteOffset, line.length).toString()) as WorkerReport);
    }
  }
}
