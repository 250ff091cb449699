/** storage.test.ts: one data directory through its public face: reads, retention, snapshots, restart, refusal, memory bounds. */
import { isVarveError, silentLogger } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { FrameKind, type GroupLog, type LogSnapshot, type ReadResult, type Storage } from "./api.js";
import { encodeLogStart } from "./frame/payload.js";
import { type OpenOptions, openStorage } from "./index.js";
import {
  appendCommitted,
  batchFrame,
  CHECKSUM,
  DATA_DIR,
  frameOf,
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
  storage: Storage;
  log: GroupLog;
}

async function setUp(changes: Partial<OpenOptions> = {}, kind: "data" | "state" = "data"): Promise<Setup> {
  const disk = new SimDisk();
  const clock = new ManualClock();
  const storage = await openOn(disk, tinyOptions(clock, 1, changes));
  return { disk, clock, storage, log: await storage.createGroup(specOf(1, kind), TINY_CONFIG) };
}

async function reopen(setup: Setup, changes: Partial<OpenOptions> = {}): Promise<GroupLog> {
  setup.storage = await openOn(setup.disk, tinyOptions(setup.clock, 2, changes));
  const log = setup.storage.group(1);
  if (log === null) throw new Error("the log is gone");
  setup.log = log;
  return log;
}

async function loaded(log: GroupLog): Promise<LogSnapshot> {
  for (let turn = 0; turn < 20; turn++) {
    const snapshot = log.snapshot();
    if (snapshot !== "pending") return snapshot;
    await settle();
  }
  throw new Error("no snapshot");
}

describe("reading", () => {
  test("every batch is read back byte for byte, from segments and from memory, at any size", async () => {
    const { log } = await setUp();
    const frames = [];
    for (let round = 0; round < 30; round++) frames.push(...(await appendCommitted(log, 3)));
    await settle();
    expect(log.pointers().drainedIndex).toBeGreaterThan(30);
    for (const bytesMax of [1, 500, 100_000]) {
      const batches = await readAll(log, bytesMax);
      expect(batches.map((batch) => [...batch])).toEqual(frames.map(({ data }) => [...data]));
    }
  });

  test("what is in memory is answered at once, older records by a promise", async () => {
    const { log } = await setUp();
    for (let round = 0; round < 20; round++) await appendCommitted(log, 3);
    await settle();
    expect(log.read(59, 100)).not.toBeInstanceOf(Promise);
    expect(log.read(0, 100)).toBeInstanceOf(Promise);
  });

  test("a read inside a batch begins with that batch", async () => {
    const { log } = await setUp();
    const frame = batchFrame({ groupId: 1, index: 1, term: 1, baseOffset: 0 }, ["a", "b", "c"]);
    await saveDurably(log, { hardState: { term: 1, vote: 0, commit: 0 }, frames: [frame] });
    log.commitTo(1);
    const result = (await log.read(2, 1)) as ReadResult;
    expect(result.batches).toEqual([frame.data]);
    expect(result.nextOffset).toBe(3);
  });

  test("nothing that is not committed is served", async () => {
    const { log } = await setUp();
    await appendCommitted(log, 2);
    const place = { groupId: 1, index: 3, term: 1, baseOffset: 2 };
    await saveDurably(log, { frames: [batchFrame(place, ["x"])] });
    expect(await log.read(2, 1_000)).toEqual({ batches: [], nextOffset: 2 });
    expect(() => log.read(3, 1)).toThrowError(expect.objectContaining({ code: "OFFSET_OUT_OF_RANGE" }));
  });

  test("control frames take no offset and are stepped over", async () => {
    const { log } = await setUp();
    await appendCommitted(log, 1);
    await saveDurably(log, {
      frames: [frameOf({ groupId: 1, index: 2, term: 1, baseOffset: 1 }, FrameKind.noop, new Uint8Array(0))],
    });
    log.commitTo(2);
    await appendCommitted(log, 40);
    await settle();
    expect(await readAll(log)).toHaveLength(41);
    expect(log.pointers().highWatermark).toBe(41);
  });

  test("offsetForTime finds the first record of that time in segments and in memory", async () => {
    const { log } = await setUp();
    const frames = await appendCommitted(log, 60);
    await settle();
    for (const at of [0, 1, 20, 40, 59]) {
      expect(await log.offsetForTime(frames[at]?.appendTimeMs ?? 0), `record ${at}`).toBe(at);
    }
    expect(await log.offsetForTime(0)).toBe(0);
    expect(await log.offsetForTime((frames[59]?.appendTimeMs ?? 0) + 1)).toBe(null);
  });

  test("appendTimeAt is the time of the batch that holds the offset, in segments and in memory; at the end there is none", async () => {
    const { log } = await setUp();
    const frames = await appendCommitted(log, 60);
    await settle();
    for (const at of [0, 1, 20, 40, 59]) expect(await log.appendTimeAt(at)).toBe(frames[at]?.appendTimeMs);
    expect(await log.appendTimeAt(60)).toBe(null);
    await expect(log.appendTimeAt(61)).rejects.toMatchObject({ code: "OFFSET_OUT_OF_RANGE" });
  });

  test("old frames come back for a lagging replica after a load", async () => {
    const { log } = await setUp();
    const frames = await appendCommitted(log, 60);
    await settle();
    expect(log.entries(1, 5, 10_000)).toBe("pending");
    await log.load(1, 5, 10_000);
    const entries = log.entries(1, 5, 10_000);
    expect(typeof entries === "string" ? entries : entries.map(({ data }) => [...data])).toEqual(
      frames.slice(0, 4).map(({ data }) => [...data]),
    );
    expect(log.entries(61, 62, 1)).toBe("unavailable");
    expect([log.term(0), log.term(1), log.term(60), log.term(61)]).toEqual([0, 1, 1, "unavailable"]);
  });
});

describe("opening", () => {
  test("reads the WAL, checkpoints and the last segment, never sealed segments", async () => {
    const setup = await setUp();
    await appendCommitted(setup.log, 100);
    await setup.storage.close();
    const sealed = setup.disk
      .paths()
      .filter((path) => path.endsWith(".log"))
      .slice(0, -1);
    expect(sealed.length).toBeGreaterThan(2);
    setup.disk.resetReads();
    await reopen(setup);
    expect(sealed.filter((path) => setup.disk.reads().has(path))).toEqual([]);
    expect(await readAll(setup.log)).toHaveLength(100);
  });

  test("after an orderly stop nothing is lost, and no frame is replayed", async () => {
    const setup = await setUp();
    await appendCommitted(setup.log, 20);
    const before = setup.log.pointers();
    await setup.storage.close();
    const log = await reopen(setup);
    expect(log.pointers()).toEqual({ ...before, drainedIndex: 20 });
    expect(log.hardState.term).toBe(1);
    await appendCommitted(log, 5);
    expect(await readAll(log)).toHaveLength(25);
  });

  test("the term is that of the last frame when the hard state is older, and then the vote does not count", async () => {
    const setup = await setUp();
    await saveDurably(setup.log, { hardState: { term: 4, vote: 2, commit: 0 } });
    setup.disk.killProcess();
    const log = await reopen(setup);
    expect(log.hardState).toEqual({ term: 4, vote: 2, commit: 0 });
  });

  test("a state log gives back its sections and the frames above them", async () => {
    const setup = await setUp({}, "state");
    setup.log.setSectionSource(() => [{ tag: 20, bytes: Uint8Array.of(setup.log.pointers().appliedIndex) }]);
    for (let index = 1; index <= 9; index++) {
      const hardState = index === 1 ? { term: 1, vote: 1, commit: 0 } : null;
      await saveDurably(setup.log, {
        hardState,
        frames: [frameOf({ groupId: 1, index, term: 1, baseOffset: 0 }, FrameKind.state, new Uint8Array(400))],
      });
      setup.log.commitTo(index);
    }
    await settle();
    setup.disk.killProcess();
    const log = await reopen(setup);
    const covered = log.recoveredSections[0]?.bytes[0] ?? 0;
    expect(covered).toBeGreaterThan(0);
    expect(log.recoveredFrames.map(({ index }) => index)).toEqual(
      Array.from({ length: log.pointers().appliedIndex - covered }, (_, at) => covered + 1 + at),
    );
  });

  test("a state log that is opened and closed again before its state machine was attached keeps sections and frames", async () => {
    const setup = await setUp({}, "state");
    setup.log.setSectionSource(() => [{ tag: 20, bytes: Uint8Array.of(setup.log.pointers().appliedIndex) }]);
    for (let index = 1; index <= 9; index++) {
      const hardState = index === 1 ? { term: 1, vote: 1, commit: 0 } : null;
      const frame = frameOf({ groupId: 1, index, term: 1, baseOffset: 0 }, FrameKind.state, new Uint8Array(400));
      await saveDurably(setup.log, { hardState, frames: [frame] });
      setup.log.commitTo(index);
    }
    await settle();
    setup.disk.killProcess();
    const before = await reopen(setup);
    const [covered, above] = [before.recoveredSections[0]?.bytes[0], before.recoveredFrames.map(({ index }) => index)];
    expect(above.length).toBeGreaterThan(0);
    await setup.storage.close();
    const after = await reopen(setup);
    expect(after.recoveredSections[0]?.bytes[0]).toBe(covered);
    expect(after.recoveredFrames.map(({ index }) => index)).toEqual(above);
  });

  test("a read of a log that is dropped meanwhile says who to ask, not that its offset is wrong", async () => {
    const setup = await setUp();
    await appendCommitted(setup.log, 100);
    await settle();
    await setup.storage.close();
    const log = await reopen(setup);
    for (const path of setup.disk.paths()) if (path.endsWith(".log")) setup.disk.failReads(path);
    const reading = Promise.resolve(log.read(0, 4_096)).then(
      () => "read",
      (error: unknown) => (isVarveError(error) ? error.code : error),
    );
    await setup.storage.dropGroup(1);
    expect(await reading).toBe("NOT_LEADER");
  });

  test("a dropped log never comes back, and its group may be created again, empty", async () => {
    const setup = await setUp();
    await appendCommitted(setup.log, 30);
    await setup.storage.dropGroup(1);
    expect(setup.disk.paths().filter((path) => path.includes("0_101"))).toEqual([]);
    const again = await setup.storage.createGroup({ ...specOf(1), replicaId: 999 }, TINY_CONFIG);
    expect(again.lastIndex()).toBe(0);
    await appendCommitted(again, 2);
    setup.disk.crash("lose");
    const log = await reopen(setup);
    expect(log.spec.replicaId).toBe(999);
    expect(log.lastIndex()).toBe(2);
  });
});

test.each([1, 2, 3, 4, 5, 6, 7])(
  "a power cut at step %i of a drop leaves nothing that a start cannot read",
  async (step) => {
    for (let seed = 1; seed <= 16; seed++) {
      const setup = await setUp();
      await appendCommitted(setup.log, 7);
      await settle();
      const { disk } = setup;
      const isInside = (path: string): boolean => path.includes("/0_101");
      let removed = 0;
      disk.onStep = ({ what, path }) => {
        if ((what === "remove" || what === "syncDir") && path.includes("/topics") && ++removed === step)
          disk.powerOff();
      };
      void setup.storage.dropGroup(1);
      await settle();
      disk.onStep = null;
      disk.crash(new Prng(seed));
      const errors: unknown[] = [];
      const logger = { ...silentLogger, error: (fields: object, message: string) => errors.push(message, fields) };
      const storage = await openOn(disk, { ...tinyOptions(setup.clock, 2), logger });
      expect(errors, `seed ${seed}`).toEqual([]);
      if (storage.group(1) === null) expect(disk.paths().filter(isInside), `seed ${seed}`).toEqual([]);
      await storage.close();
    }
  },
);

describe("retention and snapshots", () => {
  async function retained(): Promise<Setup> {
    const setup = await setUp();
    await appendCommitted(setup.log, 100);
    await settle();
    setup.log.setConfig({ ...TINY_CONFIG, retentionBytes: 4_000 });
    const target = setup.log.retentionTarget(0);
    if (target === null) throw new Error("retention asks for nothing");
    const place = { groupId: 1, index: 101, term: 1, baseOffset: 100 };
    await saveDurably(setup.log, { frames: [frameOf(place, FrameKind.logStart, encodeLogStart(target))] });
    setup.log.commitTo(101);
    await settle();
    return setup;
  }

  test("segments below the replicated log start go, the rest is served as before", async () => {
    const setup = await retained();
    const { logStartOffset } = setup.log.pointers();
    expect(logStartOffset).toBeGreaterThan(50);
    expect(setup.log.firstIndex()).toBe(logStartOffset + 1);
    expect(setup.log.diskBytes()).toBeLessThan(8_000);
    expect(await readAll(setup.log)).toHaveLength(100 - logStartOffset);
    expect(() => setup.log.read(logStartOffset - 1, 1)).toThrowError(
      expect.objectContaining({ code: "OFFSET_OUT_OF_RANGE" }),
    );
    expect(setup.log.term(setup.log.firstIndex() - 1)).toBe(1);
    expect(setup.log.term(setup.log.firstIndex() - 2)).toBe("compacted");
  });

  test("a replica that is behind installs the checkpoint at the first retained segment and takes every frame after it", async () => {
    const leader = await retained();
    const snapshot = await loaded(leader.log);
    expect(snapshot.index).toBe(leader.log.firstIndex() - 1);
    const follower = await setUp();
    await appendCommitted(follower.log, 5);
    const rest = Array.from({ length: 101 - snapshot.index }, (_, at) => snapshot.index + 1 + at);
    await leader.log.load(snapshot.index + 1, 102, 1e6);
    const frames = [];
    for (let index = snapshot.index + 1; index <= 101; ) {
      const entries = leader.log.entries(index, 102, 1e6);
      if (typeof entries === "string") {
        await leader.log.load(index, 102, 1e6);
        continue;
      }
      frames.push(...entries);
      index += entries.length;
    }
    expect(frames.map(({ index }) => index)).toEqual(rest);
    await saveDurably(follower.log, { reset: snapshot, frames });
    follower.log.commitTo(101);
    await settle();
    expect(follower.log.pointers().logStartOffset).toBe(snapshot.offset);
    expect(await readAll(follower.log)).toEqual(await readAll(leader.log));
    follower.disk.crash("lose");
    const log = await reopen(follower);
    expect(log.quarantine).toBe(null);
    expect(log.lastIndex()).toBe(101);
  });

  test("the producer table survives retention and restart", async () => {
    const setup = await setUp();
    const stamp = { producerId: 77, producerEpoch: 0, baseSequence: 0, recordCount: 1 };
    const frame = batchFrame({ groupId: 1, index: 1, term: 1, baseOffset: 0 }, ["first"], { id: 77, sequence: 0 });
    await saveDurably(setup.log, { hardState: { term: 1, vote: 0, commit: 0 }, frames: [frame] });
    setup.log.commitTo(1);
    await appendCommitted(setup.log, 80);
    await settle();
    setup.disk.killProcess();
    const log = await reopen(setup);
    expect(log.producerVerdict(stamp)).toEqual({ kind: "duplicate", baseOffset: 0, epochOfLog: 1 });
  });

  test("records past retention go although nothing follows them", async () => {
    const setup = await setUp();
    await appendCommitted(setup.log, 3);
    setup.log.setConfig({ ...TINY_CONFIG, retentionMs: 1_000 });
    expect(setup.log.retentionTarget(setup.log.lastAppendTimeMs() + 1_001)).toEqual({ index: 3, offset: 3 });
  });
});

describe("refusing", () => {
  test("a directory that another broker has", async () => {
    const setup = await setUp();
    await expect(openOn(setup.disk, tinyOptions(setup.clock, 1))).rejects.toMatchObject({ code: "DATA_DIR_UNUSABLE" });
    await setup.storage.close();
    await reopen(setup);
  });

  test.each([
    { why: "a newer format", change: (text: string) => text.replace('"formatVersion": 1', '"formatVersion": 2') },
    { why: "a damaged node.json", change: (text: string) => text.replace('"clusterId": null', '"clusterId": "x"') },
    { why: "no JSON at all", change: () => "{" },
  ])("$why", async ({ change }) => {
    const setup = await setUp();
    await setup.storage.close();
    const path = `${DATA_DIR}/node.json`;
    const text = change(new TextDecoder().decode(setup.disk.contentOf(path)));
    const file = await setup.disk.open(path, "readwrite");
    await file.truncate(0);
    await file.write([new TextEncoder().encode(text)], 0);
    await expect(reopen(setup)).rejects.toMatchObject({ code: "DATA_DIR_UNUSABLE" });
  });

  test("data without an identity is not taken for an empty directory", async () => {
    const setup = await setUp();
    await setup.storage.close();
    setup.disk.loseFile(`${DATA_DIR}/node.json`);
    await expect(reopen(setup)).rejects.toMatchObject({
      code: "DATA_DIR_UNUSABLE",
      message: expect.stringContaining("node.json"),
    });
  });

  test("another cluster's or broker's directory", async () => {
    const setup = await setUp();
    await setup.storage.adopt("c1", 1);
    await setup.storage.adopt("c1", 1);
    await expect(setup.storage.adopt("c2", 1)).rejects.toMatchObject({ code: "DATA_DIR_UNUSABLE" });
    await expect(setup.storage.adopt("c1", 2)).rejects.toMatchObject({ code: "DATA_DIR_UNUSABLE" });
    await setup.storage.setNote("promise");
    setup.disk.crash("lose");
    await reopen(setup);
    expect(setup.storage.identity).toMatchObject({ clusterId: "c1", brokerId: 1 });
    expect(setup.storage.identity.bootIds).toHaveLength(2);
    expect(setup.storage.note).toBe("promise");
  });

  test("a file where the directory should be", async () => {
    const disk = new SimDisk();
    await disk.makeDir("/machine");
    await (await disk.open(DATA_DIR, "create")).close();
    const opening = openStorage(DATA_DIR, disk, disk.walThread(), CHECKSUM, tinyOptions(new ManualClock(), 1));
    await expect(opening).rejects.toMatchObject({ code: "DATA_DIR_UNUSABLE" });
  });
});

describe("bounds and failures", () => {
  test("drained frames in memory stay below the tail's bound", async () => {
    const setup = await setUp();
    for (let round = 0; round < 20; round++) await appendCommitted(setup.log, 10);
    await settle();
    expect(setup.storage.stats().tailBytes).toBeLessThanOrEqual(6_000);
    expect(setup.storage.stats().undrainedBytes).toBeLessThan(8 * 1024);
  });

  test("a hundred logs that are each too small to drain are drained when all of them hold too much", async () => {
    const { storage, log } = await setUp();
    const logs = [log];
    for (let groupId = 2; groupId <= 100; groupId++) logs.push(await storage.createGroup(specOf(groupId), TINY_CONFIG));
    for (let round = 0; round < 5; round++) {
      for (const one of logs) await appendCommitted(one, 1);
      await settle();
      expect(storage.stats().undrainedBytes).toBeLessThanOrEqual(4 * 1024);
    }
    for (const one of logs) expect(await readAll(one)).toHaveLength(5);
  });

  test("the WAL's files are used again instead of growing in number", async () => {
    const setup = await setUp();
    const quiet = await setup.storage.createGroup(specOf(2), TINY_CONFIG);
    await appendCommitted(quiet, 1);
    await saveDurably(quiet, {
      frames: [batchFrame({ groupId: 2, index: 2, term: 1, baseOffset: 1 }, ["not committed"])],
    });
    for (let round = 0; round < 150; round++) {
      await appendCommitted(setup.log, 2, 500);
      await settle();
    }
    expect(setup.storage.stats().flushes).toBeGreaterThan(150);
    expect(setup.storage.stats().walFiles).toBeLessThan(12);
    setup.disk.crash("lose");
    await reopen(setup);
    expect(setup.storage.group(2)?.lastIndex(), "what was not committed was copied forward").toBe(2);
  });

  test("more uncommitted bytes than the usual WAL files hold are not written again for ever", async () => {
    const { storage, log, disk } = await setUp();
    const place = { groupId: 1, term: 1 };
    const value = "u".repeat(9_000);
    const frames = Array.from({ length: 40 }, (_, at) =>
      batchFrame({ ...place, index: at + 1, baseOffset: at }, [value]),
    );
    const last = disk.steps + 5_000;
    disk.onStep = ({ number }) => {
      if (number > last) disk.powerOff();
    };
    await saveDurably(log, { hardState: { term: 1, vote: 0, commit: 0 }, frames });
    await settle();
    const other = await storage.createGroup(specOf(2), TINY_CONFIG);
    for (let round = 0; round < 30; round++) await appendCommitted(other, 1, 500);
    await settle();
    expect(disk.steps, "the WAL comes to rest").toBeLessThan(last);
    expect(storage.stats().walFiles).toBeLessThan(60);
  });

  test("too little free disk refuses produce, and recovers", async () => {
    const setup = await setUp({ diskReserveBytes: 1_000_000 });
    expect(setup.storage.pressure()).toBe(null);
    setup.disk.setCapacity(0);
    setup.clock.advance(2_000);
    setup.storage.pressure();
    await settle();
    expect(setup.storage.pressure()).toBe("DISK_FULL");
    setup.disk.setCapacity(2 ** 40);
    setup.clock.advance(2_000);
    setup.storage.pressure();
    await settle();
    expect(setup.storage.pressure()).toBe(null);
  });

  test("committed frames that cannot be drained become backpressure", async () => {
    const setup = await setUp({ undrainedBytesMax: 1_000 });
    const state = await setup.storage.createGroup({ ...specOf(2), kind: "state" }, TINY_CONFIG);
    const held = batchFrame({ groupId: 1, index: 1, term: 1, baseOffset: 0 }, ["x".repeat(3_000)]);
    expect([setup.log.isCongested(1_000), setup.log.isCongested(1_001)]).toEqual([false, true]);
    const saved = saveDurably(setup.log, { hardState: { term: 1, vote: 0, commit: 0 }, frames: [held] });
    expect(setup.log.isCongested(0), "what is not in the WAL yet counts").toBe(true);
    expect(setup.storage.pressure(), "but not for who produces").toBe(null);
    await saved;
    expect(setup.log.isCongested(0), "what is uncommitted does not").toBe(false);
    setup.log.commitTo(1);
    expect(setup.storage.pressure()).toBe("BROKER_OVERLOADED");
    expect([setup.log.isCongested(0), state.isCongested(0)]).toEqual([true, false]);
    await settle();
    expect(setup.storage.pressure()).toBe(null);
    expect(setup.log.isCongested(0)).toBe(false);
  });

  test.each(["/wal/", ".log"])(
    "a failed fsync of %s is fatal once, and nothing more becomes durable",
    async (match) => {
      const failures: Error[] = [];
      const setup = await setUp({ onFatal: (error) => failures.push(error) });
      await appendCommitted(setup.log, 1);
      setup.disk.failSyncs(match, new Error("EIO"));
      let told = 0;
      for (let index = 2; index <= 40; index++) {
        const frame = batchFrame({ groupId: 1, index, term: 1, baseOffset: index - 1 }, ["y".repeat(500)]);
        setup.log.save({ hardState: null, frames: [frame], reset: null }, () => {
          told = index;
          setup.log.commitTo(index);
        });
        await settle();
      }
      expect(failures.map(({ message }) => message)).toEqual(["EIO"]);
      if (match === "/wal/") expect(told).toBe(0);
    },
  );

  test("completions come in the order of the calls, a commit-only save without a flush of its own", async () => {
    const { log, storage } = await setUp();
    await appendCommitted(log, 1);
    const before = storage.stats().flushes;
    const order: string[] = [];
    log.save({ hardState: { ...log.hardState, commit: 1 }, frames: [], reset: null }, () => order.push("commit"));
    await settle();
    expect(storage.stats().flushes).toBe(before);
    log.save(
      { hardState: null, frames: [batchFrame({ groupId: 1, index: 2, term: 1, baseOffset: 1 }, ["a"])], reset: null },
      () => order.push("frame"),
    );
    log.save({ hardState: { ...log.hardState, commit: 1 }, frames: [], reset: null }, () => order.push("after"));
    await settle();
    expect(order).toEqual(["commit", "frame", "after"]);
  });

  test("saves of one turn share one flush", async () => {
    const { log, storage } = await setUp();
    await appendCommitted(log, 1);
    const before = storage.stats().flushes;
    const saves = [2, 3, 4].map((index) =>
      saveDurably(log, { frames: [batchFrame({ groupId: 1, index, term: 1, baseOffset: index - 1 }, ["a"])] }),
    );
    await Promise.all(saves);
    expect(storage.stats().flushes).toBe(before + 1);
  });

  test("an idle WAL appends one empty flush, then rests", async () => {
    const { log, storage, clock } = await setUp();
    await appendCommitted(log, 1);
    const before = storage.stats().flushes;
    for (let round = 0; round < 5; round++) {
      clock.advance(100);
      await settle();
    }
    expect(storage.stats().flushes).toBe(before + 1);
  });

  test("a completion for a frame that was replaced makes nothing else durable", async () => {
    const { log } = await setUp();
    await appendCommitted(log, 1);
    const first = batchFrame({ groupId: 1, index: 2, term: 1, baseOffset: 1 }, ["old"]);
    const second = batchFrame({ groupId: 1, index: 2, term: 2, baseOffset: 1 }, ["new"]);
    const seen: number[] = [];
    log.save({ hardState: null, frames: [first], reset: null }, () => seen.push(log.pointers().durableIndex));
    log.save({ hardState: { term: 2, vote: 0, commit: 1 }, frames: [second], reset: null }, () =>
      seen.push(log.pointers().durableIndex),
    );
    await settle();
    expect(seen).toEqual([1, 2]);
  });
});
