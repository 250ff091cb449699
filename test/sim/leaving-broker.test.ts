/**
 * leaving-broker.test.ts: a broker that stops leads nothing any more from the moment it has given everything away, however long its clients keep it.
 */
import { expect, test } from "vitest";
import { CalmWorld } from "./calm-world.js";

const RUN_MS = 30_000;
const LEAVE_MS = 3_000;
/** Longer than leaderships rest before they go back to the preferred replicas, and than the notice of a stop holds by itself. */
const KEPT_MS = 20_000;
const LOOK_MS = 100;

test.each([1, 2, 3])("a broker that stops slowly is not led again (seed %i)", async (seed) => {
  const world = new CalmWorld(seed);
  const { time, machines, clock } = world;
  await world.boot();
  const { admin } = world.client().varve;
  await time.finish("the topic is made", RUN_MS, admin.createTopic({ topic: "orders", partitions: 6, replicas: 3 }));
  const leaving = machines[0]?.broker;
  if (leaving === undefined || leaving === null) throw new Error("it runs");
  const leads = (): number => [...leaving.host.all()].filter((replica) => replica.isLeader()).length;
  await time.until("it leads something", RUN_MS, () => leads() > 0);
  await time.finish("it leaves", RUN_MS, leaving.leave(LEAVE_MS));
  expect(leads()).toBe(0);
  for (const endMs = clock.monotonicMs() + KEPT_MS; clock.monotonicMs() < endMs; await time.pass(LOOK_MS))
    expect(leads(), `${endMs - clock.monotonicMs()} ms before the end`).toBe(0);
});
