/**
 * worker-process.ts: one worker process: its events go into the run's history; it can be killed, frozen and closed.
 *
 * Invariants:
 *   W1  when the process is gone, each of its members that did not end in order is retired: its open operation, or an assignment of its, gets
 *       an `info`, so that nobody takes a dead member for an owner
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { nowMs } from "../clock.js";
import type { Recorder, TimedEvent } from "../recorder.js";
import type { WorkerEnd, WorkerPlan } from "./plan.js";

const WORKER = fileURLToPath(new URL("worker.js", import.meta.url));

/** Says something that is no operation while one may be open. */
const ANNOUNCEMENTS: readonly string[] = ["process", "final"];

/** A line of a worker: an event with its fields. */
export type WorkerEvent = TimedEvent & Readonly<Record<string, unknown>>;

export interface WorkerListener {
  readonly onEvent: (event: WorkerEvent) => void;
  /** A member has ended by itself. */
  readonly onEnd: (worker: WorkerProcess, end: WorkerEnd) => void;
}

export class WorkerProcess {
  readonly plan: WorkerPlan;
  /** Resolves when the process is gone and all that it said is in the history. */
  readonly ended: Promise<void>;
  state: "running" | "frozen" | "ending" | "gone" = "running";
  private readonly child: ChildProcess;
  private readonly recorder: Recorder;
  private readonly listener: WorkerListener;
  /** By name in the history: the operation that is open; null: none. */
  private readonly procs = new Map<string, string | null>();
  /** Names that were retired while their process lived on. */
  private readonly renamed = new Map<string, string>();
  private stderr = "";

  constructor(plan: WorkerPlan, recorder: Recorder, listener: WorkerListener) {
    this.plan = plan;
    this.recorder = recorder;
    this.listener = listener;
    this.child = spawn(process.execPath, [WORKER, JSON.stringify(plan)], { stdio: "pipe" });
    const { stdout, stderr, stdin } = this.child;
    if (stdout === null || stderr === null || stdin === null) throw new Error("a worker without pipes");
    createInterface({ input: stdout }).on("line", (line) => this.hear(line));
    stderr.on("data", (text: Buffer) => {
      this.stderr = (this.stderr + text.toString()).slice(-4_096);
    });
    stdin.on("error", () => {}); // It was killed.
    this.ended = new Promise((resolve) => {
      this.child.once("close", () => {
        this.state = "gone";
        for (const proc of this.procs.keys()) this.retire(proc);
        resolve();
      });
    });
  }

  /** What it complained of; empty when all is well. */
  get complaint(): string {
    return this.stderr;
  }

  freeze(): void {
    this.child.kill("SIGSTOP");
    this.state = "frozen";
  }

  thaw(): void {
    this.child.kill("SIGCONT");
    if (this.state === "frozen") this.state = "running";
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.state = "ending";
    this.child.kill("SIGKILL");
    await this.ended;
  }

  /** kill -9, without waiting. */
  drop(): void {
    this.child.kill("SIGKILL");
  }

  /** Lets it finish, commit and leave; kills it when it does not within `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.thaw();
    this.state = "ending";
    this.child.stdin?.end();
    const timer = setTimeout(() => this.drop(), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  /** What it says from now on is another client's: another process goes on in its place. */
  handOver(): void {
    for (const proc of [...this.procs.keys()]) {
      this.retire(proc);
      this.renamed.set(proc, `${proc}/old`);
    }
  }

  private hear(line: string): void {
    if (!line.endsWith("}")) return; // It was killed while it wrote.
    const said = JSON.parse(line) as WorkerEvent | WorkerEnd;
    if ("ended" in said && typeof said.ended === "string") {
      this.procs.delete(said.ended);
      this.listener.onEnd(this, said as WorkerEnd);
    } else this.record(said as WorkerEvent);
  }

  private record(event: WorkerEvent): void {
    const proc = this.renamed.get(event.proc) ?? event.proc;
    const { t, type, f, proc: _, ...more } = event;
    if (!ANNOUNCEMENTS.includes(f)) {
      // After a hand-over the end of an operation that was retired has no beginning.
      if (type !== "invoke" && this.procs.get(proc) !== f) return;
      this.procs.set(proc, type === "invoke" ? f : null);
      if (type === "info") this.procs.delete(proc);
    }
    this.recorder.add({ t, proc, type, f }, more);
    this.listener.onEvent(event);
  }

  private retire(proc: string): void {
    const open = this.procs.get(proc);
    this.procs.delete(proc);
    const t = nowMs();
    const event = (type: "invoke" | "info", f: TimedEvent["f"]): TimedEvent => ({ t, proc, type, f });
    if (open === undefined) return;
    if (open === null) this.recorder.add(event("invoke", "assign"), { group: this.plan.group });
    this.recorder.add(event("info", open === null ? "assign" : (open as TimedEvent["f"])), { err: "CLOSED" });
  }
}
