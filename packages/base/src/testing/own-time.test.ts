import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { ownTimeMs } from "./own-time.js";

const isTold = process.platform === "linux";
if (!isTold) console.warn("waits for a processor are told by Linux only");

/** Long enough for others to begin meanwhile. */
const WORK_MS = 1_000;

const SLEEP_MS = 500;

/** Work of a fixed amount. */
function work(): number {
  let sum = 0;
  for (let at = 0; at < 2e7; at++) sum += at % 7;
  return sum;
}

test("sleep counts", async () => {
  const ownMs = ownTimeMs();
  await sleep(SLEEP_MS);
  // A sleeper waits for a processor before and after, for as long as others please: what it slept was still counted.
  expect(ownTimeMs() - ownMs).toBeGreaterThan(SLEEP_MS / 2);
});

test.skipIf(!isTold)("work counts, and time in which others have the processor does not", () => {
  const busy = Array.from({ length: 2 * availableParallelism() }, () =>
    spawn(process.execPath, ["-e", "for (const endMs = Date.now() + 10_000; Date.now() < endMs; );"], {
      stdio: "ignore",
    }),
  );
  try {
    const ownMs = ownTimeMs();
    const cpu = process.cpuUsage();
    const wallMs = performance.now();
    while (performance.now() - wallMs < WORK_MS) work();
    const { user, system } = process.cpuUsage(cpu);
    const workedMs = (user + system) / 1e3;
    const tookMs = ownTimeMs() - ownMs;
    expect(tookMs).toBeLessThan(performance.now() - wallMs - WORK_MS / 10);
    expect(Math.abs(tookMs - workedMs) / workedMs).toBeLessThan(0.3);
  } finally {
    for (const child of busy) child.kill("SIGKILL");
  }
});
