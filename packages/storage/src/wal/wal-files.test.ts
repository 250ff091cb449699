/** wal-files.test.ts: which file becomes the WAL's next one. */
import { silentLogger } from "@varve/base";
import { expect, test } from "vitest";
import { SpaceQueue } from "../log/space.js";
import { ManualClock, settle } from "../testing/log-driver.js";
import { SimDisk } from "../testing/sim-disk.js";
import { createZeroFile, type WalFile, WalFiles } from "./wal-files.js";

const DIR = "/wal";
const FILE_BYTES = 64 * 1024;

function file(number: number, bytes = FILE_BYTES): WalFile {
  const path = `${DIR}/${String(number).padStart(20, "0")}.wal`;
  return { number, path, bytes, references: 0, isDamaged: false };
}

/** File 7 is in use; of the freed ones 5 and 6, those in `kept` exist. */
async function withFreed(kept: readonly number[]) {
  const disk = new SimDisk();
  await disk.makeDir(DIR);
  for (const number of [7, ...kept]) await createZeroFile(disk, file(number).path, FILE_BYTES);
  const failures: Error[] = [];
  const space = new SpaceQueue(new ManualClock(), silentLogger);
  const options = { dir: DIR, disk, fileBytes: FILE_BYTES, onFatal: (error: Error) => failures.push(error), space };
  const files = new WalFiles(options, [file(7)], [file(5), file(6)]);
  const ready = files.prepare();
  await settle();
  await ready;
  return { disk, files, failures };
}

test.each([
  { kept: [5, 6], left: [6, 7, 8], what: "the oldest freed file is used again" },
  { kept: [6], left: [7, 8], what: "one that somebody has removed is passed over" },
  { kept: [], left: [7, 8], what: "a new one is made when somebody has removed them all" },
])("$what", async ({ kept, left }) => {
  const { disk, files, failures } = await withFreed(kept);
  expect(failures).toEqual([]);
  expect(files.advance()).toMatchObject({ number: 8, bytes: FILE_BYTES });
  expect((await disk.list(DIR)).map(Number.parseFloat)).toEqual(left);
});

test("a file that is under way when the WAL is closed ends before its folder is let go, and fails in silence", async () => {
  const disk = new SimDisk();
  await disk.makeDir(DIR);
  await createZeroFile(disk, file(7).path, FILE_BYTES);
  const failures: Error[] = [];
  const space = new SpaceQueue(new ManualClock(), silentLogger);
  const options = { dir: DIR, disk, fileBytes: FILE_BYTES, onFatal: (error: Error) => failures.push(error), space };
  const files = new WalFiles(options, [file(7)], []);
  const { path } = file(8);
  disk.onStep = ({ what }) => {
    if (what === "sync") disk.loseFile(`${path}.new`);
  };
  void files.prepare();
  files.close();
  await settle();
  await files.settled();
  expect((await disk.list(DIR)).map(Number.parseFloat)).toEqual([7]);
  expect(failures).toEqual([]);
});
