/** failed-sync.test.ts: a sync that fails ends the process wherever it was, not only on the way of frames; a full disk does not. */
import { expect, test } from "vitest";
import type { Storage } from "./api.js";
import { ManualClock, openOn, settle, specOf, TINY_CONFIG, tinyOptions } from "./testing/log-driver.js";
import { SimDisk } from "./testing/sim-disk.js";

const WRITES = [
  { of: "the note", match: "note.json", write: (storage: Storage) => storage.setNote("promise") },
  { of: "the identity", match: "node.json", write: (storage: Storage) => storage.adopt("c1", 1) },
  { of: "a new log", match: ".checkpoint", write: (storage: Storage) => storage.createGroup(specOf(2), TINY_CONFIG) },
  { of: "the folder of a dropped log", match: "/topics", write: (storage: Storage) => storage.dropGroup(1) },
];

async function setUp(): Promise<{ disk: SimDisk; storage: Storage; failures: string[] }> {
  const disk = new SimDisk();
  const failures: string[] = [];
  const onFatal = (error: Error): void => void failures.push(error.message);
  const storage = await openOn(disk, tinyOptions(new ManualClock(), 1, { onFatal }));
  await storage.createGroup(specOf(1), TINY_CONFIG);
  return { disk, storage, failures };
}

test.each(WRITES)("a failed fsync of $of is fatal", async ({ match, write }) => {
  const { disk, storage, failures } = await setUp();
  disk.failSyncs(match, new Error("EIO"));
  await Promise.resolve(write(storage)).catch(() => undefined);
  await settle();
  expect(failures).toEqual(["EIO"]);
});

test("a note that finds the disk full is refused, and written when there is space", async () => {
  const { disk, storage, failures } = await setUp();
  disk.setCapacity(disk.usedBytes);
  await expect(storage.setNote("promise")).rejects.toThrow("ENOSPC");
  disk.setCapacity(2 ** 40);
  await storage.setNote("promise");
  expect(storage.note).toBe("promise");
  expect(failures).toEqual([]);
});
