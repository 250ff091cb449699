/** failed-replica.test.ts: a replica that cannot apply what was committed: of the controller it ends its broker, of a partition it leads no more. */
import { createServer } from "node:net";
import { silentLogger, VarveError } from "@varve/base";
import { BatchBuilder } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { METHODS, type RpcChannel } from "@varve/rpc";
import { createClient } from "@varve/rpc/node";
import { FrameKind } from "@varve/storage";
import { SimDisk } from "@varve/storage/testing";
import { EntryType } from "raft-ts";
import { afterEach, expect, test } from "vitest";
import { parseConfig } from "../config/index.js";
import { type RunningBroker, runBroker } from "./run-broker.js";

const DEADLINE = { deadlineMs: 10_000 } as const;
const TOPIC = "orders";

const running: RunningBroker[] = [];
const channels: RpcChannel[] = [];

afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close();
  await Promise.all(running.splice(0).map((broker) => broker.kill()));
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** One broker, alone in its cluster, on that disk. */
async function start(disk: SimDisk, peerPort: number): Promise<RunningBroker> {
  const config = parseConfig({
    brokerId: 1,
    dataDir: "/broker-1",
    cluster: { seeds: [`127.0.0.1:${peerPort}`] },
    listen: { grpcPort: 0, peerPort, opsPort: 0 },
  });
  const ports = { logger: silentLogger, disk: disk.process(), walThread: disk.walThread(), watchProcess: false };
  const broker = await runBroker(config, ports);
  running.push(broker);
  return broker;
}

function connect({ grpcPort }: RunningBroker): RpcChannel {
  const channel = createClient(`127.0.0.1:${grpcPort}`);
  channels.push(channel);
  return channel;
}

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
  const broker = await start(disk, peerPort);
  await broker.ready;
  commitGarbage(broker);
  expect((await broker.failed).message).toContain("the replica of the controller stopped");
  const live = await fetch(`http://127.0.0.1:${broker.opsPort}/livez`);
  expect([live.status, await live.text()]).toEqual([503, expect.stringContaining("replica of the controller")]);
  await broker.kill();
  running.length = 0;

  const again = await start(disk, peerPort);
  const [failure] = await Promise.all([again.failed, again.ready.catch(() => {})]);
  expect(failure.message).toMatch(/command/);
});

test("a partition's replica that cannot apply a frame leads no more: who waits is told, and nothing more is taken", async () => {
  const broker = await start(new SimDisk(), await freePort());
  await broker.ready;
  const channel = connect(broker);
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
