/**
 * starvation.ts: watches whether the machine gives the brokers, and this process, which is their network, the processor when they want it. Where it does
 * not, nobody can be held to a time, and the history says so: as a fault of the machine, named `starved`, which excuses what is slow and nothing else.
 *
 * A process starves while its main thread waits in the scheduler's queue for most of the time. Source: Linux, /proc/PID/schedstat: nanoseconds on
 * a processor, nanoseconds in the queue, time slices.
 */
import { readFileSync } from "node:fs";
import { nowMs } from "../clock.js";
import type { Recorder, TimedEvent } from "../recorder.js";

const LOOK_EVERY_MS = 1_000;
const WAITING_RATIO = 0.4;

/** Brokers that are processes of this machine. */
export interface Processes {
  readonly ids: readonly number[];
  /** What is none, such as 0, waits for nothing. */
  pidOf(id: number): number;
}

export class Starvation {
  private readonly cluster: Processes;
  private readonly recorder: Recorder;
  private readonly timer: NodeJS.Timeout;
  /** By process: milliseconds in the queue, at the last look. */
  private waitedMs = new Map<number, number>();
  private lookedAtMs = nowMs();
  private since: number | null = null;
  private total = 0;

  /** Begins at once. */
  constructor(cluster: Processes, recorder: Recorder) {
    this.cluster = cluster;
    this.recorder = recorder;
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  /** For how long some process starved, all times together. */
  get totalMs(): number {
    return this.total;
  }

  stop(): void {
    clearInterval(this.timer);
    this.end(nowMs());
  }

  private look(): void {
    const atMs = nowMs();
    const spanMs = atMs - this.lookedAtMs;
    const watched = [process.pid, ...this.cluster.ids.map((id) => this.cluster.pidOf(id))];
    const waited = new Map(watched.map((pid) => [pid, waitedMsOf(pid)]));
    const starves = [...waited].some(([pid, ms]) => ms - (this.waitedMs.get(pid) ?? ms) > WAITING_RATIO * spanMs);
    if (starves) this.begin(this.lookedAtMs);
    else this.end(this.lookedAtMs);
    this.waitedMs = waited;
    this.lookedAtMs = atMs;
  }

  private begin(atMs: number): void {
    if (this.since !== null) return;
    this.since = atMs;
    this.recorder.add(eventAt(atMs, "invoke"), { name: "starved", target: "machine" });
  }

  private end(atMs: number): void {
    if (this.since === null) return;
    this.total += atMs - this.since;
    this.since = null;
    this.recorder.add(eventAt(atMs, "ok"), {});
  }
}

const eventAt = (t: number, type: "invoke" | "ok"): TimedEvent => ({ t, proc: "machine", type, f: "nemesis" });

/** 0: there is no such process, or the system does not say. */
function waitedMsOf(pid: number): number {
  try {
    const [, waitedNs = "0"] = readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ");
    return Number(waitedNs) / 1e6;
  } catch {
    return 0;
  }
}
