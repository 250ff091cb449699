/**
 * make-data-v1.ts: writes the small data folder of format 1 that every later version must open; see test/fixtures/README.md.
 *
 * `node packages/storage/dist/testing/make-data-v1.js FOLDER`. The same bytes each time: seeded chance, a clock that stands still, a
 * disk in memory whose files are copied out at the end. It stops as a killed process does, so the WAL holds what nothing else has.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { assert, assertDefined } from "@varve/base";
import { type Frame, FrameKind, type GroupLog, type GroupSpec, type LogConfig, type Storage } from "../api.js";
import { encodeLogStart } from "../frame/payload.js";
import { decodeSnapshot, encodeCheckpoint } from "../log/checkpoint.js";
import { emptyImage } from "../log/log-state.js";
import { SegmentPlan } from "../log/segment-plan.js";
import {
  batchFrame,
  DATA_DIR,
  frameOf,
  ManualClock,
  openOn,
  REPLICAS,
  saveDurably,
  settle,
  tinyOptions,
} from "./log-driver.js";
import { SimDisk } from "./sim-disk.js";

const ORDERS = "11111111-1111-4111-8111-111111111111";
const EVENTS = "22222222-2222-4222-8222-222222222222";
const CONTROL = "33333333-3333-4333-8333-333333333333";
const CONFIG: LogConfig = { segmentBytes: 4_096, segmentMs: -1, retentionMs: -1, retentionBytes: -1 };
const BATCHES = 40;

function specOf(groupId: number, topicId: string, partition: number, kind: "data" | "state" = "data"): GroupSpec {
  return { groupId, replicaId: groupId * 100 + 1, topicId, partition, kind, initial: REPLICAS };
}

/** Saves a frame at the end of the log, in its term, and commits it. */
async function append(log: GroupLog, make: (index: number, offset: number) => Frame): Promise<void> {
  await saveDurably(log, { frames: [make(log.lastIndex() + 1, log.nextOffset())] });
  const index = log.lastIndex();
  // As Raft does it: the commit index is stored without waiting for it.
  log.save({ hardState: { ...log.hardState, commit: index }, frames: [], reset: null }, () => undefined);
  log.commitTo(index);
}

function control(log: GroupLog, kind: FrameKind, data: Uint8Array = new Uint8Array(0)): Promise<void> {
  const { groupId } = log.spec;
  const { term } = log.hardState;
  return append(log, (index, baseOffset) => frameOf({ groupId, index, term, baseOffset }, kind, data));
}

function beginTerm(log: GroupLog, term: number, vote: number): Promise<void> {
  return saveDurably(log, { hardState: { term, vote, commit: log.hardState.commit } });
}

/** Value of the record at an offset, as the test makes it again. */
function valueAt(topic: string, offset: number): string {
  return `${topic}-${offset}-${"v".repeat(100)}`;
}

/** 40 batches of 1 to 3 records in terms 1 and 3; producer 7 writes every fourth, producer 9 the one after it. */
async function fillOrders(log: GroupLog): Promise<void> {
  const { groupId } = log.spec;
  const sequences = new Map([
    [7, 0],
    [9, 0],
  ]);
  await beginTerm(log, 1, 1);
  await control(log, FrameKind.noop);
  for (let batch = 1; batch <= BATCHES; batch++) {
    if (batch === 21) {
      await beginTerm(log, 3, 3);
      await control(log, FrameKind.noop);
    }
    const count = 1 + (batch % 3);
    const id = batch % 4 === 0 ? 7 : 9;
    const sequence = assertDefined(sequences.get(id), "both producers count");
    const producer = batch % 4 < 2 ? { id, sequence, epoch: id === 7 ? 0 : 2 } : undefined;
    if (producer !== undefined) sequences.set(id, sequence + count);
    await append(log, (index, baseOffset) => {
      const values = Array.from({ length: count }, (_, at) => valueAt("orders", baseOffset + at));
      return batchFrame({ groupId, index, term: log.hardState.term, baseOffset }, values, producer);
    });
    await settle();
  }
}

/** Retention lets the first segments go, then a replica is replaced. */
async function retainAndConfigure(log: GroupLog): Promise<void> {
  log.setConfig({ ...CONFIG, retentionBytes: 14_500 });
  const target = assertDefined(log.retentionTarget(0) ?? undefined, "retention asks for a later start");
  await control(log, FrameKind.logStart, encodeLogStart(target));
  await settle();
  const { groupId } = log.spec;
  const place = { groupId, index: log.lastIndex() + 1, term: log.hardState.term, baseOffset: log.nextOffset() };
  await saveDurably(log, { frames: [frameOf(place, FrameKind.conf, new TextEncoder().encode("replace 3 by 4"))] });
  log.setReplicas(place.index, { ...REPLICAS, voters: [1, 2, 4], learners: [5] });
  log.commitTo(place.index);
  await settle();
}

/** Two batches that are not committed yet. */
async function appendTwo(log: GroupLog, topic: string): Promise<void> {
  const { groupId } = log.spec;
  const { term } = log.hardState;
  const [first, offset] = [log.lastIndex() + 1, log.nextOffset()];
  const frames = [0, 1].map((at) =>
    batchFrame({ groupId, index: first + at, term, baseOffset: offset + at }, [valueAt(topic, offset + at)]),
  );
  await saveDurably(log, { frames });
}

/** Commits all but the last frame, and votes in a later term: what nothing but the WAL has. */
async function commitAndVote(log: GroupLog): Promise<void> {
  const commit = log.lastIndex() - 1;
  log.commitTo(commit);
  await saveDurably(log, { hardState: { term: log.hardState.term + 1, vote: 2, commit } });
}

/** A log that installed a snapshot. */
async function resetEvents(log: GroupLog): Promise<void> {
  const [index, term, offset] = [500, 6, 900];
  const image = { ...emptyImage(REPLICAS), index, term, offset, epochs: [{ term, index, offset }] };
  const segments = SegmentPlan.startingAt("data", { index, term, offset }).list();
  const reset = decodeSnapshot(encodeCheckpoint({ owner: log.spec, image, segments, sections: [] }));
  await saveDurably(log, { hardState: { term, vote: 0, commit: index }, frames: [], reset });
  await settle();
}

/** Commands of a state machine; its sections cover a part of them, the rest comes again as frames. */
async function fillControl(log: GroupLog): Promise<void> {
  let applied = 0;
  log.setSectionSource(() => [
    { tag: 20, bytes: new TextEncoder().encode(`applied ${applied}`) },
    { tag: 33, bytes: new Uint8Array(0) },
  ]);
  await beginTerm(log, 2, 2);
  for (let command = 1; command <= 14; command++) {
    applied = command;
    await control(log, FrameKind.state, new TextEncoder().encode(`command ${command} ${"c".repeat(200)}`));
    await settle();
  }
}

async function fill(storage: Storage): Promise<void> {
  await storage.adopt("fixture-cluster", 1);
  await storage.setNote("fixture note");
  const orders = await storage.createGroup(specOf(1, ORDERS, 0), CONFIG);
  const events = await storage.createGroup(specOf(2, EVENTS, 3), CONFIG);
  const controller = await storage.createGroup(specOf(3, CONTROL, 0, "state"), CONFIG);
  await storage.createGroup(specOf(4, EVENTS, 4), CONFIG);
  await storage.dropGroup(4);
  // So early that the reset's mark and the two frames are copied forward again and again.
  await resetEvents(events);
  await appendTwo(events, "events");
  await fillOrders(orders);
  await retainAndConfigure(orders);
  await fillControl(controller);
  await appendTwo(orders, "orders");
  await commitAndVote(orders);
  await commitAndVote(events);
}

async function main(target: string | undefined): Promise<void> {
  assert(target !== undefined, "usage: make-data-v1.js FOLDER");
  const disk = new SimDisk();
  const clock = new ManualClock();
  const storage = await openOn(disk, tinyOptions(clock, 1, { walFileBytes: 12_288, checkpointIntervalBytes: 1_000 }));
  await fill(storage);
  clock.advance(100);
  await settle();
  disk.killProcess();
  // Files have an extension here, folders have none.
  for (const path of disk.paths().filter((name) => /\.[a-z]+$/.test(name))) {
    const file = `${target}/${path.slice(DATA_DIR.length + 1)}`;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, disk.contentOf(path));
  }
}

await main(process.argv[2]);
