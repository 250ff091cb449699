/**
 * machine-boot.ts: tells whether files that nobody synced are still what was written, because the system has not started anew since.
 *
 * Invariant: two names are equal only within one run of the system's kernel. (Where the system has no name for it, the minute of its start is
 * one; two starts within a minute are not told apart.)
 */
import { readFileSync } from "node:fs";
import { uptime } from "node:os";

/** A name of this run of the kernel, without white space. */
export function machineBoot(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return `started-${Math.round((Date.now() / 1_000 - uptime()) / 60)}`;
  }
}
