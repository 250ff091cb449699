/**
 * own-time.ts: a clock for tests that judge how long something took in their own process: it stands while the process waits for a processor.
 *
 * Whoever else uses the machine decides how long that is, so a bound by the wall clock says as much about them as about the code. Sleeping, waiting for
 * a disk or another process, and work count. Linux tells the wait for each thread (Documentation/scheduler/sched-stats.rst, field 2 of
 * `schedstat`); elsewhere this is the wall clock.
 */
import { readFileSync } from "node:fs";

const MAIN_THREAD = `/proc/self/task/${process.pid}/schedstat`;
const NANOS_PER_MS = 1e6;

/** Milliseconds from some moment on, without those in which the main thread was ready to run and another one ran. */
export function ownTimeMs(): number {
  return performance.now() - waitedMs();
}

function waitedMs(): number {
  if (process.platform !== "linux") return 0;
  const [, waitedNanos = "0"] = readFileSync(MAIN_THREAD, "utf8").split(" ");
  return Number(waitedNanos) / NANOS_PER_MS;
}
