/**
 * cluster.test.ts: what a cluster of real brokers promises while some of them die, are cut off, or come back.
 */
import { isVarveError } from "@varve/base";
import { ownTimeMs } from "@varve/base/testing";
import { METHODS, type RpcChannel } from "@varve/rpc";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterEach, expect, test } from "vitest";
import { batchOf, connect, DEADLINE, failureOf, readAll } from "./raw.js";

let cluster: TestCluster | null = null;
const channels: RpcChannel[] = [];

afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close();
  await cluster?.close();
  cluster = null;
});

async function start(options: Parameters<typeof startCluster>[0] = {}): Promise<TestCluster> {
  cluster = await startCluster(options);
  return cluster;
}

/** A client of one broker, by id. */
function to(running: TestCluster, brokerId: number): RpcChannel {
  const channel = connect(running.bootstrap[brokerId - 1]);
  channels.push(channel);
  return channel;
}

async function create(
  channel: RpcChannel,
  topic: string,
  partitions = 1,
  config: Record<string, string> = {},
): Promise<string> {
  const { topicId } = await channel.unary(METHODS.createTopic, { topic, partitions, replicas: 3, config }, DEADLINE);
  return topicId;
}

async function leaderOf(channel: RpcChannel, topic: string, partition = 0): Promise<number> {
  return until(async () => {
    const { partitions } = await channel.unary(METHODS.describeTopic, { topic }, DEADLINE);
    return partitions[partition]?.leader ?? null;
  });
}

/** Asks again until there is an answer; the test's own limit is the deadline. */
async function until<T>(ask: () => Promise<T | null>, deadlineMs = 20_000): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const answer = await ask().catch((error: unknown) => {
      if (isVarveError(error)) return null;
      throw error;
    });
    if (answer !== null) return answer;
    if (performance.now() > endMs) expect.fail("the deadline passed");
    await new Promise((resolve) => setTimeout(resolve, 20)); // Between two looks; the deadline bounds them.
  }
}

/** Sends values one after another to any broker that answers; each until it is acknowledged. */
async function sendAll(
  running: TestCluster,
  topic: string,
  values: readonly string[],
  avoid: readonly number[] = [],
): Promise<Map<string, number>> {
  const brokers = running.brokerIds.filter((id) => !avoid.includes(id)).map((id) => to(running, id));
  const { producerId } = await until(
    () => brokers[0]?.unary(METHODS.initProducer, {}, DEADLINE) ?? Promise.resolve(null),
  );
  const offsets = new Map<string, number>();
  for (const [at, value] of values.entries()) {
    let turn = at;
    const batch = batchOf([value], { producerId, producerEpoch: 0, baseSequence: at });
    const { baseOffset } = await until(async () => {
      const broker = brokers[turn++ % brokers.length];
      return broker === undefined
        ? null
        : broker.unary(METHODS.produce, { topic, partition: 0, batch }, { deadlineMs: 3_000 });
    });
    offsets.set(value, baseOffset);
  }
  return offsets;
}

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}`);

test("what was acknowledged survives a power cut of the leader, and nothing is there twice", async () => {
  const running = await start();
  const first = to(running, 1);
  await create(first, "orders");
  const leader = await leaderOf(first, "orders");
  const survivor = to(running, leader === 1 ? 2 : 1);
  const before = await sendAll(running, "orders", numbered("a", 30));
  await running.kill(leader);
  const after = await sendAll(running, "orders", numbered("b", 30), [leader]);
  const values = await until(() => readAll(survivor, "orders", 0));
  expect(values).toEqual([...numbered("a", 30), ...numbered("b", 30)]);
  for (const [value, offset] of [...before, ...after]) expect(values[offset]).toBe(value);
  await running.restart(leader);
  await until(async () => ((await survivor.unary(METHODS.clusterHealth, {}, DEADLINE)).healthy ? true : null));
});

test("a power cut of all brokers at once loses nothing that was acknowledged", async () => {
  const running = await start();
  await create(to(running, 1), "orders");
  await sendAll(running, "orders", numbered("a", 40));
  await Promise.all(running.brokerIds.map((id) => running.kill(id)));
  await Promise.all(running.brokerIds.map((id) => running.restart(id)));
  expect(await until(() => readAll(to(running, 2), "orders", 0))).toEqual(numbered("a", 40));
});

test("a leader that is cut off acknowledges nothing; the others go on, and all agree after the cut heals", async () => {
  const running = await start();
  await create(to(running, 1), "orders");
  await sendAll(running, "orders", numbered("a", 5));
  const old = await leaderOf(to(running, 1), "orders");
  const others = running.brokerIds.filter((id) => id !== old);
  running.partition([old], others, { clients: "both" });
  const lost = to(running, old).unary(
    METHODS.produce,
    { topic: "orders", partition: 0, batch: batchOf(["lost"]) },
    { deadlineMs: 4_000 },
  );
  const refused = failureOf(lost);
  await sendAll(running, "orders", numbered("b", 5), [old]);
  expect(["UNKNOWN", "NOT_APPLIED"]).toContain((await refused).effect);
  running.heal();
  const expected = [...numbered("a", 5), ...numbered("b", 5)];
  for (const id of running.brokerIds) {
    const values = await until(async () => {
      const read = await readAll(to(running, id), "orders", 0);
      return read.length >= expected.length ? read : null;
    });
    expect(values.filter((value) => value !== "lost")).toEqual(expected);
  }
});

test("a leader that is cut off does not judge a producer's sequence: what it misses may be acknowledged elsewhere", async () => {
  const running = await start();
  const topic = "orders";
  await create(to(running, 1), topic);
  const old = await leaderOf(to(running, 1), topic);
  const others = running.brokerIds.filter((id) => id !== old);
  const { producerId } = await to(running, old).unary(METHODS.initProducer, {}, DEADLINE);
  const send = (broker: number, value: string, baseSequence: number) =>
    to(running, broker).unary(
      METHODS.produce,
      { topic, partition: 0, batch: batchOf([value], { producerId, producerEpoch: 0, baseSequence }) },
      { deadlineMs: 4_000 },
    );
  await send(old, "first", 0);
  running.partition([old], others, { clients: "both" });
  const judged = failureOf(send(old, "third", 2));
  const [other = 0] = others;
  await until(() => send(other, "second", 1));
  const { code, effect } = await judged;
  expect([code, effect]).not.toContain("OUT_OF_ORDER_SEQUENCE");
  running.heal();
  await until(() => send(old, "third", 2));
  expect(await readAll(to(running, other), topic, 0)).toEqual(["first", "second", "third"]);
});

test("a topic that is made again under its old name never shows old records", async () => {
  const running = await start();
  const channel = to(running, 1);
  const oldId = await create(channel, "orders");
  await sendAll(running, "orders", ["old"]);
  await channel.unary(METHODS.deleteTopic, { topic: "orders" }, DEADLINE);
  expect((await failureOf(channel.unary(METHODS.describeTopic, { topic: "orders" }, DEADLINE))).code).toBe(
    "UNKNOWN_TOPIC",
  );
  const newId = await create(channel, "orders");
  expect(newId).not.toBe(oldId);
  for (const id of running.brokerIds) expect(await readAll(to(running, id), "orders", 0)).toEqual([]);
  const stale = channel.unary(METHODS.produce, { topicId: oldId, partition: 0, batch: batchOf(["x"]) }, DEADLINE);
  expect((await failureOf(stale)).code).toBe("UNKNOWN_TOPIC_ID");
});

test("any broker answers produce, read and list offsets, and a long poll wakes at the commit", async () => {
  const running = await start();
  const channel = to(running, 1);
  await create(channel, "orders");
  const leader = await leaderOf(channel, "orders");
  const other = to(running, running.brokerIds.find((id) => id !== leader) ?? 1);
  const poll = other.unary(
    METHODS.read,
    { topic: "orders", partition: 0, offset: 0, minBytes: 1, maxWaitMs: 8_000, decoded: true },
    DEADLINE,
  );
  await other.unary(METHODS.produce, { topic: "orders", partition: 0, batch: batchOf(["one"]) }, DEADLINE);
  const startedMs = ownTimeMs();
  expect((await poll).records.map(({ value }) => Buffer.from(value ?? []).toString())).toEqual(["one"]);
  expect(ownTimeMs() - startedMs).toBeLessThan(4_000);
  const { offsets } = await other.unary(METHODS.listOffsets, { topic: "orders", at: 2 }, DEADLINE);
  expect(offsets.map(({ offset }) => offset)).toEqual([1]);
});

test("a stream through a broker that does not lead carries produce and subscribe", async () => {
  const running = await start();
  const channel = to(running, 1);
  await create(channel, "orders");
  const leader = await leaderOf(channel, "orders");
  const other = to(running, running.brokerIds.find((id) => id !== leader) ?? 1);
  const produce = other.bidi(METHODS.produceStream, {});
  for (let at = 0; at < 20; at++) {
    await produce.write({
      correlationId: at + 1,
      produce: { topic: "orders", partition: 0, batch: batchOf([`v${at}`]) },
    });
  }
  const answered: number[] = [];
  for await (const { correlationId, result } of produce.responses) {
    expect(result).not.toBeNull();
    answered.push(correlationId);
    if (answered.length === 20) break;
  }
  const subscribe = other.bidi(METHODS.subscribe, {});
  await subscribe.write({ add: { subscriptionId: 1, topic: "orders", partition: 0, offset: 0 } });
  await subscribe.write({ grant: { bytes: 1 << 20 } });
  let next = 0;
  for await (const { batches } of subscribe.responses) {
    if (batches !== null) next = batches.nextOffset;
    if (next === 20) break;
  }
  expect(await readAll(other, "orders", 0)).toEqual(numbered("v", 20));
});

test("retention deletes old segments on every replica and tells readers where the log starts", async () => {
  const running = await start();
  const channel = to(running, 1);
  await create(channel, "orders", 1, { segmentBytes: "65536", retentionBytes: "200000" });
  const big = "x".repeat(20_000);
  await sendAll(running, "orders", numbered(big, 40));
  const start1 = await until(async () => {
    const { offsets } = await channel.unary(METHODS.listOffsets, { topic: "orders", at: 1 }, DEADLINE);
    return (offsets[0]?.offset ?? 0) > 0 ? (offsets[0]?.offset ?? 0) : null;
  });
  const error = await failureOf(channel.unary(METHODS.read, { topic: "orders", partition: 0, offset: 0 }, DEADLINE));
  expect(error.code).toBe("OFFSET_OUT_OF_RANGE");
  expect(Number(error.details["logStart"])).toBeGreaterThanOrEqual(start1);
  const values = await readAll(channel, "orders", 0, Number(error.details["logStart"]));
  expect(values.at(-1)).toBe(`${big}39`);
});

test("the last of three brokers stops at once, and tells the calls that wait for the others", async () => {
  const running = await start();
  await create(to(running, 1), "orders", 3);
  await sendAll(running, "orders", ["a"]);
  await running.stop(1);
  await running.stop(2);
  const last = to(running, 3);
  await until(async () => {
    const { controller } = await last.unary(METHODS.describeCluster, {}, DEADLINE);
    return controller === null ? "none" : null;
  });
  const long = { deadlineMs: 60_000 };
  const waiting = [
    last.unary(METHODS.createTopic, { topic: "more", partitions: 1, replicas: 1 }, long),
    last.unary(METHODS.metadata, { topics: ["orders"], authoritative: true }, long),
    ...[0, 1, 2].map((partition) =>
      last.unary(METHODS.read, { topic: "orders", partition, maxWaitMs: 50_000, minBytes: 1 << 20 }, long),
    ),
  ].map((call) =>
    call.then(
      () => "answered",
      ({ code }) => code,
    ),
  );
  await last.unary(METHODS.metadata, { topics: ["orders"] }, DEADLINE); // They came first.
  const startedAtMs = performance.now();
  await running.stop(3);
  expect(performance.now() - startedAtMs).toBeLessThan(4_000);
  for (const outcome of await Promise.all(waiting))
    expect(["answered", "SHUTTING_DOWN", "NOT_LEADER"]).toContain(outcome);
});

test("a planned stop hands leaderships over first, and they return after the restart", async () => {
  const running = await start();
  const channel = to(running, 1);
  await create(channel, "orders", 6);
  const stopped = await leaderOf(channel, "orders", 0);
  const other = to(running, running.brokerIds.find((id) => id !== stopped) ?? 1);
  await running.stop(stopped);
  const { partitions } = await other.unary(METHODS.describeTopic, { topic: "orders" }, DEADLINE);
  expect(partitions.map(({ leader }) => leader)).not.toContain(stopped);
  expect(partitions.map(({ leader }) => leader)).not.toContain(null);
  await running.restart(stopped);
  await until(async () => {
    const described = await other.unary(METHODS.describeTopic, { topic: "orders" }, DEADLINE);
    return described.partitions.filter(({ leader, replicas }) => leader === replicas[0]).length === 6 ? true : null;
  });
});

test("old and unknown epochs are told apart, and a reader of another history is sent back", async () => {
  const running = await start();
  const channel = to(running, 1);
  await create(channel, "orders");
  await sendAll(running, "orders", numbered("a", 3));
  const leader = await leaderOf(channel, "orders");
  const target = running.brokerIds.find((id) => id !== leader) ?? 1;
  await channel.unary(METHODS.transferLeadership, { topic: "orders", partition: 0, to: target }, DEADLINE);
  const [described] = (await channel.unary(METHODS.describeTopic, { topic: "orders" }, DEADLINE)).partitions;
  const epoch = described?.leaderEpoch ?? 0;
  expect(epoch).toBeGreaterThan(1);
  const read = (request: object): Promise<unknown> =>
    channel.unary(METHODS.read, { topic: "orders", partition: 0, offset: 3, ...request }, DEADLINE);
  expect((await failureOf(read({ leaderEpoch: 1 }))).code).toBe("FENCED_EPOCH");
  expect((await failureOf(read({ leaderEpoch: epoch + 1 }))).code).toBe("UNKNOWN_EPOCH");
  await sendAll(running, "orders", numbered("b", 3));
  const diverged = await failureOf(read({ offset: 6, lastFetchedEpoch: 1 }));
  expect([diverged.code, diverged.details["safeOffset"]]).toEqual(["DIVERGED", 3]);
});

test("without a majority of the controller, partitions that have theirs go on, and admin calls say at once what they are not", async () => {
  const running = await start({ brokers: 3 });
  const channel = to(running, 1);
  await channel.unary(METHODS.createTopic, { topic: "alone", partitions: 3, replicas: 1 }, DEADLINE);
  const leaders = await until(async () => {
    const { partitions } = await channel.unary(METHODS.describeTopic, { topic: "alone" }, DEADLINE);
    return partitions.every(({ leader }) => leader !== null) ? partitions.map(({ leader }) => leader) : null;
  });
  const own = leaders.indexOf(1);
  await Promise.all([running.kill(2), running.kill(3)]);
  await channel.unary(METHODS.produce, { topic: "alone", partition: own, batch: batchOf(["still"]) }, DEADLINE);
  expect(await readAll(channel, "alone", own)).toEqual(["still"]);
  await until(async () => {
    const { controller } = await channel.unary(METHODS.describeCluster, {}, DEADLINE);
    return controller === null ? "none" : null;
  });
  const startedMs = ownTimeMs();
  const error = await failureOf(
    channel.unary(METHODS.createTopic, { topic: "more", partitions: 1, replicas: 1 }, { deadlineMs: 2_000 }),
  );
  expect([error.code, error.effect]).toEqual(["NOT_ENOUGH_REPLICAS", "NOT_APPLIED"]);
  expect(ownTimeMs() - startedMs).toBeLessThan(4_000);
  await running.restart(2);
  await channel.unary(METHODS.createTopic, { topic: "more", partitions: 1, replicas: 1 }, DEADLINE);
});
