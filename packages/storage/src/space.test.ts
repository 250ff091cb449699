/** space.test.ts: a disk that fills up: nothing acknowledged is lost, nothing ends, and it all goes on when there is space again. */
import { expect, test } from "vitest";
import type { GroupLog, Storage } from "./api.js";
import { isNoSpace } from "./log/space.js";
import {
  appendCommitted,
  ManualClock,
  openOn,
  readAll,
  saveDurably,
  settle,
  specOf,
  TINY_CONFIG,
  tinyOptions,
} from "./testing/log-driver.js";
import { SimDisk } from "./testing/sim-disk.js";

interface Setup {
  readonly disk: SimDisk;
  readonly clock: ManualClock;
  readonly storage: Storage;
  readonly log: GroupLog;
}

async function setUp(diskReserveBytes = 0): Promise<Setup> {
  const disk = new SimDisk();
  const clock = new ManualClock();
  const storage = await openOn(disk, tinyOptions(clock, 1, { diskReserveBytes }));
  return { disk, clock, storage, log: await storage.createGroup(specOf(1), TINY_CONFIG) };
}

const PLENTY = 2 ** 40;

/** Space for `bytes` more, and no end of it for null. */
async function leave(disk: SimDisk, bytes: number | null): Promise<void> {
  disk.setCapacity(PLENTY);
  const used = PLENTY - (await disk.freeBytes("/"));
  if (bytes !== null) disk.setCapacity(used + bytes);
}

async function later(clock: ManualClock, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 100) {
    clock.advance(100);
    await settle();
  }
}

test("drains and checkpoints wait for space, and what is acknowledged meanwhile is not lost", async () => {
  const { disk, clock, storage, log } = await setUp();
  await appendCommitted(log, 10);
  await settle();
  await leave(disk, 100);
  const drained = log.pointers().drainedIndex;
  await appendCommitted(log, 40, 300);
  await later(clock, 2_000);
  expect(log.pointers().drainedIndex, "no space for a segment").toBe(drained);
  expect(storage.stats().undrainedBytes).toBeGreaterThan(8 * 1024);
  expect(storage.pressure(), "and the WAL takes votes and acknowledgements as ever").not.toBeNull();
  await saveDurably(log, { hardState: { term: 7, vote: 2, commit: 0 } });

  disk.killProcess();
  await leave(disk, null);
  const again = await openOn(disk, tinyOptions(clock, 2));
  const found = again.group(1);
  expect(found?.quarantine).toBeNull();
  expect(found?.hardState).toMatchObject({ term: 7, vote: 2 });
  expect(found?.lastIndex()).toBe(50);
});

test("everything goes on by itself when space returns", async () => {
  const { disk, clock, storage, log } = await setUp();
  await appendCommitted(log, 10);
  await settle();
  await leave(disk, 100);
  await appendCommitted(log, 40, 300);
  await later(clock, 1_000);
  await leave(disk, null);
  await later(clock, 1_500);
  expect(storage.stats().undrainedBytes).toBeLessThan(8 * 1024);
  await appendCommitted(log, 40, 300);
  await later(clock, 500);
  expect(storage.pressure()).toBeNull();
  expect(await readAll(log)).toHaveLength(90);
  expect(disk.paths().filter((path) => path.endsWith(".tmp"))).toEqual([]);
  await storage.close();
});

test("a WAL that gets no new file stands still, gives back the space of the attempt, and acknowledges when it has one", async () => {
  const { disk, clock, log } = await setUp();
  await leave(disk, 5_000);
  let acknowledged = 0;
  const appended = (async () => {
    // Nothing is committed, so no file of the WAL may go.
    for (let round = 0; round < 40; round++) {
      await appendCommitted(log, 1, 3_000);
      acknowledged++;
    }
  })();
  await later(clock, 2_000);
  expect(acknowledged).toBeLessThan(40);
  const walBytes = disk
    .paths()
    .filter((path) => path.endsWith(".wal"))
    .map((path) => disk.contentOf(path).length);
  expect(
    walBytes.every((bytes) => bytes === 32 * 1024),
    `${walBytes}`,
  ).toBe(true);
  await leave(disk, null);
  await later(clock, 2_000);
  await appended;
  expect(acknowledged).toBe(40);
});

test("a topic can be deleted while nothing else fits", async () => {
  const { disk, clock, storage, log } = await setUp();
  const other = await storage.createGroup(specOf(2), TINY_CONFIG);
  await appendCommitted(other, 60, 1_500);
  await appendCommitted(log, 10);
  await later(clock, 1_000);
  await leave(disk, 0);
  await storage.dropGroup(2);
  expect(disk.paths().filter((path) => path.includes("0_201"))).toEqual([]);
  expect(await disk.freeBytes("/")).toBeGreaterThan(60 * 1_500);
  await appendCommitted(log, 40, 300);
  await later(clock, 1_000);
  expect(storage.stats().undrainedBytes, "the freed space is used").toBeLessThan(8 * 1024);
});

test("a storage closes on a full disk, and loses nothing by it", async () => {
  const { disk, clock, storage, log } = await setUp();
  await leave(disk, 100);
  await appendCommitted(log, 40, 300);
  await later(clock, 1_000);
  const closed = storage.close();
  await later(clock, 5_000);
  await closed;
  await leave(disk, null);
  const again = await openOn(disk, tinyOptions(clock, 2));
  expect(again.group(1)?.lastIndex()).toBe(40);
});

test("a directory opens on a full disk, under the boot id of the last start, and gets a new one when there is space", async () => {
  const { disk, clock, storage, log } = await setUp();
  await appendCommitted(log, 10);
  const { bootIds } = storage.identity;
  disk.killProcess();
  await leave(disk, 0);
  const full = await openOn(disk, tinyOptions(clock, 2));
  expect(full.identity.bootIds).toEqual(bootIds);
  const found = full.group(1);
  expect(found?.lastIndex()).toBe(10);
  if (found === null) throw new Error("the log is gone");
  await saveDurably(found, { hardState: { term: 9, vote: 2, commit: 0 } });
  disk.killProcess();
  await leave(disk, null);
  const again = await openOn(disk, tinyOptions(clock, 3));
  expect(again.identity.bootIds).toEqual([...bootIds, expect.any(String)]);
  expect(again.group(1)?.hardState).toMatchObject({ term: 9, vote: 2 });
  expect(disk.paths().filter((path) => path.endsWith(".tmp"))).toEqual([]);
});

test("produce is refused before the reserve is used: bytes that wait for their segment count as used", async () => {
  const { disk, clock, storage, log } = await setUp(6_000);
  await leave(disk, 100_000);
  storage.pressure();
  await later(clock, 300);
  expect(storage.pressure()).toBeNull();
  await leave(disk, 9_000);
  await later(clock, 300);
  storage.pressure();
  await settle();
  expect(storage.pressure(), "3,000 bytes above the reserve").toBeNull();
  await appendCommitted(log, 12, 250);
  expect(storage.stats().undrainedBytes).toBeGreaterThan(3_000);
  expect(storage.pressure()).toBe("DISK_FULL");
});

test("a sync that fails for want of space is final, a write is not", () => {
  const error = (syscall: string) => Object.assign(new Error("no space"), { code: "ENOSPC", syscall });
  expect([isNoSpace(error("write")), isNoSpace(error("fsync")), isNoSpace(error("fdatasync"))]).toEqual([
    true,
    false,
    false,
  ]);
  expect(isNoSpace(Object.assign(new Error("broken"), { code: "EIO", syscall: "write" }))).toBe(false);
});
