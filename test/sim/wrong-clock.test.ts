/**
 * wrong-clock.test.ts: a wall clock that jumps by a day moves no leader and deletes nothing while the others are right (fault 24); when
 * all jump, retention by time does its work, so the first is no accident.
 *
 * SEED repeats a run.
 */
import { expect, test } from "vitest";
import { CalmWorld } from "./calm-world.js";
import type { Machine } from "./machine.js";

const seed = Number(process.env["SEED"] ?? 1);
const RUN_MS = 60_000;
/** Longer than any time between two looks at what is too old. */
const WAIT_MS = 180_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const RECORDS = 200;
const TOPIC = "orders";

interface Aftermath {
  /** Of every replica. */
  readonly logStarts: readonly number[];
  readonly leaderChanges: number;
}

/** Records that are kept for an hour, in segments of eight; then some clocks jump a day ahead. */
async function jump(who: (leader: Machine, all: readonly Machine[]) => readonly Machine[]): Promise<Aftermath> {
  const world = new CalmWorld(seed, { segmentBytes: 4_096 });
  const { time, machines, checks } = world;
  await world.boot();
  const { admin, producer } = client(world);
  const config = { retentionMs: HOUR_MS };
  const made = admin.createTopic({ topic: TOPIC, partitions: 1, replicas: 3, config });
  const { topicId } = await time.finish("the topic is made", RUN_MS, made);
  for (let at = 0; at < RECORDS; at++) {
    const sent = producer.send({ topic: TOPIC, value: `${at}-`.padEnd(500, "x") });
    await time.finish("a record is acknowledged", RUN_MS, sent);
  }
  const groupId = checks.truth.ofPartition(topicId, 0)?.spec.groupId ?? 0;
  const leader = world.leaderOf(groupId);
  if (leader === null) throw new Error("nobody leads");
  const changes = checks.leaderChanges.get(groupId) ?? 0;
  for (const { oscillator } of who(leader, machines)) oscillator.wallOffsetMs += DAY_MS;
  await time.finish("a record is acknowledged", RUN_MS, producer.send({ topic: TOPIC, value: "after" }));
  await time.pass(WAIT_MS);
  return {
    logStarts: machines.map((machine) => machine.replica(groupId)?.log.pointers().logStartOffset ?? -1),
    leaderChanges: (checks.leaderChanges.get(groupId) ?? 0) - changes,
  };
}

function client(world: CalmWorld) {
  const { varve } = world.client();
  return { admin: varve.admin, producer: varve.producer() };
}

test.each([
  { what: "a leader's clock", who: (leader: Machine) => [leader] },
  {
    what: "a follower's clock",
    who: (leader: Machine, all: readonly Machine[]) => [all.find((one) => one !== leader) ?? leader],
  },
])(`$what that jumps a day ahead deletes nothing and moves no leader (SEED=${seed})`, async ({ who }) => {
  expect(await jump(who)).toEqual({ logStarts: [0, 0, 0], leaderChanges: 0 });
});

test(`records are deleted when all clocks say that they are too old (SEED=${seed})`, async () => {
  const { logStarts, leaderChanges } = await jump((_leader, all) => all);
  expect(Math.min(...logStarts)).toBeGreaterThan(RECORDS / 2);
  expect(leaderChanges).toBe(0);
});
