/**
 * membership.test.ts: who may belong to a cluster: founders, joiners, and directories that are not what they say.
 */
import { ownTimeMs } from "@varve/base/testing";

import { METHODS } from "@varve/rpc";
import { SimDisk } from "@varve/storage/testing";
import { afterEach, expect, test } from "vitest";
import { Fleet } from "./fleet.js";
import { freePorts } from "./ports.js";
import { batchOf, connect, DEADLINE, failureOf, readAll } from "./raw.js";

const fleet = new Fleet();

afterEach(() => fleet.killAll());

test("a fourth broker joins a founded cluster and serves topics that it holds no replica of", async () => {
  const { brokers, ports } = await fleet.startSeeds(3);
  const channel = connect(`127.0.0.1:${brokers[0]?.grpcPort}`);
  await channel.unary(METHODS.createTopic, { topic: "orders", partitions: 1, replicas: 3 }, DEADLINE);
  await channel.unary(METHODS.produce, { topic: "orders", partition: 0, batch: batchOf(["one"]) }, DEADLINE);
  const fourth = await fleet.start(4, new SimDisk(), (await freePorts(1))[0] ?? 0, ports);
  await fourth.ready;
  const other = connect(`127.0.0.1:${fourth.grpcPort}`);
  await other.unary(METHODS.produce, { topic: "orders", partition: 0, batch: batchOf(["two"]) }, DEADLINE);
  expect(await readAll(other, "orders", 0)).toEqual(["one", "two"]);
  const { brokers: known } = await other.unary(METHODS.describeCluster, {}, DEADLINE);
  expect(known.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  channel.close();
  other.close();
});

test("one of three seeds alone founds nothing", async () => {
  const ports = await freePorts(3);
  const alone = await fleet.start(1, new SimDisk(), ports[0] ?? 0, ports);
  const channel = connect(`127.0.0.1:${alone.grpcPort}`);
  const error = await failureOf(
    channel.unary(METHODS.createTopic, { topic: "orders", partitions: 1 }, { deadlineMs: 3_000 }),
  );
  expect([error.code, error.effect]).toEqual(["NOT_ENOUGH_REPLICAS", "NOT_APPLIED"]);
  channel.close();
});

test("a wiped disk under an old identity is refused and says what to do", async () => {
  const { brokers, ports } = await fleet.startSeeds(3);
  await fleet.stop(brokers[2]);
  const wiped = await fleet.start(3, new SimDisk(), ports[2] ?? 0, ports);
  const error = await failureOf(
    Promise.race([wiped.ready.then(() => "ready"), wiped.failed.then((failure) => Promise.reject(failure))]),
  );
  expect(error.code).toBe("DATA_DIR_UNUSABLE");
  expect(error.message).toContain("3");
});

test("a data directory of another broker id is refused before anything is said to anybody", async () => {
  const { brokers, ports, disks } = await fleet.startSeeds(1);
  await fleet.stop(brokers[0]);
  const config = { dataDir: "/broker-1" };
  const error = await failureOf(fleet.start(2, disks[0] ?? new SimDisk(), ports[0] ?? 0, ports, config));
  expect(error.code).toBe("DATA_DIR_UNUSABLE");
});

test("produced bytes beyond the broker's bound are refused with a time to retry, and nothing is lost", async () => {
  const ports = await freePorts(1);
  const disk = new SimDisk();
  const broker = await fleet.start(1, disk, ports[0] ?? 0, ports, {
    limits: {
      inFlightBytesMax: 65_536,
      inFlightBytesPerConnectionMax: 65_536,
      produceRequestBytesMax: 65_536,
      batchBytesMax: 32_768,
      recordBytesMax: 32_768,
    },
  });
  await broker.ready;
  const channel = connect(`127.0.0.1:${broker.grpcPort}`);
  await channel.unary(METHODS.createTopic, { topic: "orders", partitions: 1, replicas: 1 }, DEADLINE);
  const big = "x".repeat(20_000);
  const answers = await Promise.allSettled(
    Array.from({ length: 12 }, (_, at) =>
      channel.unary(METHODS.produce, { topic: "orders", partition: 0, batch: batchOf([`${big}${at}`]) }, DEADLINE),
    ),
  );
  const refused = answers.flatMap((answer) =>
    answer.status === "rejected" ? [answer.reason as { code: string; retryAfterMs: number; effect: string }] : [],
  );
  expect(refused.length).toBeGreaterThan(0);
  for (const { code, effect, retryAfterMs } of refused) {
    expect([code, effect]).toEqual(["BROKER_OVERLOADED", "NOT_APPLIED"]);
    expect(retryAfterMs).toBeGreaterThan(0);
  }
  expect(await readAll(channel, "orders", 0)).toHaveLength(answers.length - refused.length);
  channel.close();
});

test("limits in a broker's configuration bound what clients may send and get", async () => {
  const ports = await freePorts(1);
  const broker = await fleet.start(1, new SimDisk(), ports[0] ?? 0, ports, {
    limits: {
      recordBytesMax: 2_048,
      batchBytesMax: 16_384,
      batchRecordsMax: 6,
      produceRequestBytesMax: 65_536,
      fetchBytesMax: 65_536,
      requestDeadlineMs: 400,
    },
  });
  await broker.ready;
  const channel = connect(`127.0.0.1:${broker.grpcPort}`);
  const topic = "orders";
  await channel.unary(METHODS.createTopic, { topic, partitions: 1, replicas: 1 }, DEADLINE);
  const produce = (values: readonly string[]) =>
    channel.unary(METHODS.produce, { topic, partition: 0, batch: batchOf(values) }, DEADLINE);
  expect((await failureOf(produce(["x".repeat(2_049)]))).code).toBe("RECORD_TOO_LARGE");
  expect((await failureOf(produce(Array.from({ length: 7 }, () => "x")))).code).toBe("INVALID_BATCH");
  expect((await failureOf(channel.unary(METHODS.produce, { batch: new Uint8Array(140_000) }, DEADLINE))).code).toBe(
    "INVALID_ARGUMENT",
  );
  const full = Array.from({ length: 6 }, () => "y".repeat(2_000));
  for (let at = 0; at < 12; at++) await produce(full);
  const read = (offset: number) =>
    channel.unary(
      METHODS.read,
      { topic, partition: 0, offset, maxBytes: 1_000_000, minBytes: 1, maxWaitMs: 20_000 },
      DEADLINE,
    );
  const { batches, nextOffset } = await read(0);
  expect(batches.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(65_536);
  expect([batches.length, nextOffset]).toEqual([5, 30]);
  const startedMs = ownTimeMs();
  expect((await read(72)).batches).toEqual([]);
  expect(ownTimeMs() - startedMs).toBeLessThan(5_000);
  channel.close();
});
