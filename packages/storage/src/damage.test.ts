/** damage.test.ts: rot, missing files and torn ends, met through the public face: who is quarantined, who serves on, what is kept. */
import { describe, expect, test } from "vitest";
import { FrameKind, type GroupLog, type Storage } from "./api.js";
import { decodeFrames, inspectDataDir } from "./index.js";
import { decodeSnapshot, encodeCheckpoint } from "./log/checkpoint.js";
import { emptyImage } from "./log/log-state.js";
import { SegmentPlan } from "./log/segment-plan.js";
import {
  appendCommitted,
  batchFrame,
  CHECKSUM,
  DATA_DIR,
  frameOf,
  ManualClock,
  openOn,
  REPLICAS,
  readAll,
  saveDurably,
  settle,
  specOf,
  TINY_CONFIG,
  tinyOptions,
} from "./testing/log-driver.js";
import { SimDisk } from "./testing/sim-disk.js";

/** One machine with three logs: 1 and 2 hold records, 3 commands. */
class Machine {
  readonly disk = new SimDisk();
  readonly clock = new ManualClock();
  readonly quarantined = new Map<number, string>();
  private opened: Storage | null = null;
  private starts = 0;

  get storage(): Storage {
    if (this.opened === null) throw new Error("it is not open");
    return this.opened;
  }

  async start(): Promise<void> {
    this.starts++;
    this.quarantined.clear();
    const onQuarantine = (groupId: number, reason: string): void => {
      this.quarantined.set(groupId, reason);
    };
    this.opened = await openOn(this.disk, tinyOptions(this.clock, this.starts, { onQuarantine }));
    await settle();
  }

  /** The process dies, and comes back on what the files say. */
  async restart(): Promise<void> {
    this.disk.killProcess();
    await this.start();
  }

  log(groupId: number): GroupLog {
    const log = this.storage.group(groupId);
    if (log === null) throw new Error(`group ${groupId} is gone`);
    return log;
  }

  async overwrite(path: string, bytes: Uint8Array): Promise<void> {
    const file = await this.disk.process().open(path, "create");
    await file.truncate(0);
    await file.write([bytes], 0);
    await file.sync();
    await file.close();
  }

  /** Paths that contain all of these. */
  files(...parts: readonly string[]): string[] {
    return this.disk.paths().filter((path) => parts.every((part) => path.includes(part)));
  }

  /** The file and the byte where a text is stored. */
  find(text: string, ...parts: readonly string[]): { readonly path: string; readonly position: number } {
    for (const path of this.files(...parts)) {
      const position = Buffer.from(this.disk.contentOf(path)).indexOf(text);
      if (position >= 0) return { path, position };
    }
    throw new Error(`${text} is not stored`);
  }

  problems(): Promise<readonly string[]> {
    return inspectDataDir(DATA_DIR, this.disk, CHECKSUM).then(({ problems }) => problems);
  }
}

async function started(): Promise<Machine> {
  const machine = new Machine();
  await machine.start();
  for (const groupId of [1, 2]) await machine.storage.createGroup(specOf(groupId), TINY_CONFIG);
  await machine.storage.createGroup(specOf(3, "state"), TINY_CONFIG);
  for (const groupId of [1, 2]) await appendCommitted(machine.log(groupId), 3);
  const place = { groupId: 3, index: 1, term: 1, baseOffset: 0 };
  const frames = [frameOf(place, FrameKind.state, new TextEncoder().encode("command"))];
  await saveDurably(machine.log(3), { hardState: { term: 1, vote: 2, commit: 0 }, frames });
  machine.log(3).commitTo(1);
  await settle();
  return machine;
}

/** A batch with a text that can be found again. */
function marked(log: GroupLog, text: string, at = 0) {
  const [index, baseOffset] = [log.lastIndex() + 1 + at, log.nextOffset() + at];
  const place = { groupId: log.spec.groupId, index, term: log.hardState.term, baseOffset };
  return batchFrame(place, [text]);
}

/** The newest file of the WAL with a flush in it. */
function usedFile(machine: Machine): string | undefined {
  const isUsed = (path: string): boolean =>
    Buffer.from(machine.disk.contentOf(path)).toString("latin1", 0, 4) === "VWAL";
  return machine.files("/wal/", ".wal").filter(isUsed).at(-1);
}

function expectQuarantined(log: GroupLog, ...parts: readonly string[]): void {
  for (const part of parts) expect(log.quarantine).toContain(part);
  expect(() => log.read(log.pointers().logStartOffset, 1)).toThrowError(
    expect.objectContaining({ code: "REPLICA_QUARANTINED", effect: "NONE" }),
  );
}

/** It takes writes and gives back all its records. */
async function expectServing(log: GroupLog): Promise<void> {
  expect(log.quarantine).toBe(null);
  await appendCommitted(log, 2);
  const { logStartOffset, highWatermark } = log.pointers();
  expect(await readAll(log)).toHaveLength(highWatermark - logStartOffset);
}

describe("rot in a segment", () => {
  async function rotten(): Promise<{ machine: Machine; path: string; size: number }> {
    const machine = await started();
    await saveDurably(machine.log(1), { frames: [marked(machine.log(1), "needle")] });
    machine.log(1).commitTo(4);
    await appendCommitted(machine.log(1), 60);
    await settle();
    const { path, position } = machine.find("needle", "0_101", ".log");
    expect(path, "a sealed segment").not.toBe(machine.files("0_101", ".log").at(-1));
    machine.disk.flipBit(path, position);
    return { machine, path, size: machine.disk.contentOf(path).length };
  }

  test("is found when it is read: the replica stops, says where, and nothing is cut", async () => {
    const { machine, path, size } = await rotten();
    const log = machine.log(1);
    const before = machine.files("0_101", ".log");
    expect(log.quarantine, "nobody has looked yet").toBe(null);
    await expect(readAll(log)).rejects.toMatchObject({ code: "REPLICA_QUARANTINED" });
    await settle();
    expectQuarantined(log, path, "at byte", "checksum", "index 4");
    expect(machine.quarantined.get(1)).toBe(log.quarantine);
    expect(machine.disk.contentOf(path)).toHaveLength(size);
    expect(machine.files("0_101", ".log")).toEqual(before);
    await expectServing(machine.log(2));
  });

  test("is remembered: after a restart the replica is quarantined for the same reason, with its vote", async () => {
    const { machine } = await rotten();
    const { hardState } = machine.log(1);
    await expect(readAll(machine.log(1))).rejects.toMatchObject({ code: "REPLICA_QUARANTINED" });
    await settle();
    const reason = machine.log(1).quarantine;
    for (let restart = 0; restart < 2; restart++) {
      await machine.restart();
      expect(machine.log(1).quarantine).toBe(reason);
      expect(machine.log(1).hardState).toMatchObject({ term: hardState.term, vote: hardState.vote });
      await expectServing(machine.log(2));
    }
    expect(await machine.problems()).toEqual(
      expect.arrayContaining([expect.stringContaining(`is quarantined: ${reason}`)]),
    );
  });

  test("a quarantined replica acknowledges nothing any more", async () => {
    const { machine } = await rotten();
    await expect(readAll(machine.log(1))).rejects.toMatchObject({ code: "REPLICA_QUARANTINED" });
    let told = 0;
    machine.log(1).save({ hardState: null, frames: [marked(machine.log(1), "late")], reset: null }, () => {
      told++;
    });
    await settle();
    machine.clock.advance(100);
    await settle();
    expect(told).toBe(0);
  });

  test.each([
    { what: "in a frame's header", flip: -100 },
    { what: "in its payload", flip: 0 },
  ])("$what is found by the load for a lagging replica, too", async ({ flip }) => {
    const machine = await started();
    await saveDurably(machine.log(1), { frames: [marked(machine.log(1), "needle")] });
    machine.log(1).commitTo(4);
    await appendCommitted(machine.log(1), 60);
    await settle();
    const { path, position } = machine.find("needle", "0_101", ".log");
    machine.disk.flipBit(path, position + flip);
    await expect(machine.log(1).load(4, 5, 1_000)).rejects.toMatchObject({ code: "REPLICA_QUARANTINED" });
    expectQuarantined(machine.log(1), path, "at byte");
  });

  test("below the mark of the segment in use it is found at the start", async () => {
    const machine = await started();
    await appendCommitted(machine.log(1), 12);
    await settle();
    const path = machine.files("0_101", ".log").at(-1) ?? "";
    machine.disk.flipBit(path, 20);
    await machine.restart();
    expectQuarantined(machine.log(1), path, "header");
    await expectServing(machine.log(2));
  });

  test("a segment that lost its end below the mark is told from a torn one", async () => {
    const machine = await started();
    await appendCommitted(machine.log(1), 12);
    await settle();
    const path = machine.files("0_101", ".log").at(-1) ?? "";
    machine.disk.cutFile(path, 100);
    await machine.restart();
    expectQuarantined(machine.log(1), path, "has 100 bytes instead of");
  });

  test("a sealed segment that was cut is found at the start, unread", async () => {
    const machine = await started();
    await appendCommitted(machine.log(1), 60);
    await settle();
    const path = machine.files("0_101", ".log")[0] ?? "";
    machine.disk.cutFile(path, 0);
    await machine.restart();
    expectQuarantined(machine.log(1), path, "has 0 bytes instead of");
  });

  test.each(["swapped with that of another log", "overwritten by that of another log"])(
    "a segment that was %s is never served",
    async (what) => {
      const machine = await started();
      for (const groupId of [1, 2]) await appendCommitted(machine.log(groupId), 60);
      await settle();
      const [own = "", other = ""] = [1, 2].map((id) => machine.files(`0_${id}01`, ".log")[1]);
      const [ownBytes, otherBytes] = [own, other].map((path) => machine.disk.contentOf(path).slice());
      expect(ownBytes, "the same indexes, offsets and sizes").toHaveLength(otherBytes?.length ?? 0);
      await machine.overwrite(own, otherBytes ?? new Uint8Array());
      if (what.startsWith("swapped")) await machine.overwrite(other, ownBytes ?? new Uint8Array());
      await machine.restart();
      await expect(readAll(machine.log(1))).rejects.toMatchObject({ code: "REPLICA_QUARANTINED" });
      expectQuarantined(machine.log(1), own, "a frame of group 2 stands in group 1");
    },
  );

  test("sparse indexes that were swapped mislead nobody", async () => {
    const machine = await started();
    const sizes = [40, 300];
    for (const groupId of [1, 2])
      for (let at = 0; at < 60; at++) await appendCommitted(machine.log(groupId), 1, sizes[(at + groupId) % 2]);
    await settle();
    const [own = "", other = ""] = [1, 2].map((id) => machine.files(`0_${id}01`, ".idx")[1]);
    const [ownBytes, otherBytes] = [own, other].map((path) => machine.disk.contentOf(path).slice());
    await machine.overwrite(own, otherBytes ?? new Uint8Array());
    await machine.overwrite(other, ownBytes ?? new Uint8Array());
    await machine.restart();
    for (const groupId of [1, 2]) await expectServing(machine.log(groupId));
  });

  test("a damaged sparse index costs nothing but time", async () => {
    const machine = await started();
    await appendCommitted(machine.log(1), 60);
    await settle();
    const indexes = machine.files("0_101", ".idx");
    expect(indexes.length, "every sealed segment has one").toBe(machine.files("0_101", ".log").length - 1);
    for (const path of indexes) machine.disk.flipBit(path, 3);
    await machine.restart();
    await expectServing(machine.log(1));
  });
});

describe("rot in the WAL", () => {
  /** Flushes of group 1 alone, of both logs, of group 2 alone; all acknowledged, none of them drained. */
  async function flushed(): Promise<Machine> {
    const machine = await started();
    await saveDurably(machine.log(1), { frames: [marked(machine.log(1), "only-one")] });
    await Promise.all(
      [1, 2].map((id) => saveDurably(machine.log(id), { frames: [marked(machine.log(id), `both-${id}`)] })),
    );
    await saveDurably(machine.log(2), { frames: [marked(machine.log(2), "only-two")] });
    machine.clock.advance(100);
    await settle();
    return machine;
  }

  test("in a flush that others follow quarantines the groups named in it; the others serve", async () => {
    const machine = await flushed();
    const { path, position } = machine.find("only-one", "/wal/");
    machine.disk.flipBit(path, position);
    await machine.restart();
    expectQuarantined(machine.log(1), path, "flush", "at byte", "checksum");
    await expectServing(machine.log(2));
    expect(machine.log(3).quarantine).toBe(null);
    expect(machine.log(3).hardState).toMatchObject({ term: 1, vote: 2 });
  });

  test("in a shared flush quarantines all that share it", async () => {
    const machine = await flushed();
    const { path, position } = machine.find("both-1", "/wal/");
    machine.disk.flipBit(path, position);
    await machine.restart();
    expect([1, 2, 3].map((groupId) => machine.log(groupId).quarantine !== null)).toEqual([true, true, false]);
  });

  test("in a header that cannot be read any more quarantines all who may have had something there", async () => {
    const machine = await flushed();
    const { path, position } = machine.find("only-one", "/wal/");
    machine.disk.flipBit(path, position - (position % 4096) + 30);
    await machine.restart();
    for (const groupId of [1, 2, 3]) expectQuarantined(machine.log(groupId), "missing between flush", path);
  });

  test("what the WAL alone had of a quarantined replica is kept beside its files", async () => {
    const machine = await flushed();
    const { path, position } = machine.find("only-one", "/wal/");
    machine.disk.flipBit(path, position);
    await machine.restart();
    const [salvage] = machine.files("0_101", "quarantine.frames");
    const frames = decodeFrames(machine.disk.contentOf(salvage ?? ""));
    expect(frames.map(({ index }) => index)).toContain(5);
    expect(frames.every(({ groupId }) => groupId === 1)).toBe(true);
    const note = new TextDecoder().decode(machine.disk.contentOf(machine.files("0_101", "quarantine.json")[0] ?? ""));
    expect(JSON.parse(note)).toMatchObject({ hardState: { term: 1 } });
  });

  test.each(["first", "middle"])("a missing %s file quarantines every replica and says so", async (which) => {
    const machine = await flushed();
    // A frame that is not committed is copied forward, so the WAL has several live files at any time.
    for (let round = 0; round < 40; round++) await appendCommitted(machine.log(2), 1, 500);
    await settle();
    const { wal } = await inspectDataDir(DATA_DIR, machine.disk, CHECKSUM);
    const used = wal.filter(({ flushes }) => flushes > 0);
    expect(used.length).toBeGreaterThan(2);
    const live = used.slice(-3);
    const lost = (which === "first" ? live[0] : live[1])?.file ?? "";
    machine.disk.loseFile(lost);
    await machine.restart();
    const number = String(Number(/(\d+)\.wal$/.exec(lost)?.[1]));
    for (const groupId of [1, 2, 3]) expect(machine.log(groupId).quarantine).toMatch(/missing/);
    const problems = await machine.problems();
    expect(problems.some((problem) => problem.includes("missing") && problem.includes(number))).toBe(true);
  });

  test("a WAL without any flush is no new WAL", async () => {
    const machine = await flushed();
    for (const path of machine.files("/wal/")) machine.disk.loseFile(path);
    await machine.restart();
    for (const groupId of [1, 2, 3]) expectQuarantined(machine.log(groupId), "holds no flush");
  });

  test.each([
    ["after any flush", (size: number) => size / 2],
    ["after its last flush", (size: number) => size - 4_096],
    ["within the first flush", () => 4_096],
  ])("the last file, cut %s, may have lost what was acknowledged: every replica is quarantined", async (_, cut) => {
    const machine = await flushed();
    const path = machine.files("/wal/", ".wal").at(-1) ?? "";
    const last = usedFile(machine) ?? path;
    machine.disk.cutFile(last, cut(machine.disk.contentOf(last).length));
    expect(await machine.problems()).toEqual(expect.arrayContaining([expect.stringContaining("which was cut to")]));
    await machine.restart();
    for (const groupId of [1, 2, 3]) expectQuarantined(machine.log(groupId), "which was cut to");
  });

  test("a file after the last that was cut to nothing may have had flushes; one that was being made had none", async () => {
    const machine = await flushed();
    const used = usedFile(machine) ?? "";
    const number = Number(/(\d+)\.wal$/.exec(used)?.[1]);
    const next = used.replace(/\d+\.wal$/, `${String(number + 1).padStart(20, "0")}.wal`);
    machine.disk.killProcess();
    await machine.overwrite(`${next}.new`, new Uint8Array(4_096));
    await machine.start();
    expect([...machine.quarantined]).toEqual([]);
    expect(machine.files(".new")).toEqual([]);
    machine.disk.killProcess();
    await machine.overwrite(next, new Uint8Array(0));
    await machine.start();
    for (const groupId of [1, 2, 3]) expectQuarantined(machine.log(groupId), "which was cut to 0 bytes");
  });

  test("a last flush that was torn is no damage: everything acknowledged is there", async () => {
    const machine = await flushed();
    const frames = [0, 1, 2].map((at) => marked(machine.log(1), `torn ${"t".repeat(3_000)}`, at));
    let isAcknowledged = false;
    machine.disk.onStep = ({ what, path }) => {
      if (what === "sync" && path.includes("/wal/")) machine.disk.powerOff();
    };
    machine.log(1).save({ hardState: null, frames, reset: null }, () => {
      isAcknowledged = true;
    });
    await settle();
    machine.disk.onStep = null;
    // A prefix of 6,000 bytes of the flush has reached the disk.
    machine.disk.crash({ chance: () => true, between: (first, last) => (last === 3 ? 1 : Math.max(first, 6_000)) });
    await machine.start();
    expect(isAcknowledged).toBe(false);
    expect(machine.log(1).lastIndex(), "up to both-1").toBe(5);
    expect([...machine.quarantined]).toEqual([]);
    expect(await machine.problems()).toEqual([]);
    for (const groupId of [1, 2]) await expectServing(machine.log(groupId));
  });
});

describe("damage to a replica's small files", () => {
  test("a damaged checkpoint quarantines the replica and names the file", async () => {
    const machine = await started();
    await appendCommitted(machine.log(1), 30);
    await settle();
    const path = machine.files("0_101", ".checkpoint").at(-1) ?? "";
    machine.disk.flipBit(path, 40);
    await machine.restart();
    expectQuarantined(machine.log(1), path, "checksum");
    await expectServing(machine.log(2));
    expect(await machine.problems()).toEqual(expect.arrayContaining([expect.stringContaining(path)]));
  });

  /** Group 4 holds commands in one large segment, drained, with the checkpoint at its start and one in the middle. */
  async function withTwoCheckpoints(conf: boolean): Promise<{ machine: Machine; newest: string }> {
    const machine = await started();
    const log = await machine.storage.createGroup(specOf(4, "state"), { ...TINY_CONFIG, segmentBytes: 2 ** 16 });
    const append = async (kind: FrameKind, data: Uint8Array): Promise<void> => {
      const frame = frameOf({ groupId: 4, index: log.lastIndex() + 1, term: 1, baseOffset: 0 }, kind, data);
      await saveDurably(log, { hardState: { term: 1, vote: 0, commit: 0 }, frames: [frame] });
      if (kind === FrameKind.conf) log.setReplicas(frame.index, { ...REPLICAS, voters: [1, 2, 3, 4] });
      log.commitTo(frame.index);
      await settle();
    };
    for (let at = 0; at < 4; at++) await append(FrameKind.state, new Uint8Array(200));
    if (conf) await append(FrameKind.conf, new Uint8Array(8));
    for (let at = 0; at < 20; at++) await append(FrameKind.state, new Uint8Array(400));
    for (const groupId of [1, 2]) await appendCommitted(machine.log(groupId), 60);
    await settle();
    expect(log.pointers().drainedIndex, "what the checkpoint knows is in the segment").toBeGreaterThan(10);
    const checkpoints = machine.files("0_401", ".checkpoint");
    expect(checkpoints, "at the segment's start and the newest").toHaveLength(2);
    return { machine, newest: checkpoints.at(-1) ?? "" };
  }

  test.each(["damaged", "lost"])(
    "of a %s newest checkpoint an older one and the frames after it make up",
    async (how) => {
      const { machine, newest } = await withTwoCheckpoints(false);
      const before = machine.log(4).pointers();
      if (how === "lost") machine.disk.loseFile(newest);
      else machine.disk.flipBit(newest, 40);
      await machine.restart();
      expect(machine.log(4).quarantine).toBe(null);
      const after = machine.log(4).pointers();
      expect([after.lastIndex, after.highWatermark]).toEqual([before.lastIndex, before.highWatermark]);
      const commands = machine.log(4).recoveredFrames.map(({ index }) => index);
      expect(commands).toEqual(Array.from({ length: after.appliedIndex }, (_, at) => at + 1));
    },
  );

  test.each(["damaged", "lost"])(
    "a %s checkpoint that alone knew a configuration quarantines the replica",
    async (how) => {
      const { machine, newest } = await withTwoCheckpoints(true);
      if (how === "lost") machine.disk.loseFile(newest);
      else machine.disk.flipBit(newest, 40);
      await machine.restart();
      if (how === "lost") expectQuarantined(machine.log(4), "configuration change at index 5");
      else expectQuarantined(machine.log(4), newest);
    },
  );

  test("a lost checkpoint of a snapshot that the WAL speaks of quarantines the replica, and removes nothing", async () => {
    const machine = await started();
    const log = machine.log(1);
    const [index, term, offset] = [50, 4, 70];
    const image = { ...emptyImage(REPLICAS), index, term, offset, epochs: [{ term, index, offset }] };
    const segments = SegmentPlan.startingAt("data", { index, term, offset }).list();
    const reset = decodeSnapshot(encodeCheckpoint({ owner: log.spec, image, segments, sections: [] }));
    await saveDurably(log, { hardState: { term, vote: 0, commit: index }, reset });
    await settle();
    const checkpoints = machine.files("0_101", ".checkpoint");
    expect(checkpoints).toHaveLength(1);
    const [path = ""] = checkpoints;
    await machine.overwrite(path.replace("00050", "00049"), machine.disk.contentOf(path));
    machine.disk.loseFile(path);
    const before = machine.files("0_101");
    await machine.restart();
    expectQuarantined(machine.log(1), path, "is missing");
    expect(machine.files("0_101")).toEqual(expect.arrayContaining(before));
  });

  test("a replica without any checkpoint is quarantined", async () => {
    const machine = await started();
    for (const path of machine.files("0_101", ".checkpoint")) machine.disk.loseFile(path);
    await machine.restart();
    expectQuarantined(machine.log(1), "0_101", "no checkpoint");
  });

  test.each([
    { kind: "data", groupId: 1 },
    { kind: "state", groupId: 3 },
  ])("a damaged replica.json of a $kind log quarantines that replica, which is still known", async ({ groupId }) => {
    const machine = await started();
    const { spec } = machine.log(groupId);
    const [path] = machine.files(`0_${groupId}01`, "replica.json");
    machine.disk.flipBit(path ?? "", 60);
    for (let restart = 0; restart < 2; restart++) {
      await machine.restart();
      expect(machine.log(groupId).spec).toEqual(spec);
      expectQuarantined(machine.log(groupId), "replica.json", `0_${groupId}01`);
      await expectServing(machine.log(2));
    }
    expect(await machine.problems()).toEqual(expect.arrayContaining([expect.stringContaining("replica.json")]));
  });

  test("a lost replica.json does not make a replica with segments a new one", async () => {
    const machine = await started();
    await appendCommitted(machine.log(1), 30);
    await settle();
    machine.disk.loseFile(machine.files("0_101", "replica.json")[0] ?? "");
    await machine.restart();
    expectQuarantined(machine.log(1), "no replica.json");
  });

  /** Between the first restart and the second, or before both. */
  const WAL_LOST = ["after", "before"] as const;

  test.each(WAL_LOST)("nor one that only the WAL knows, also when the WAL is lost %s that", async (when) => {
    const machine = await started();
    const loseWal = (): void => {
      for (const path of machine.files(".wal")) machine.disk.loseFile(path);
    };
    expect(machine.files("0_101", ".log")).toEqual([]);
    machine.disk.loseFile(machine.files("0_101", "replica.json")[0] ?? "");
    if (when === "before") loseWal();
    await machine.restart();
    expectQuarantined(machine.log(1), "no replica.json");
    if (when === "after") loseWal();
    await machine.restart();
    expectQuarantined(machine.log(1), "no replica.json");
  });

  test.each(WAL_LOST)(
    "an empty folder of a group that only the WAL knows is left alone, also when the WAL is lost %s that",
    async (when) => {
      const machine = await started();
      expect(machine.files("0_101", ".log")).toEqual([]);
      for (const path of machine.files("0_101/")) machine.disk.loseFile(path);
      if (when === "before") for (const path of machine.files(".wal")) machine.disk.loseFile(path);
      for (let restart = 0; restart < 2; restart++) {
        await machine.restart();
        await expect(machine.storage.createGroup(specOf(1), TINY_CONFIG)).rejects.toMatchObject({
          code: "REPLICA_QUARANTINED",
        });
        for (const path of machine.files(".wal")) machine.disk.loseFile(path);
      }
    },
  );

  test("a folder that nothing identifies is left alone, and no empty replica takes its place", async () => {
    const machine = await started();
    await appendCommitted(machine.log(1), 30);
    await settle();
    for (const path of machine.files("0_101", "replica.json")) machine.disk.flipBit(path, 60);
    for (const path of machine.files("0_101", ".checkpoint")) machine.disk.flipBit(path, 40);
    const before = machine.files("0_101");
    await machine.restart();
    expect(machine.storage.group(1)).toBe(null);
    expect(machine.files("0_101")).toEqual(before);
    await expect(machine.storage.createGroup(specOf(1), TINY_CONFIG)).rejects.toMatchObject({
      code: "REPLICA_QUARANTINED",
    });
    expect(machine.files("0_101")).toEqual(before);
    await expectServing(machine.log(2));
  });

  test("who has voted does not come back empty when its folder is gone", async () => {
    const machine = await started();
    for (const path of machine.files("0_101")) machine.disk.loseFile(path);
    await machine.restart();
    await expect(machine.storage.createGroup(specOf(1), TINY_CONFIG)).rejects.toMatchObject({
      code: "REPLICA_QUARANTINED",
      message: expect.stringContaining("folder is gone"),
    });
  });
});

test("a log that is dropped while a snapshot is being installed leaves nothing to the one after it", async () => {
  const machine = await started();
  const log = machine.log(1);
  const [index, term, offset] = [50, 4, 70];
  const image = { ...emptyImage(REPLICAS), index, term, offset, epochs: [{ term, index, offset }] };
  const segments = SegmentPlan.startingAt("data", { index, term, offset }).list();
  const reset = decodeSnapshot(encodeCheckpoint({ owner: log.spec, image, segments, sections: [] }));
  log.save({ hardState: { term, vote: 0, commit: index }, frames: [], reset }, () => undefined);
  // Its checkpoint is being written now.
  while (machine.files("0_101", ".reset").length === 0) await Promise.resolve();
  await machine.storage.dropGroup(1);
  await settle();
  const spec = { ...specOf(1), replicaId: 199 };
  await appendCommitted(await machine.storage.createGroup(spec, TINY_CONFIG), 3);
  await settle();
  await machine.restart();
  expect(machine.log(1).spec).toEqual(spec);
  expect(machine.log(1).lastIndex()).toBe(3);
  await expectServing(machine.log(1));
});

test("inspection counts what is there, file by file, and changes nothing", async () => {
  const machine = await started();
  await appendCommitted(machine.log(1), 30);
  await settle();
  const before = machine.disk.paths().map((path) => [path, machine.disk.steps]);
  const report = await inspectDataDir(DATA_DIR, machine.disk, CHECKSUM);
  expect(machine.disk.paths().map((path) => [path, machine.disk.steps])).toEqual(before);
  expect(report.problems).toEqual([]);
  expect(report.node).toMatchObject({ formatVersion: 1 });
  expect(report.node, "the WAL's id stays on this machine").not.toHaveProperty("walId");
  const log = report.logs.find(({ spec }) => spec.groupId === 1);
  const drained = machine.log(1).pointers().drainedIndex;
  expect(log).toMatchObject({ term: 1, drainedIndex: drained, walFrames: 33 - drained, quarantine: null });
  expect(log?.segments.map(({ file }) => file)).toEqual(machine.files("0_101", ".log"));
  expect(log?.checkpoints.map(({ file }) => file)).toEqual(machine.files("0_101", ".checkpoint"));
  const counted = log?.segments.reduce((sum, { records }) => sum + records, 0);
  expect(counted).toBe(drained);
  expect(report.wal.map(({ file }) => file)).toEqual(machine.files("/wal/", ".wal"));
  expect(report.wal.reduce((sum, { frames }) => sum + frames, 0)).toBeGreaterThan(0);
});

test("inspection names the file and the byte of rot that nobody has read yet", async () => {
  const machine = await started();
  await saveDurably(machine.log(1), { frames: [marked(machine.log(1), "needle")] });
  machine.log(1).commitTo(4);
  await appendCommitted(machine.log(1), 30);
  await settle();
  const inSegment = machine.find("needle", "0_101", ".log");
  machine.disk.flipBit(inSegment.path, inSegment.position);
  const inWal = machine.find("20:x", "/wal/");
  machine.disk.flipBit(inWal.path, inWal.position);
  await saveDurably(machine.log(2), { frames: [marked(machine.log(2), "later")] });
  const problems = await machine.problems();
  expect(problems.some((line) => line.includes(inSegment.path) && /byte \d+/.test(line))).toBe(true);
  expect(problems.some((line) => line.includes(inWal.path) && /groups concerned: 1$/.test(line))).toBe(true);
});
