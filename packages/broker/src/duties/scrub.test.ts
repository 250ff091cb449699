import { type Logger, silentLogger } from "@varve/base";
import type { GroupLog, ScrubReport } from "@varve/storage";
import { expect, test } from "vitest";
import { Scrub } from "./scrub.js";

/** A clock whose timers fire when somebody waits for nothing else. */
class JumpClock {
  private nowMs = 0;
  private timers: { readonly atMs: number; readonly callback: () => void; cancelled: boolean }[] = [];

  monotonicMs = (): number => this.nowMs;
  wallMs = (): number => 1_700_000_000_000 + this.nowMs;
  defer = (callback: () => void): void => queueMicrotask(callback);
  setTimer = (ms: number, callback: () => void) => {
    const timer = { atMs: this.nowMs + ms, callback, cancelled: false };
    this.timers.push(timer);
    return {
      cancel: () => {
        timer.cancelled = true;
      },
    };
  };

  async runTo(ms: number): Promise<void> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      this.timers = this.timers.filter(({ cancelled }) => !cancelled);
      const [next] = this.timers.sort((left, right) => left.atMs - right.atMs);
      if (next === undefined || next.atMs > ms) break;
      this.nowMs = next.atMs;
      this.timers.shift();
      next.callback();
    }
    this.nowMs = ms;
  }
}

/** A log of so many reads of 1 MiB. */
class FakeLog {
  readonly spec = { groupId: 1 };
  quarantine: string | null = null;
  scrubs = 0;
  damagedAt = Number.POSITIVE_INFINITY;
  private readonly reads: number;

  constructor(reads: number) {
    this.reads = reads;
  }

  diskBytes = (): number => this.reads * MIB;

  scrub = async (pace: (bytes: number) => Promise<boolean>): Promise<ScrubReport> => {
    this.scrubs++;
    for (let read = 0; read < this.reads; read++) {
      if (!(await pace(MIB))) break;
      if (read === this.damagedAt) {
        this.quarantine = "rot";
        break;
      }
    }
    return { files: 1, bytes: 0, rebuilt: 1 };
  };
}

const MIB = 1024 * 1024;

function setUp(logs: readonly FakeLog[], { bytesPerSecond = MIB, walReads = 0 } = {}) {
  const clock = new JumpClock();
  const lines: unknown[] = [];
  const logger: Logger = { ...silentLogger, info: (fields) => void lines.push(fields) };
  const options = { clock, logger, bytesPerSecond, intervalMs: 600_000 };
  const wal = { walScrubBytes: walReads * MIB, scrubWal: new FakeLog(walReads).scrub };
  const scrub = new Scrub({ ...options, wal, logs: () => logs as unknown as readonly GroupLog[] });
  const ended = scrub.run();
  return { clock, scrub, ended, lines };
}

test("reads no faster than it may, says how far it is, and begins the next round after the interval", async () => {
  const logs = [new FakeLog(20), new FakeLog(70)];
  const { clock, scrub, lines } = setUp(logs, { walReads: 10 });
  await clock.runTo(59_000);
  expect(scrub.status()).toMatchObject({ bytes: 0, rounds: 0, progress: 1, lastRoundEndMs: 0 });
  await clock.runTo(60_000 + 50_000);
  expect(scrub.status()).toMatchObject({ bytes: 50 * MIB, rounds: 0, progress: 0.5 });
  await clock.runTo(60_000 + 101_000);
  expect(scrub.status()).toMatchObject({ bytes: 100 * MIB, rounds: 1, rebuilt: 3, progress: 1 });
  expect(lines).toEqual([{ logs: 2, seconds: 100, bytes: 100 * MIB, rebuilt: 3, damaged: 0 }]);
  await clock.runTo(60_000 + 599_000);
  expect(scrub.status().rounds).toBe(1);
  await clock.runTo(60_000 + 600_000 + 101_000);
  expect(scrub.status()).toMatchObject({ bytes: 200 * MIB, rounds: 2 });
});

test("counts a damaged replica once, and goes on with the others", async () => {
  const logs = [new FakeLog(5), new FakeLog(5)];
  if (logs[0] !== undefined) logs[0].damagedAt = 2;
  const { clock, scrub } = setUp(logs);
  await clock.runTo(2_000_000);
  expect(scrub.status().damaged).toBe(1);
  expect(logs.map(({ scrubs }) => scrubs)).toEqual([1, 4]);
});

test("stops in the middle of a log when it is told to, and reads nothing when its speed is 0", async () => {
  const { clock, scrub, ended } = setUp([new FakeLog(1_000)]);
  await clock.runTo(70_000);
  scrub.stop();
  await ended;
  expect(scrub.status().rounds).toBe(0);
  const off = setUp([new FakeLog(5)], { bytesPerSecond: 0 });
  await off.ended;
  expect(off.scrub.status().bytes).toBe(0);
});
