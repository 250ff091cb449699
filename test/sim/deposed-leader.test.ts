/**
 * deposed-leader.test.ts: a leader that was frozen while another was elected still takes itself for the leader when it goes on, and does not know
 * what its successor acknowledged: nobody who has read that is told that it is not there.
 */
import { encodeBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { METHODS } from "@varve/rpc";
import { expect, test } from "vitest";
import { CalmWorld } from "./calm-world.js";
import { grpcAddress, type Machine } from "./machine.js";
import { between } from "./network-faults.js";

const RUN_MS = 30_000;
/** Shorter than a leader takes to notice that no quorum answers. */
const CUT_MS = 500;
const TOPIC = "orders";
const DEADLINE = { deadlineMs: RUN_MS } as const;

test.each([1, 2, 3])(
  "a deposed leader refuses no offset that its successor has acknowledged (seed %i)",
  async (seed) => {
    const world = new CalmWorld(seed);
    const { time, rpc, machines } = world;
    await world.boot();
    const channelTo = ({ name }: Machine) => rpc.transport().channel(grpcAddress(name));
    const produce = async (to: Machine, value: string): Promise<number> => {
      const batch = encodeBatch({ records: [{ timestampMs: 0, value: Buffer.from(value) }] }, nodeCodec);
      const sent = channelTo(to).unary(METHODS.produce, { topic: TOPIC, partition: 0, batch }, DEADLINE);
      return (await time.finish("it is acknowledged", RUN_MS, sent)).baseOffset;
    };
    const { admin } = world.client().varve;
    await time.finish("the topic is made", RUN_MS, admin.createTopic({ topic: TOPIC, partitions: 1, replicas: 3 }));
    const { partitions } = await time.finish("it is led", RUN_MS, admin.describeTopic(TOPIC));
    const leader = partitions[0]?.leader;
    const old = machines.find(({ id }) => id === leader) as Machine;
    const [other, third] = machines.filter(({ id }) => id !== leader) as [Machine, Machine];
    expect(await produce(old, "raw:0")).toBe(0);

    const heal = world.networkFaults.cut(between([old.name], [other.name, third.name]));
    old.pause();
    await time.until("another leads, and both know", RUN_MS, () => {
      const [one, two] = [other, third].map(({ broker }) => [...(broker?.partitions.all() ?? [])][0]?.leader());
      return one === two && (one === other.id || one === third.id);
    });
    expect(await produce(other, "raw:1")).toBe(1);
    expect(await produce(other, "raw:2")).toBe(2);
    const reading = channelTo(old).unary(
      METHODS.read,
      { topic: TOPIC, partition: 0, offset: 3, lastFetchedEpoch: 2, maxWaitMs: 1 },
      DEADLINE,
    );
    old.resume();
    world.clock.setTimer(CUT_MS, heal);

    const answer = await time.finish("the read is answered", RUN_MS, reading);
    expect([answer.nextOffset, answer.highWatermark]).toEqual([3, 3]);
  },
);
