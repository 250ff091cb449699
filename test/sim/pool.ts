/**
 * pool.ts: runs seeds in several processes, since one simulation uses one processor. Reports come in any order.
 */
import { type ChildProcess, fork } from "node:child_process";
import type { Variant } from "./breakage.js";
import { type RunReport, runSeed } from "./simulation.js";

/** What a worker is asked for. */
export interface Job {
  readonly seed: number;
  readonly variant: Variant | null;
}

/** Runs jobs as `next` gives them until it gives null, in `processes` at once; `heard` gets every report. */
export async function runJobs(
  processes: number,
  next: () => Job | null,
  heard: (report: RunReport) => void,
): Promise<void> {
  await Promise.all(Array.from({ length: processes }, () => runWorker(next, heard)));
}

function runWorker(next: () => Job | null, heard: (report: RunReport) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const first = next();
    if (first === null) {
      resolve();
      return;
    }
    const worker: ChildProcess = fork(new URL("./worker.js", import.meta.url));
    worker.on("message", (report: RunReport) => {
      heard(report);
      const job = next();
      if (job === null) worker.disconnect();
      else worker.send(job);
    });
    worker.on("error", reject);
    worker.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
    worker.send(first);
  });
}

/** The other side: answers jobs until its parent lets go of it. */
export function serveJobs(): void {
  process.on("message", (job: Job) => {
    runSeed(job).then(
      (report) => process.send?.(report),
      (error: unknown) => {
        throw error;
      },
    );
  });
}
