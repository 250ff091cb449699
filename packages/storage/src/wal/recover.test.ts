/** recover.test.ts: what a start costs that finds many small flushes. */
import { expect, test } from "vitest";
import { appendCommitted, ManualClock, openOn, specOf, tinyOptions } from "../testing/log-driver.js";
import { SimDisk } from "../testing/sim-disk.js";

const KEPT = { segmentBytes: 2 ** 20, segmentMs: -1, retentionMs: -1, retentionBytes: -1 };
const FLUSHES = 120;

/** A disk that counts how often files of the WAL are opened. */
class CountingDisk extends SimDisk {
  opens = 0;

  override open(path: string, mode: "read" | "readwrite" | "create"): ReturnType<SimDisk["open"]> {
    if (path.endsWith(".wal")) this.opens++;
    return super.open(path, mode);
  }
}

test("a start opens each file of the WAL a few times, however many flushes are in it, and finds them all", async () => {
  const disk = new CountingDisk();
  const storage = await openOn(disk, tinyOptions(new ManualClock(), 1, { undrainedBytesMax: 2 ** 20 }));
  const log = await storage.createGroup(specOf(1), KEPT);
  for (let flush = 0; flush < FLUSHES; flush++) await appendCommitted(log, 1);
  expect(log.lastIndex()).toBe(FLUSHES);
  disk.crash({ keepNothing: true });
  disk.opens = 0;
  const again = await openOn(disk, tinyOptions(new ManualClock(), 1, { undrainedBytesMax: 2 ** 20 }));
  const files = disk.paths().filter((path) => path.endsWith(".wal")).length;
  expect(disk.opens).toBeLessThanOrEqual(4 * files);
  expect(disk.opens).toBeLessThan(FLUSHES / 2);
  expect(again.group(1)?.lastIndex()).toBe(FLUSHES);
});
