/**
 * full-follower.test.ts: a follower that cannot write segments holds no more in memory than it is configured to; the others go on, and it catches up.
 */
import { expect, test } from "vitest";
import { CalmWorld } from "./calm-world.js";
import type { Machine } from "./machine.js";

const KIB = 1_024;
const MAX_BYTES = 64 * KIB;
/** What was on its way when the bound was reached: appends that were written already, and become committed. */
const ON_ITS_WAY_BYTES = 32 * KIB;
const VALUE_BYTES = KIB;
const SENDS = 600;
const RUN_MS = 60_000;
const TOPIC = "orders";

test.each([1, 2, 3])(
  "a follower without disk space for segments takes no more than its bound, then catches up (seed %i)",
  async (seed) => {
    const world = new CalmWorld(seed, { undrainedBytesMax: MAX_BYTES });
    const { time, machines } = world;
    await world.boot();
    const { varve } = world.client();
    await time.finish(
      "the topic is made",
      RUN_MS,
      varve.admin.createTopic({ topic: TOPIC, partitions: 1, replicas: 3 }),
    );
    const { partitions } = await time.finish("it is led", RUN_MS, varve.admin.describeTopic(TOPIC));
    const follower = machines.find(({ id }) => id !== partitions[0]?.leader) as Machine;
    const undrained = (): number => follower.broker?.storage.stats().undrainedBytes ?? 0;

    follower.isFull = true;
    follower.disk.setCapacity(follower.disk.usedBytes);
    const sender = varve.producer();
    let most = 0;
    for (let sent = 0; sent < SENDS; sent++) {
      const value = `${sent}`.padEnd(VALUE_BYTES);
      await time.finish("a send is acknowledged", RUN_MS, sender.send({ topic: TOPIC, partition: 0, value }));
      most = Math.max(most, undrained());
    }
    expect(most, "it is full").toBeGreaterThan(MAX_BYTES);
    expect(most, "and takes no more").toBeLessThan(MAX_BYTES + ON_ITS_WAY_BYTES);

    follower.disk.setCapacity(2 ** 40);
    const highWatermark = (machine: Machine): number | undefined =>
      [...(machine.broker?.partitions.all() ?? [])][0]?.log.pointers().highWatermark;
    await time.until("it has caught up", RUN_MS, () => highWatermark(follower) === SENDS);
  },
);
