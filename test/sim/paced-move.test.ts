/**
 * paced-move.test.ts: a replica that is moved is read for at the pace that is set, and no faster; a voter that lags is not held back by it.
 */
import type { PartitionDetails } from "@varve/client";
import { expect, test } from "vitest";
import { CalmWorld } from "./calm-world.js";
import type { Machine } from "./machine.js";
import type { Plan } from "./plan.js";

const KIB = 1_024;
const VALUE_BYTES = KIB;
const SENDS = 400;
const FREE = 64 * KIB * KIB;
const RUN_MS = 60_000;
const LOOK_MS = 100;
const TOPIC = "orders";
/** Nearly all of the log is in segments. */
const SMALL = { tailCacheBytesMax: 4 * KIB, undrainedBytesMax: 16 * KIB } as const;

/** Five brokers, and a partition on three of them. */
class MovingWorld extends CalmWorld {
  readonly varve = this.client().varve;
  private readonly producer = this.varve.producer();

  constructor(changes: Partial<Plan>) {
    super(1, { brokers: 5, ...SMALL, ...changes });
  }

  async begin(): Promise<void> {
    await this.boot();
    await this.asked(this.varve.admin.createTopic({ topic: TOPIC, partitions: 1, replicas: 3 }));
    await this.send(SENDS);
  }

  async send(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent++) {
      const value = `${this.clock.monotonicMs()}`.padEnd(VALUE_BYTES);
      await this.asked(this.producer.send({ topic: TOPIC, partition: 0, value }));
    }
  }

  /** The leader, a follower that goes on, and the follower that another broker takes over from. */
  async move(): Promise<{ readonly leader: Machine; readonly stays: Machine }> {
    const { partitions } = await this.asked(this.varve.admin.describeTopic(TOPIC));
    const { replicas, leader } = partitions[0] as PartitionDetails;
    const [stays, gone] = replicas.filter((id) => id !== leader);
    const newcomer = this.machines.find(({ id }) => !replicas.includes(id))?.id ?? 0;
    const brokers = replicas.map((id) => (id === gone ? newcomer : id));
    await this.asked(this.varve.admin.movePartition({ topic: TOPIC, partition: 0, brokers }));
    return { leader: this.machine(leader), stays: this.machine(stays) };
  }

  async moves(): Promise<number> {
    return (await this.asked(this.varve.admin.listMoves())).length;
  }

  asked<T>(promise: Promise<T>): Promise<T> {
    return this.time.finish("it is answered", RUN_MS, promise);
  }

  private machine(id: number | null | undefined): Machine {
    return this.machines.find((machine) => machine.id === id) as Machine;
  }
}

/** How long a replica of 400 KiB takes to another broker, milliseconds. */
async function moveMs(moveBytesPerSecond: number): Promise<number> {
  const world = new MovingWorld({ moveBytesPerSecond, appendBytesMax: 4 * KIB });
  await world.begin();
  const startedMs = world.clock.monotonicMs();
  await world.move();
  while ((await world.moves()) > 0) await world.time.pass(LOOK_MS);
  return world.clock.monotonicMs() - startedMs;
}

test("a move takes as long as its pace says", async () => {
  const pace = 32 * KIB;
  const [free, paced] = [await moveMs(FREE), await moveMs(pace)];
  const atPaceMs = (1_000 * SENDS * VALUE_BYTES) / pace;
  // A second's worth comes at once.
  expect(paced).toBeGreaterThan(atPaceMs - 1_000);
  expect(paced).toBeLessThan(atPaceMs + free + 2_000);
  expect(free).toBeLessThan(atPaceMs / 3);
});

test("a voter that lags is read for while a newcomer waits for its share", async () => {
  const world = new MovingWorld({ moveBytesPerSecond: 2 * KIB, appendBytesMax: 64 * KIB });
  await world.begin();
  const { leader, stays } = await world.move();
  await world.time.pass(2_000);
  stays.kill();
  await world.send(100);
  stays.start();
  const end = (machine: Machine): number | undefined =>
    [...(machine.broker?.partitions.all() ?? [])][0]?.log.pointers().highWatermark;
  await world.time.until("the voter has caught up", 5_000, () => end(stays) === end(leader));
  expect(await world.moves(), "the newcomer waits still").toBe(1);
});
