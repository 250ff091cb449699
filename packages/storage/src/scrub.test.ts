/** scrub.test.ts: a scrub finds every flipped bit that matters, repairs what it can, and takes nothing that changes meanwhile for damage. */
import { beforeEach, describe, expect, test } from "vitest";
import type { GroupLog, Storage } from "./api.js";
import {
  appendCommitted,
  ManualClock,
  openOn,
  readAll,
  settle,
  specOf,
  TINY_CONFIG,
  tinyOptions,
} from "./testing/log-driver.js";
import { SimDisk } from "./testing/sim-disk.js";

const atOnce = async (): Promise<boolean> => true;

describe("a scrub", () => {
  let disk: SimDisk;
  let storage: Storage;
  let log: GroupLog;
  let quarantined: number[];

  beforeEach(async () => {
    disk = new SimDisk();
    quarantined = [];
    const onQuarantine = (groupId: number): void => void quarantined.push(groupId);
    storage = await openOn(disk, tinyOptions(new ManualClock(), 1, { onQuarantine }));
    log = await storage.createGroup(specOf(1), TINY_CONFIG);
    await appendCommitted(log, 60);
    await settle();
  });

  const files = (end: string): string[] => disk.paths().filter((path) => path.endsWith(end));

  test("reads all of a sound log, changes nothing and finds nothing", async () => {
    const before = disk.paths().map((path) => [path, path.endsWith(".log") ? disk.contentOf(path).length : 0]);
    const { files: count, bytes, rebuilt } = await log.scrub(atOnce);
    const drained = files(".log").reduce((sum, path) => sum + disk.contentOf(path).length, 0);
    expect(bytes).toBeGreaterThan(drained * 0.9);
    expect(count).toBeGreaterThanOrEqual(files(".log").length + files(".checkpoint").length);
    expect([rebuilt, log.quarantine]).toEqual([0, null]);
    expect(disk.paths().map((path) => [path, path.endsWith(".log") ? disk.contentOf(path).length : 0])).toEqual(before);
  });

  test("finds a flipped bit anywhere in a sealed segment, and says where", async () => {
    const [path = ""] = files(".log");
    const size = disk.contentOf(path).length;
    expect(size).toBeGreaterThan(1_500);
    // The header's reserved bytes count, too: its checksum is over all of it.
    for (let at = 0; at < size; at += 29) {
      const copy = await copyOf(disk);
      copy.disk.flipBit(path, at);
      await copy.log.scrub(atOnce);
      expect(copy.log.quarantine, `byte ${at}`).toContain(path);
    }
  });

  test("quarantines at once: the broker hears of it, and reads are refused", async () => {
    disk.flipBit(files(".log")[1] ?? "", 500);
    await log.scrub(atOnce);
    expect(quarantined).toEqual([1]);
    await expect(readAll(log)).rejects.toMatchObject({ code: "REPLICA_QUARANTINED" });
    await settle();
    expect(files("quarantine.json")).toHaveLength(1);
  });

  test("finds a segment that is gone although readers still have it open, and one that was cut", async () => {
    await readAll(log);
    const copy = await copyOf(disk);
    const [first = "", second = ""] = files(".log");
    disk.loseFile(first);
    await log.scrub(atOnce);
    expect(log.quarantine).toContain("missing");
    copy.disk.cutFile(second, 700);
    await copy.log.scrub(atOnce);
    expect(copy.log.quarantine).toContain(second);
  });

  test.each(["damaged", "lost", "swapped"])("makes a %s sparse index anew, and readers use it", async (how) => {
    const [one = "", two = ""] = files(".idx");
    const before = [one, two].map((path) => disk.contentOf(path).slice());
    if (how === "damaged") disk.flipBit(one, 10);
    else if (how === "lost") disk.loseFile(one);
    else await write(disk, one, before[1] ?? new Uint8Array());
    expect((await log.scrub(atOnce)).rebuilt).toBe(1);
    expect(log.quarantine).toBe(null);
    expect(disk.contentOf(one)).toEqual(before[0]);
    expect(await readAll(log)).toHaveLength(60);
    expect((await log.scrub(atOnce)).rebuilt, "nothing is left to do").toBe(0);
  });

  test("writes the newest checkpoint again, and quarantines for one that a segment begins with", async () => {
    const copy = await copyOf(disk);
    log.setConfig({ ...TINY_CONFIG, segmentBytes: 2 ** 16 });
    for (let at = 0; at < 12; at++) {
      await appendCommitted(log, 1, 300);
      await settle();
    }
    const now = files(".checkpoint").at(-1) ?? "";
    disk.flipBit(now, 40);
    await log.scrub(atOnce);
    await settle();
    expect(log.quarantine).toBe(null);
    disk.killProcess();
    const again = await openOn(disk, tinyOptions(new ManualClock(), 2));
    expect(again.group(1)?.quarantine).toBe(null);
    expect(again.group(1)?.lastIndex()).toBe(72);

    const [oldest = ""] = copy.disk.paths().filter((path) => path.endsWith(".checkpoint"));
    copy.disk.flipBit(oldest, 40);
    await copy.log.scrub(atOnce);
    expect(copy.log.quarantine).toContain(oldest);
  });

  test("takes a last segment without frames, which has no file yet, for no damage", async () => {
    log.setConfig({ ...TINY_CONFIG, segmentBytes: 128 });
    await appendCommitted(log, 1);
    await settle();
    // A close drains what is applied, so that nothing is left for the last segment.
    await storage.close();
    storage = await openOn(disk, tinyOptions(new ManualClock(), 1));
    log = storage.group(1) ?? log;
    await log.scrub(atOnce);
    expect(log.quarantine).toBe(null);
  });

  test("takes what is dropped, rolled and drained meanwhile for no damage, and stops when it is told to", async () => {
    let steps = 0;
    const report = await log.scrub(async () => {
      steps++;
      if (steps === 2) await appendCommitted(log, 30);
      if (steps === 4) await storage.dropGroup(1);
      return true;
    });
    expect(report.files).toBeGreaterThan(0);
    expect(quarantined).toEqual([]);
    const other = await storage.createGroup(specOf(2), TINY_CONFIG);
    await appendCommitted(other, 60);
    await settle();
    expect((await other.scrub(async () => false)).bytes).toBe(0);
  });
});

/** The same files on a disk of their own, opened. */
async function copyOf(from: SimDisk): Promise<{ readonly disk: SimDisk; readonly log: GroupLog }> {
  const disk = new SimDisk();
  for (const path of from.paths().filter((name) => /\.\w+$/.test(name))) await write(disk, path, from.contentOf(path));
  const log = (await openOn(disk, tinyOptions(new ManualClock(), 3))).group(1);
  if (log === null) throw new Error("the log is gone");
  return { disk, log };
}

async function write(disk: SimDisk, path: string, bytes: Uint8Array): Promise<void> {
  const process = disk.process();
  await process.makeDir(path.slice(0, path.lastIndexOf("/")));
  const file = await process.open(path, "create");
  await file.truncate(0);
  await file.write([bytes], 0);
  await file.sync();
  await file.close();
}
