/**
 * real-disk-child.ts: a program that tests start: `FOLDER hold` opens the folder, writes to it and keeps it; `FOLDER cycle` opens, writes
 * and closes it several times and tells what that left behind.
 */
import { readdirSync } from "node:fs";
import { assert, silentLogger } from "@varve/base";
import { nodeClock, nodeRandom } from "@varve/base/node";
import { nodeCodec } from "@varve/records/node";
import { FrameKind, type GroupLog, type Storage } from "../api.js";
import { nodeDisk } from "../node/disk.js";
import { nodeWalThread } from "../node/wal-thread.js";
import { openStorage } from "../open.js";
import { frameOf, saveDurably, specOf, TINY_CONFIG, tinyOptions } from "./log-driver.js";

const [dir, mode] = process.argv.slice(2);

function open(): Promise<Storage> {
  assert(dir !== undefined, "usage: real-disk-child.js FOLDER hold|cycle");
  const options = { ...tinyOptions(nodeClock, 1), logger: silentLogger, random: nodeRandom };
  return openStorage(dir, nodeDisk, nodeWalThread(), nodeCodec, options);
}

/** One more frame, durable and committed. */
async function write(storage: Storage): Promise<void> {
  const log: GroupLog = storage.group(1) ?? (await storage.createGroup(specOf(1, "state"), TINY_CONFIG));
  const place = { groupId: 1, index: log.lastIndex() + 1, term: 1, baseOffset: 0 };
  const frames = [frameOf(place, FrameKind.state, new Uint8Array(10))];
  await saveDurably(log, { hardState: { term: 1, vote: 1, commit: 0 }, frames });
  log.commitTo(place.index);
}

async function openAndClose(): Promise<void> {
  const storage = await open();
  await write(storage);
  await storage.close();
}

/** Threads, open files and what would keep the process alive. */
function held(): { readonly threads: number; readonly files: number; readonly resources: readonly string[] } {
  const resources = process.getActiveResourcesInfo().filter((name) => !/^(?:TTY|Pipe|FS)/.test(name));
  return {
    threads: readdirSync("/proc/self/task").length,
    files: readdirSync("/proc/self/fd").length,
    resources,
  };
}

if (mode === "hold") {
  await write(await open());
  process.stdout.write("open\n");
  setInterval(() => undefined, 1_000);
} else {
  await openAndClose(); // Starts the thread pool, which stays.
  const before = held();
  for (let round = 0; round < 3; round++) await openAndClose();
  process.stdout.write(`${JSON.stringify({ before, after: held() })}\n`);
}
