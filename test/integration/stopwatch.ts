/**
 * stopwatch.ts: how long several processes took, without the time in which the machine was busy with others: that of the process which waited longest for
 * a processor. Linux tells how long a thread waited (`schedstat`, field 2); elsewhere this is the time by the clock.
 */
import { readFileSync } from "node:fs";

const NANOS_PER_MS = 1e6;

export class Stopwatch {
  private readonly startedMs = performance.now();
  private readonly waitedMs: ReadonlyMap<number, number>;

  /** Runs from now on. @param pids of processes that live as long as it is asked; this one is added. */
  constructor(pids: readonly number[]) {
    this.waitedMs = new Map([...pids, process.pid].map((pid) => [pid, waitedMsOf(pid)]));
  }

  get ms(): number {
    const waits = [...this.waitedMs].map(([pid, waitedMs]) => waitedMsOf(pid) - waitedMs);
    return performance.now() - this.startedMs - Math.max(0, ...waits);
  }
}

/** How long the first thread of a process has waited for a processor. */
function waitedMsOf(pid: number): number {
  try {
    const [, waitedNanos = "0"] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ");
    return Number(waitedNanos) / NANOS_PER_MS;
  } catch {
    return 0; // It has ended, or this is no Linux.
  }
}
