import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { ownTimeMs } from "./own-time.js";

const isTold = process.platform === "linux";
if (!isTold) console.warn("waits for a processor are told by Linux only");

/** Long enough for others to begin meanwhile. */
const WORK_MS = 1_000;

/** Work of a fixed amount. */
function work(): number {
  let sum = 0;
  for (let at = 0; at < 2e7; at++) sum += at % 7;
  return sum;
}

test("sleep counts", async () => {
  const ownMs = ownTimeMs();
  const wallMs = performance.now();
  await sleep(100);
  const tookMs = performance.now() - wallMs;
  const waited = tookMs - (ownTimeMs() - ownMs);
  // A sleeper can wait for a processor only after its time.
  expect(tookMs - waited).toBeGreaterThanOrEqual(95);
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
