/** group-workers.ts: the members of one group as processes: started, killed, closed in order, and what each of them says. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ConsumerOptions } from "@varve/client";
import { expect } from "vitest";
import type { BegunPartition, Report, ReportOf } from "./group-report.js";
import { waitUntil } from "./sdk-load.js";

const WORKER = fileURLToPath(new URL("group-worker.mjs", import.meta.url));
/** Longest wait for a worker to say something; a busy machine needs patience. */
const SAYS_MS = 40_000;

export interface WorkerPlan extends Pick<ConsumerOptions, "staticId" | "sessionTimeoutMs" | "commitIntervalMs"> {
  readonly concurrency?: number;
  /** Shortest and longest time of a record's work; default none. */
  readonly workMs?: readonly [number, number];
  /** Whether records that say so keep this worker's event loop. */
  readonly blocks?: boolean;
  readonly stallTimeoutMs?: number;
  readonly seed?: number;
}

/** One process, from its start to its end. */
export class GroupWorker {
  readonly name: string;
  readonly reports: Report[] = [];
  /** Resolves when the process is gone and everything that it said is here. */
  readonly ended: Promise<void>;
  private readonly child: ChildProcess;
  private stderr = "";

  constructor(name: string, plan: object) {
    this.name = name;
    this.child = spawn(process.execPath, [WORKER, JSON.stringify(plan)], { stdio: "pipe" });
    const { stdout, stderr, stdin } = this.child;
    if (stdout === null || stderr === null) throw new Error("a worker without pipes");
    createInterface({ input: stdout }).on("line", (line) => this.hear(line));
    stderr.on("data", (text: Buffer) => {
      this.stderr += text.toString();
    });
    stdin?.on("error", () => {}); // It was killed.
    this.ended = new Promise((resolve) => this.child.once("close", () => resolve()));
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  of<Type extends Report["type"]>(type: Type): ReportOf<Type>[] {
    return this.reports.filter((report): report is ReportOf<Type> => report.type === type);
  }

  /** What it works on, as it has heard. */
  get partitions(): BegunPartition[] {
    const held = new Map<number, BegunPartition>();
    for (const report of this.reports) {
      if (report.type === "assigned") for (const begun of report.partitions) held.set(begun.partition, begun);
      else if (report.type === "revoked" || report.type === "lost")
        for (const partition of report.partitions) held.delete(partition);
    }
    return [...held.values()].sort((left, right) => left.partition - right.partition);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }

  /** Lets it finish, commit and leave. */
  async close(): Promise<void> {
    this.child.stdin?.end();
    await this.ended;
    expect(this.stderr).toBe("");
    expect(this.of("over")).toMatchObject([{ code: null, message: "closed" }]);
  }

  /** Waits until what it has said is so. */
  async says(what: string, holds: (worker: this) => boolean): Promise<void> {
    await waitUntil(`${this.name} ${what}`, SAYS_MS, async () => {
      if (!this.isRunning && this.stderr !== "") expect.fail(`${this.name} died: ${this.stderr}`);
      return holds(this);
    });
  }

  private hear(line: string): void {
    // A worker that is killed while it writes may leave half a line.
    if (line.endsWith("}")) this.reports.push(JSON.parse(line) as Report);
  }
}

/** All workers that a group ever had. */
export class GroupWorkers {
  readonly group: string;
  readonly topic: string;
  readonly all: GroupWorker[] = [];
  private readonly bootstrap: readonly string[];
  private readonly plan: WorkerPlan;

  constructor(bootstrap: string | readonly string[], group: string, topic: string, plan: WorkerPlan = {}) {
    this.bootstrap = [bootstrap].flat();
    this.group = group;
    this.topic = topic;
    this.plan = plan;
  }

  get running(): GroupWorker[] {
    return this.all.filter(({ isRunning }) => isRunning);
  }

  start(own: WorkerPlan = {}): GroupWorker {
    const { group, topic, bootstrap, all } = this;
    const plan = { ...this.plan, ...own };
    const { concurrency = 8, workMs = [0, 0], blocks = false, seed = all.length, ...consumer } = plan;
    const settings = { startFrom: "earliest", sessionTimeoutMs: 5_000, ...consumer, group, topics: [topic] };
    const worker = new GroupWorker(`${group}-${all.length}`, {
      bootstrap,
      consumer: settings,
      concurrency,
      workMs,
      blocks,
      seed,
    });
    all.push(worker);
    return worker;
  }

  /** Starts so many, and waits until they share all of `partitions` partitions evenly. */
  async startSharing(count: number, partitions: number): Promise<void> {
    for (let at = 0; at < count; at++) this.start();
    await this.share(partitions);
  }

  /** Waits until the workers that run share `partitions` partitions evenly, each owned once. */
  async share(partitions: number): Promise<void> {
    await waitUntil(`the workers of ${this.group} share ${partitions} partitions`, SAYS_MS, async () => {
      const counts = this.running.map((worker) => worker.partitions.length);
      const owned = this.running.flatMap((worker) => worker.partitions.map(({ partition }) => partition));
      return (
        owned.length === partitions &&
        new Set(owned).size === partitions &&
        Math.max(...counts) - Math.min(...counts) <= 1
      );
    });
  }

  /** Ends all of them in order. */
  async close(): Promise<void> {
    await Promise.all(this.running.map((worker) => worker.close()));
  }

  /** Ends all of them at once; no process is left. */
  async kill(): Promise<void> {
    await Promise.all(this.running.map((worker) => worker.kill()));
  }
}
