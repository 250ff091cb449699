/** failed-replica.test.ts: a replica that cannot apply what was committed: of the controller it ends its broker, of a partition it leads no more. */
import { VarveError } from "@varve/base";
import { BatchBuilder } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { METHODS } from "@varve/rpc";
import { FrameKind } from "@varve/storage";
import { SimDisk } from "@varve/storage/testing";
import { EntryType } from "raft-ts";
import { afterEach, expect, test } from "vitest";
import { freePort, LoneBrokers } from "../testing/lone-brokers.js";
import type { RunningBroker } from "./run-broker.js";

const DEADLINE = { deadlineMs: 10_000 } as const;
const TOPIC = "orders";

const brokers = new LoneBrokers();
afterEach(() => brokers.end());

function commitGarbage({ broker }: RunningBroker): void {
  broker.controller?.raft?.propose({
    type: EntryType.normal,
    kind: FrameKind.state,
    data: Buffer.from("no command"),
    offsetSpan: 0,
    recordCount: 0,
    stamp: null,
  });
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  const outcome = await call.then(
    () => "ok",
    (error: unknown) => error,
  );
  return outcome instanceof VarveError ? `${outcome.code} ${outcome.effect}` : String(outcome);
}

test("a broker whose replica of the controller cannot apply a command ends, and so does its next start", async () => {
  const disk = new SimDisk();
  const peerPort = await freePort();
  const broker = await brokers.start(disk, {}, peerPort);
  await broker.ready;
  commitGarbage(broker);
  expect((await broker.failed).message).toContain("the replica of the controller stopped");
  const live = await fetch(`http://127.0.0.1:${broker.opsPort}/livez`);
  expect([live.status, await live.text()]).toEqual([503, expect.stringContaining("replica of the controller")]);
  await brokers.kill(broker);

  const again = await brokers.start(disk, {}, peerPort);
  await expect(again.ready).rejects.toThrow(/command/);
  expect((await again.failed).message).toMatch(/command/);
});

test("a partition's replica that cannot apply a frame leads no more: who waits is told, and nothing more is taken", async () => {
  const broker = await brokers.start(new SimDisk());
  await broker.ready;
  const channel = brokers.connect(broker);
  await channel.unary(METHODS.createTopic, { topic: TOPIC, partitions: 1, replicas: 1 }, DEADLINE);
  const builder = new BatchBuilder();
  builder.append(0, null, Buffer.from("x"));
  const batch = builder.build(nodeCodec);
  const produce = (deadlineMs: number): Promise<unknown> =>
    channel.unary(METHODS.produce, { topic: TOPIC, partition: 0, batch }, { deadlineMs });
  expect(await codeOf(produce(10_000))).toBe("ok");
  const [partition] = [...broker.broker.partitions.all()];
  if (partition === undefined) throw new Error("the broker holds no partition");
  partition.apply = () => {
    throw new Error("it does not fit");
  };
  expect(await codeOf(produce(10_000))).toBe("COMMIT_UNKNOWN UNKNOWN");
  expect(partition.servingEpoch()).toBeNull();
  expect(await codeOf(produce(1_000))).toBe("NOT_ENOUGH_REPLICAS NOT_APPLIED");
});
