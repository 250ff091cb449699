/** wal-scrub.test.ts: damage in a complete file of the WAL is found while the broker runs, and costs nothing, since what counts is in memory. */
import { beforeEach, describe, expect, test } from "vitest";
import type { GroupLog, Storage } from "../api.js";
import {
  appendCommitted,
  ManualClock,
  openOn,
  saveDurably,
  settle,
  specOf,
  tinyOptions,
} from "../testing/log-driver.js";
import { SimDisk } from "../testing/sim-disk.js";

const KEPT = { segmentBytes: 2 ** 20, segmentMs: -1, retentionMs: -1, retentionBytes: -1 };

describe("a scrub of the WAL", () => {
  let disk: SimDisk;
  let clock: ManualClock;
  let storage: Storage;
  /** Its frames are not committed: they and its vote hold files of the WAL. */
  let holder: GroupLog;
  let busy: GroupLog;

  beforeEach(async () => {
    disk = new SimDisk();
    clock = new ManualClock();
    storage = await openOn(disk, tinyOptions(clock, 1, { undrainedBytesMax: 2 ** 20 }));
    holder = await storage.createGroup(specOf(1), KEPT);
    busy = await storage.createGroup(specOf(2), KEPT);
    await saveDurably(holder, { hardState: { term: 3, vote: 2, commit: 0 } });
    await appendCommitted(holder, 3);
    await appendCommitted(busy, 30, 2_000);
  });

  const walFiles = (): string[] => disk.paths().filter((path) => path.endsWith(".wal"));

  /** Scrubs while time passes. */
  async function scrub(pace: (bytes: number) => Promise<boolean> = async () => true) {
    let isOver = false;
    const report = storage.scrubWal(pace).finally(() => {
      isOver = true;
    });
    while (!isOver) {
      clock.advance(100);
      await settle();
    }
    return report;
  }

  test("reads all files but the one that is written, and finds nothing in sound ones", async () => {
    const { files, bytes, rebuilt } = await scrub();
    expect(files).toBeGreaterThanOrEqual(2);
    expect(bytes).toBeLessThanOrEqual(storage.walScrubBytes);
    expect(bytes).toBeGreaterThan(0.8 * storage.walScrubBytes);
    expect(rebuilt).toBe(0);
    expect((await scrub(async () => false)).bytes, "it stops when it is told to").toBe(0);
  });

  test("a flipped bit of any flush is found; nobody is quarantined, and after a kill everything is there", async () => {
    const [first = ""] = walFiles();
    const size = disk.contentOf(first).length;
    // Beside headers, group lists and bodies a flush has padding, whose bits mean nothing.
    for (const position of [4_100, 4_096 + 30, size - 8_192 + 90]) {
      const before = walFiles().length;
      const path = walFiles()[0] ?? "";
      disk.flipBit(path, position);
      expect((await scrub()).rebuilt, `byte ${position} of ${path}`).toBe(1);
      expect(disk.paths()).toContain(`${path}.damaged`);
      expect(walFiles().length).toBeLessThanOrEqual(before);
      expect([holder.quarantine, busy.quarantine]).toEqual([null, null]);
      await appendCommitted(busy, 30, 2_000);
    }
    disk.killProcess();
    const again = await openOn(disk, tinyOptions(clock, 2));
    for (const [id, lastIndex] of [
      [1, 3],
      [2, 120],
    ] as const) {
      expect(again.group(id)?.quarantine).toBeNull();
      expect(again.group(id)?.lastIndex()).toBe(lastIndex);
    }
    expect(again.group(1)?.hardState).toMatchObject({ term: 3, vote: 2 });
  });

  test.each([
    ["cut", (path: string) => disk.cutFile(path, 8_192)],
    ["lost", (path: string) => disk.loseFile(path)],
    ["cut to nothing", (path: string) => disk.cutFile(path, 0)],
  ])("a file that was %s is found, and costs nothing either", async (_, harm) => {
    harm(walFiles()[0] ?? "");
    expect((await scrub()).rebuilt).toBe(1);
    disk.killProcess();
    const again = await openOn(disk, tinyOptions(clock, 2));
    expect([1, 2].map((id) => again.group(id)?.quarantine)).toEqual([null, null]);
    expect([1, 2].map((id) => again.group(id)?.lastIndex())).toEqual([3, 30]);
  });

  test("files that are freed and used again while they are read are no damage", async () => {
    let steps = 0;
    const { rebuilt } = await scrub(async () => {
      if (++steps === 1) for (let round = 0; round < 12; round++) await appendCommitted(busy, 10, 2_000);
      return true;
    });
    expect(rebuilt).toBe(0);
  });
});
