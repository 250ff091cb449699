/**
 * group-members.test.ts: what a group of worker processes does when its members are slow, blocked, restarted, doubled or joined by another:
 * only what must move moves, and nothing is lost.
 */
import { Varve } from "@varve/client";
import { LocalBrokers } from "varve";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { longestPauseMs, prove } from "./group-history.js";
import { GroupLoad } from "./group-load.js";
import { machineMs } from "./group-report.js";
import { GroupSent } from "./group-sent.js";
import { type GroupWorker, GroupWorkers, type WorkerPlan } from "./group-workers.js";

const PARTITIONS = 6;
/** Long enough that a busy machine does not end a session that should live. */
const SESSION_MS = 3_000;
/** Three session timeouts. */
const HANDLER_MS = 3 * SESSION_MS;
const LOAD_PER_SECOND = 300;
const TEST_MS = 180_000;

let brokers: LocalBrokers;
let client: Varve;
const groups: GroupWorkers[] = [];

beforeAll(async () => {
  brokers = await LocalBrokers.start(1);
  client = new Varve({ bootstrap: brokers.bootstrap });
});

afterAll(async () => {
  await Promise.all(groups.map((group) => group.kill()));
  await client.close();
  await brokers.stop({ keepFiles: false });
});

/** A topic, and a group of its name with a short session timeout. */
async function group(name: string, plan: WorkerPlan = {}): Promise<GroupWorkers> {
  await client.admin.createTopic({ topic: name, partitions: PARTITIONS });
  const workers = new GroupWorkers(brokers.bootstrap, name, name, { sessionTimeoutMs: SESSION_MS, ...plan });
  groups.push(workers);
  return workers;
}

function sender(topic: string): GroupSent {
  return new GroupSent(client.producer(), topic, PARTITIONS);
}

/** How often something was given to, or taken from, a worker. */
function movesOf(worker: GroupWorker): number {
  return worker.of("assigned").length + worker.of("revoked").length + worker.of("lost").length;
}

function numbersOf({ partitions }: GroupWorker): number[] {
  return partitions.map(({ partition }) => partition);
}

function print(what: string, figures: object): void {
  process.stdout.write(`${what}: ${JSON.stringify(figures)}\n`);
}

/** The log says that this record blocked the event loop, and for how long. */
async function namesTheBlocker(worker: GroupWorker, record: string): Promise<void> {
  await worker.says(`names ${record}`, () => worker.of("log").some(({ records }) => records.includes(record)));
  const line = worker.of("log").find(({ records }) => records.includes(record));
  expect(line).toMatchObject({
    level: "warn",
    message: expect.stringMatching(/^the event loop was blocked for \d+ ms/),
  });
}

describe.concurrent("a handler", { timeout: TEST_MS }, () => {
  test("of three session timeouts keeps its partitions, and the stall says which record it is at", async () => {
    const workers = await group("slow", { stallTimeoutMs: 1_000, concurrency: 32 });
    await workers.startSharing(2, PARTITIONS);
    const moves = workers.all.map(movesOf);
    const sent = sender("slow");
    await sent.toAll(`wait ${HANDLER_MS}`);
    await sent.done(workers);
    expect(workers.all.map(movesOf)).toEqual(moves);
    expect(prove(workers.all, sent)).toMatchObject({ records: sent.count, redelivered: 0, losses: 0 });
    for (const worker of workers.all) {
      const reasons = worker.of("stalled").map(({ reason }) => reason);
      expect(reasons).toContainEqual(expect.stringMatching(/^the handler has been working on slow\/\d@\d+ for \d/));
    }
  });

  test("that blocks the event loop for as long is named, and loses its partitions to others but no record", async () => {
    const workers = await group("blocked");
    const blocked = workers.start({ blocks: true });
    workers.start();
    await workers.share(PARTITIONS);
    const victim = numbersOf(blocked)[0] ?? 0;
    const sent = sender("blocked");
    await sent.toAll();
    await sent.done(workers);
    const offset = await sent.to(victim, `block ${HANDLER_MS}`);
    await sent.toAll();
    await sent.done(workers);
    await namesTheBlocker(blocked, `blocked/${victim}@${offset}`);
    await workers.share(PARTITIONS);
    print("a blocked member of two", prove(workers.all, sent));
  });

  test("that blocks the only member's event loop for as long is named, and loses no record and no partition", async () => {
    const workers = await group("alone");
    const blocked = workers.start({ blocks: true });
    await workers.share(PARTITIONS);
    const sent = sender("alone");
    const offset = await sent.to(0, `block ${HANDLER_MS}`);
    await sent.toAll();
    await sent.done(workers);
    await namesTheBlocker(blocked, `alone/0@${offset}`);
    await workers.share(PARTITIONS);
    await sent.toAll();
    await sent.done(workers);
    print("a blocked member, alone", prove(workers.all, sent));
  });

  test("that blocks the event loop again and again, each time for less, keeps its partitions", async () => {
    // In sum for longer than the session lasts; one block and a busy machine take less.
    const workers = await group("busy", { sessionTimeoutMs: 2 * SESSION_MS });
    const busy = workers.start({ blocks: true });
    await workers.share(PARTITIONS);
    const sent = sender("busy");
    for (let turn = 0; turn < 3; turn++) await sent.to(turn, `block ${SESSION_MS / 2}`);
    for (let turn = 0; turn < 40; turn++) await sent.to(turn % PARTITIONS, "block 100");
    await sent.done(workers);
    expect(movesOf(busy)).toBe(1);
    expect(prove(workers.all, sent)).toMatchObject({ records: sent.count, redelivered: 0, losses: 0 });
  });
});

describe("a static member", { timeout: TEST_MS }, () => {
  test("that is killed and restarted within its session timeout has its partitions again, and nobody else moves", async () => {
    const workers = await group("restarted", { sessionTimeoutMs: 20_000 });
    const first = workers.start({ staticId: "pod-0" });
    const other = workers.start({ staticId: "pod-1" });
    await workers.share(PARTITIONS);
    const sent = sender("restarted");
    await sent.toAll();
    await sent.done(workers);
    const before = numbersOf(first);
    const moves = movesOf(other);
    await first.kill();
    await sent.toAll();
    const second = workers.start({ staticId: "pod-0" });
    await sent.done(workers);
    expect(numbersOf(second)).toEqual(before);
    expect(movesOf(other)).toBe(moves);
    print("a static member restarts", prove(workers.all, sent));
  });

  test("loses its place to the next one with its id: run() rejects with FENCED_INSTANCE, and the other works", async () => {
    const workers = await group("doubled");
    const first = workers.start({ staticId: "pod-0" });
    await workers.share(PARTITIONS);
    const sent = sender("doubled");
    await sent.toAll();
    await sent.done(workers);
    const second = workers.start({ staticId: "pod-0" });
    await first.ended;
    expect(first.of("over")).toMatchObject([{ code: "FENCED_INSTANCE" }]);
    await workers.share(PARTITIONS);
    await sent.toAll();
    await sent.done(workers);
    expect(second.isRunning).toBe(true);
    print("a static member twice", prove(workers.all, sent));
  });
});

describe("a rebalance", { timeout: TEST_MS }, () => {
  test("of some partitions leaves the others where they are, at work", async () => {
    const workers = await group("joined", { sessionTimeoutMs: 10_000, workMs: [0, 4] });
    await workers.startSharing(2, PARTITIONS);
    const load = new GroupLoad(client, "joined", PARTITIONS, LOAD_PER_SECOND);
    try {
      await load.getsThrough(workers, "before the join");
      const joined = await watchUntouched(workers, load, "join", () => void workers.start());
      expect(joined).toMatchObject({ untouched: 4, moves: 0 });
      const last = workers.all[2];
      const left = await watchUntouched(workers, load, "leave", () => last?.close());
      expect(left).toMatchObject({ untouched: 4, moves: 0 });
    } finally {
      await load.finish(workers);
    }
    expect(prove(workers.all, load)).toMatchObject({ redelivered: 0, losses: 0 });
  });
});

/** What partitions that stay where they are notice of a change of the group's members: events, and the longest pause. */
async function watchUntouched(
  workers: GroupWorkers,
  load: GroupLoad,
  name: string,
  change: () => Promise<void> | void,
): Promise<{ readonly untouched: number; readonly moves: number }> {
  const before = workers.running.map((worker) => ({ worker, owned: numbersOf(worker), said: worker.reports.length }));
  const fromMs = machineMs();
  await change();
  await workers.share(PARTITIONS);
  await load.getsThrough(workers, `after the ${name}`);
  const toMs = machineMs();
  const stayed = before
    .filter(({ worker }) => worker.isRunning)
    .flatMap(({ worker, owned, said }) => {
      const now = new Set(numbersOf(worker));
      return owned.filter((partition) => now.has(partition)).map((partition) => ({ worker, partition, said }));
    });
  const moves = stayed.filter(({ worker, partition, said }) =>
    worker.reports.slice(said).some((report) => {
      if (report.type === "assigned") return report.partitions.some((begun) => begun.partition === partition);
      return (report.type === "revoked" || report.type === "lost") && report.partitions.includes(partition);
    }),
  ).length;
  const untouched = stayed.map(({ partition }) => partition);
  const moved = [...Array(PARTITIONS).keys()].filter((partition) => !untouched.includes(partition));
  print(`a ${name}`, {
    untouched: untouched.length,
    moves,
    untouchedPauseMs: Math.round(longestPauseMs(workers.all, fromMs, toMs, untouched)),
    movedPauseMs: Math.round(longestPauseMs(workers.all, fromMs, toMs, moved)),
  });
  return { untouched: untouched.length, moves };
}
