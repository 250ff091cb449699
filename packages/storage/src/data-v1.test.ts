/** data-v1.test.ts: the data folder of format 1, written once and kept, opened on the real disk by this version. */
import { createHash } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@varve/base";
import { nodeClock, nodeRandom } from "@varve/base/node";
import { decodeRecords } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { nodeDisk, nodeWalThread } from "@varve/storage/node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Frame, FrameKind, type GroupLog, inspectDataDir, openStorage, type Storage } from "./index.js";
import { readAll, saveDurably } from "./testing/log-driver.js";

const FIXTURE = fileURLToPath(new URL("../../../test/fixtures/data-v1", import.meta.url));

let dir = "";
let storage: Storage;
let hashBefore = "";

beforeEach(async () => {
  hashBefore = await hashOf(FIXTURE);
  dir = await mkdtemp(join(tmpdir(), "varve-data-v1-"));
  await cp(FIXTURE, dir, { recursive: true });
  storage = await openCopy();
});

afterEach(async () => {
  await storage.close();
  await rm(dir, { recursive: true, force: true });
  expect(await hashOf(FIXTURE), "the fixture itself is never written").toBe(hashBefore);
});

function openCopy(): Promise<Storage> {
  return openStorage(dir, nodeDisk, nodeWalThread(), nodeCodec, {
    clock: nodeClock,
    random: nodeRandom,
    logger: silentLogger,
    onFatal: (error) => {
      throw error;
    },
    walFileBytes: 64 * 1024,
    tailCacheBytesMax: 1024 * 1024,
    undrainedBytesMax: 1024 * 1024,
    diskReserveBytes: 0,
    checkpointIntervalBytes: 1024 * 1024,
    producerExpiryMs: 604_800_000,
  });
}

/** Of all names and contents. */
async function hashOf(folder: string): Promise<string> {
  const hash = createHash("sha256");
  for (const entry of (await readdir(folder, { recursive: true, withFileTypes: true })).sort(byPath)) {
    hash.update(`${join(entry.parentPath, entry.name)}\n`);
    if (entry.isFile()) hash.update(await readFile(join(entry.parentPath, entry.name)));
  }
  return hash.digest("hex");
}

function byPath(left: { parentPath: string; name: string }, right: { parentPath: string; name: string }): number {
  return join(left.parentPath, left.name) < join(right.parentPath, right.name) ? -1 : 1;
}

function logOf(groupId: number): GroupLog {
  const log = storage.group(groupId);
  if (log === null) throw new Error(`group ${groupId} is gone`);
  expect(log.quarantine).toBe(null);
  return log;
}

/** `offset:value` of every committed record, as read through the public face and decoded record by record. */
async function recordsOf(log: GroupLog): Promise<string[]> {
  const records: string[] = [];
  for (const batch of await readAll(log)) {
    for (const { offset, value } of decodeRecords(batch, nodeCodec))
      records.push(`${offset}:${new TextDecoder().decode(value ?? undefined)}`);
  }
  return records;
}

function expectedRecords(topic: string, first: number, end: number): string[] {
  return Array.from({ length: end - first }, (_, at) => `${first + at}:${topic}-${first + at}-${"v".repeat(100)}`);
}

async function framesOf(log: GroupLog, lo: number, hi: number): Promise<readonly Frame[]> {
  await log.load(lo, hi, 1e6);
  const frames = log.entries(lo, hi, 1e6);
  if (typeof frames === "string") throw new Error(`frames ${lo} .. ${hi - 1} are ${frames}`);
  return frames;
}

test("it is whose it was, and holds the logs that it held", () => {
  expect(storage.identity).toMatchObject({
    directoryId: "7f2cdd91-d3e8-4df3-8e4e-e1b5d5fd5869",
    clusterId: "fixture-cluster",
    brokerId: 1,
    formatVersion: 1,
  });
  expect(storage.identity.bootIds[0]).toBe("330745e9-73bf-48ce-8737-e1393dfe0e45");
  expect(storage.note).toBe("fixture note");
  const initial = { voters: [1, 2, 3], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
  const specs = storage.groups().map(({ spec }) => spec);
  specs.sort((left, right) => left.groupId - right.groupId);
  expect(specs).toEqual([
    { groupId: 1, replicaId: 101, topicId: topic("1"), partition: 0, kind: "data", initial },
    { groupId: 2, replicaId: 201, topicId: topic("2"), partition: 3, kind: "data", initial },
    { groupId: 3, replicaId: 301, topicId: topic("3"), partition: 0, kind: "state", initial },
  ]);
});

function topic(digit: string): string {
  return "dddddddd-dddd-4ddd-8ddd-dddddddddddd".replaceAll("d", digit);
}

test("a data log has its records, its start after retention, its epochs, its replicas and its vote", async () => {
  const log = logOf(1);
  expect(log.hardState).toEqual({ term: 4, vote: 2, commit: 45 });
  expect(log.pointers()).toMatchObject({ logStartIndex: 12, logStartOffset: 20, highWatermark: 81 });
  expect(log.pointers()).toMatchObject({ appliedIndex: 45, durableIndex: 46, lastIndex: 46 });
  expect(await recordsOf(log)).toEqual(expectedRecords("orders", 20, 81));
  expect(() => log.read(19, 1)).toThrowError(expect.objectContaining({ code: "OFFSET_OUT_OF_RANGE" }));
  expect([log.term(10), log.term(11), log.term(21), log.term(22), log.term(46)]).toEqual(["compacted", 1, 1, 3, 3]);
  expect(log.epochEnd(2)).toEqual({ epoch: 1, endOffset: 41 });
  expect(log.epochEnd(3)).toEqual({ epoch: 3, endOffset: 81 });
  expect(log.replicas).toEqual({
    voters: [1, 2, 4],
    learners: [5],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  });
  expect(await log.offsetForTime(1_700_000_000_000 + 22)).toBe(41);
  expect(await log.offsetForTime(1_700_000_000_000 + 46)).toBe(null);
});

test("its frames are there byte for byte, of every kind", async () => {
  const log = logOf(1);
  const frames: Frame[] = [];
  while (frames.length < 35) frames.push(...(await framesOf(log, 12 + frames.length, 47)));
  expect(frames.map(({ index }) => index)).toEqual(Array.from({ length: 35 }, (_, at) => 12 + at));
  const hash = createHash("sha256");
  for (const { header, data } of frames) hash.update(header).update(data);
  expect(hash.digest("hex")).toBe("7df73fc2496c9e669c68391d7edee1004db4b55d3a180550f180dadd9cfa1293");
  const kindAt = (index: number): number | undefined => frames[index - 12]?.kind;
  expect([22, 43, 44, 45].map(kindAt)).toEqual([FrameKind.noop, FrameKind.logStart, FrameKind.conf, FrameKind.batch]);
});

test("its producers are known: last sequence, epoch, and where a batch that comes again was put", () => {
  const log = logOf(1);
  expect(log.producerState(7)).toEqual({ epoch: 0, lastSequence: 19 });
  expect(log.producerState(9)).toEqual({ epoch: 2, lastSequence: 19 });
  const again = { producerId: 7, producerEpoch: 0, baseSequence: 11, recordCount: 1 };
  expect(log.producerVerdict(again)).toEqual({ kind: "duplicate", baseOffset: 47, epochOfLog: 3 });
  expect(log.producerVerdict({ ...again, baseSequence: 20 })).toEqual({ kind: "append" });
  expect(log.producerVerdict({ ...again, baseSequence: 21 })).toEqual({ kind: "gap", expectedSequence: 20 });
  expect(log.producerVerdict({ ...again, producerId: 9 })).toEqual({ kind: "fenced", currentEpoch: 2 });
});

test("a log that installed a snapshot begins there; what only the WAL had is there, the uncommitted part unread", async () => {
  const log = logOf(2);
  expect(log.hardState).toEqual({ term: 7, vote: 2, commit: 501 });
  expect(log.pointers()).toMatchObject({ logStartIndex: 501, logStartOffset: 900, highWatermark: 901, lastIndex: 502 });
  expect([log.firstIndex(), log.term(500), log.term(502)]).toEqual([501, 6, 6]);
  expect(await recordsOf(log)).toEqual(expectedRecords("events", 900, 901));
});

test("a state log gives back its sections and the commands above them", () => {
  const log = logOf(3);
  expect(log.hardState).toEqual({ term: 2, vote: 2, commit: 14 });
  expect(log.recoveredSections.map(({ tag, bytes }) => [tag, new TextDecoder().decode(bytes)])).toEqual([
    [20, "applied 12"],
    [33, ""],
  ]);
  expect(log.recoveredFrames.map(({ index, data }) => [index, new TextDecoder().decode(data)])).toEqual([
    [13, `command 13 ${"c".repeat(200)}`],
    [14, `command 14 ${"c".repeat(200)}`],
  ]);
});

test("inspection finds nothing wrong before it is opened, and nothing wrong after", async () => {
  const untouched = await inspectDataDir(FIXTURE, nodeDisk, nodeCodec);
  expect(untouched.problems).toEqual([]);
  expect(untouched.logs.map(({ walFrames, segments }) => [walFrames, segments.length])).toEqual([
    [2, 3],
    [2, 0],
    [2, 1],
  ]);
  await storage.close();
  expect((await inspectDataDir(dir, nodeDisk, nodeCodec)).problems).toEqual([]);
});

test("every log goes on from there, and has all of it after a stop and another start", async () => {
  for (const groupId of [1, 2]) {
    const log = logOf(groupId);
    const [uncommitted] = await framesOf(log, log.lastIndex(), log.lastIndex() + 1);
    await saveDurably(log, { hardState: { ...log.hardState, commit: uncommitted?.index ?? 0 } });
    log.commitTo(log.lastIndex());
  }
  await storage.close();
  storage = await openCopy();
  expect(await recordsOf(logOf(1))).toEqual(expectedRecords("orders", 20, 82));
  expect(await recordsOf(logOf(2))).toEqual(expectedRecords("events", 900, 902));
  expect(logOf(3).pointers().appliedIndex).toBe(14);
});
