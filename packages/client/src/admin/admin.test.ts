/** admin.test.ts: admin calls against a model of a cluster, on simulated time. */
import { VarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import type { UnaryFate } from "@varve/rpc/testing";
import { describe, expect, test } from "vitest";
import { SimClient, type SimClientOptions } from "../testing/index.js";

function sim(options: Partial<SimClientOptions> = {}): SimClient {
  return new SimClient({ prng: new Prng(7), ...options });
}

/** The first `count` calls of a method have this fate. */
function first(method: string, count: number, fate: UnaryFate): (called: string) => UnaryFate {
  let left = count;
  return (called) => (called === method && left-- > 0 ? fate : "pass");
}

describe("shapes", () => {
  test("create, list, describe, alter, add partitions, list offsets, delete", async () => {
    const client = sim();
    const { admin } = client.varve;
    const { run } = { run: <T>(promise: Promise<T>) => client.run(promise) };
    const made = await run(admin.createTopic({ topic: "orders", partitions: 2, config: { retentionMs: 604_800_000 } }));
    expect(made).toEqual({ topic: "orders", topicId: made.topicId, partitions: 2, replicas: 1, created: true });
    expect(await run(admin.listTopics())).toEqual([
      { topic: "orders", topicId: made.topicId, partitions: 2, replicas: 1 },
    ]);
    const description = await run(admin.describeTopic("orders"));
    expect(description).toEqual({
      topic: "orders",
      topicId: made.topicId,
      config: { retentionMs: 604_800_000 },
      partitions: [
        {
          partition: 0,
          leader: 1,
          epoch: 1,
          replicas: [1],
          voters: [1],
          inSync: [1],
          leaving: [],
          logStart: 0,
          highWatermark: 0,
        },
        {
          partition: 1,
          leader: 2,
          epoch: 1,
          replicas: [2],
          voters: [2],
          inSync: [2],
          leaving: [],
          logStart: 0,
          highWatermark: 0,
        },
      ],
    });
    expect(
      await run(admin.alterTopic({ topic: "orders", config: { retentionBytes: 1e9, retentionMs: null } })),
    ).toEqual({ retentionBytes: 1e9 });
    await run(admin.addPartitions({ topic: "orders", partitions: 3 }));
    expect(await run(admin.listOffsets({ topic: "orders", at: "latest" }))).toEqual(
      [0, 1, 2].map((partition) => ({ partition, offset: 0 })),
    );
    expect(await run(admin.listOffsets({ topic: "orders", at: { timeMs: 5.7 }, partitions: [2] }))).toEqual([
      { partition: 2, offset: 0 },
    ]);
    await run(admin.transferLeadership({ topic: "orders", partition: 0, to: 3 }));
    expect((await run(admin.describeTopic("orders"))).partitions[0]).toMatchObject({ leader: 3, epoch: 2 });
    await run(admin.deleteTopic("orders"));
    expect(await run(admin.listTopics())).toEqual([]);
  });

  test("the cluster and its health", async () => {
    const client = sim();
    const { admin } = client.varve;
    expect(await client.run(admin.describeCluster())).toMatchObject({
      clusterId: "model",
      controller: 1,
      brokers: [{ id: 1, address: "broker-1:7650", rack: null, ready: true, version: "model" }, { id: 2 }, { id: 3 }],
    });
    expect(await client.run(admin.clusterHealth())).toMatchObject({ healthy: true, problems: [] });
  });
});

describe("lost answers", () => {
  test("a create whose answer was lost is recognised: it was created, once", async () => {
    const client = sim({ fate: first("CreateTopic", 2, "loseAnswer") });
    const made = await client.run(client.varve.admin.createTopic({ topic: "t", partitions: 1 }));
    expect(made.created).toBe(true);
    expect([...client.model.topics.keys()]).toEqual(["t"]);
  });

  test("a delete whose answer was lost succeeds, and never deletes what was made anew under the name", async () => {
    const client = sim({ fate: first("DeleteTopic", 1, "loseAnswer") });
    client.model.createTopic("t", 1);
    await client.run(client.varve.admin.deleteTopic("t"));
    expect(client.model.topics.size).toBe(0);
    await client.run(client.varve.admin.listTopics());
    expect(client.model.versionListed).toBe(client.model.version);
  });

  test("deleting what is not there is UNKNOWN_TOPIC, NOT_APPLIED", async () => {
    const client = sim();
    expect(await client.failure(client.varve.admin.deleteTopic("t"))).toMatchObject({
      code: "UNKNOWN_TOPIC",
      effect: "NOT_APPLIED",
    });
  });

  test("a create that another one was faster with is TOPIC_EXISTS; with ifNotExists it is that one", async () => {
    const client = sim();
    const { topicId } = client.model.createTopic("t", 4);
    const again = client.varve.admin.createTopic({ topic: "t", partitions: 1 });
    expect(await client.failure(again)).toMatchObject({ code: "TOPIC_EXISTS", effect: "NOT_APPLIED" });
    const ensured = client.varve.admin.createTopic({ topic: "t", partitions: 1, ifNotExists: true });
    expect(await client.run(ensured)).toEqual({ topic: "t", topicId, partitions: 4, replicas: 1, created: false });
  });
});

describe("outages", () => {
  test("a dead bootstrap address does not matter while another one lives", async () => {
    const client = sim({ bootstrap: ["nobody:1", "broker-2:7650"] });
    for (let round = 0; round < 5; round++) expect(await client.run(client.varve.admin.listTopics())).toEqual([]);
    expect(client.clock.monotonicMs()).toBeLessThan(1_000);
  });

  test("with no address reachable a call tries for 30 s; nothing was written", async () => {
    const client = sim({ bootstrap: ["nobody:1"] });
    const error = await client.failure(client.varve.admin.createTopic({ topic: "t" }));
    expect(error).toMatchObject({ code: "UNREACHABLE", effect: "NOT_APPLIED", details: { address: "nobody:1" } });
    expect((error as Error).message).toMatch(/createTopic "t" gave up after \d+ attempts in 30\.0 s/);
    expect(client.clock.monotonicMs()).toBeGreaterThan(29_000);
    expect(client.clock.monotonicMs()).toBeLessThan(31_000);
  });

  test("of answers and silence, the error tells the answer", async () => {
    const client = sim({ bootstrap: ["nobody:1", "broker-2:7650"], requestDeadlineMs: 3_000 });
    client.network.serve("broker-2:7650", {
      admin: { listTopics: () => Promise.reject(new VarveError("NOT_ENOUGH_REPLICAS", { message: "no controller" })) },
    });
    const error = await client.failure(client.varve.admin.listTopics());
    expect(error).toMatchObject({ code: "NOT_ENOUGH_REPLICAS", effect: "NONE" });
    expect(client.clock.monotonicMs()).toBeLessThan(3_100);
  });

  test("one attempt of many that may have worked makes the call UNKNOWN", async () => {
    const client = sim({
      requestDeadlineMs: 2_000,
      bootstrap: ["broker-1:7650"],
      fate: first("AlterTopic", 1, "loseAnswer"),
    });
    client.model.createTopic("t", 1);
    const call = client.failure(client.varve.admin.alterTopic({ topic: "t", config: { segmentMs: 1_000 } }));
    await client.clock.runUntil(1.1);
    client.network.stop("broker-1:7650");
    expect(await call).toMatchObject({ effect: "UNKNOWN" });
  });

  test("a broker that says nothing costs one attempt, not the call", async () => {
    const client = sim({ bootstrap: ["broker-1:7650", "broker-2:7650"] });
    client.network.silence("broker-1:7650");
    for (let round = 0; round < 3; round++) await client.run(client.varve.admin.listTopics());
    expect(client.clock.monotonicMs()).toBeLessThan(12_000);
  });

  test("health gives up after 5 s", async () => {
    const client = sim({ bootstrap: ["nobody:1"] });
    expect(await client.failure(client.varve.admin.clusterHealth())).toMatchObject({
      code: "UNREACHABLE",
      effect: "NONE",
    });
    expect(client.clock.monotonicMs()).toBeLessThan(5_600);
  });

  test("an aborted signal ends the attempts", async () => {
    const client = sim({ bootstrap: ["nobody:1"] });
    const controller = new AbortController();
    const call = client.failure(client.varve.admin.createTopic({ topic: "t" }, { signal: controller.signal }));
    await client.clock.runUntil(1_000);
    controller.abort();
    expect(await call).toMatchObject({ code: "ABORTED", effect: "NOT_APPLIED" });
    expect(client.clock.monotonicMs()).toBeLessThan(1_100);
  });

  test("a closed client refuses", async () => {
    const client = sim();
    await client.run(client.varve.close());
    expect(await client.failure(client.varve.admin.listTopics())).toMatchObject({ code: "CLOSED" });
  });
});

describe("refused before it leaves", () => {
  test.each(["../x", "", ".", "a".repeat(300), "__proto__", "a b"])("the name %j", async (topic) => {
    const client = sim();
    expect(await client.failure(client.varve.admin.createTopic({ topic }))).toMatchObject({
      code: "INVALID_TOPIC_NAME",
      effect: "NOT_APPLIED",
    });
  });

  test("counts that are no whole numbers", async () => {
    const { varve, failure } = bound(sim());
    expect(await failure(varve.admin.createTopic({ topic: "t", partitions: 1.5 }))).toMatchObject({
      code: "INVALID_PARTITIONS",
    });
    expect(await failure(varve.admin.createTopic({ topic: "t", replicas: Number.NaN }))).toMatchObject({
      code: "INVALID_REPLICATION",
    });
    expect(await failure(varve.admin.addPartitions({ topic: "t", partitions: 2 ** 40 }))).toMatchObject({
      code: "INVALID_PARTITIONS",
    });
  });

  test.each(["", "host:0", "host:70000", "a b:1", "host:port"])("the bootstrap address %j", (address) => {
    expect(() => sim({ bootstrap: [address] })).toThrow(/is not host:port|no address/);
  });
});

function bound(client: SimClient) {
  return { varve: client.varve, failure: (promise: Promise<unknown>) => client.failure(promise) };
}

test("reads that fail say NONE, whatever stopped them, and speak of no write", async () => {
  const client = sim();
  const { varve } = client;
  const { admin } = varve;
  const failure = (asked: Promise<unknown>): Promise<unknown> => client.run(asked.catch((error: unknown) => error));
  const made = (make: () => unknown): unknown => {
    try {
      return make();
    } catch (error) {
      return error;
    }
  };
  const before = [
    await failure(admin.describeTopic("nope")),
    await failure(admin.describeGroup("not a name")),
    await failure(admin.listOffsets({ topic: "orders", at: "yesterday" as never })),
    made(() => varve.reader({ topic: "orders", from: { offset: 0 } })),
  ];
  await client.run(varve.close());
  const after = [
    await failure(admin.listTopics()),
    await failure(admin.describeTopic("orders")),
    made(() => varve.reader({ topic: "orders" })),
  ];
  const errors = [...before, ...after] as VarveError[];
  expect(errors.map(({ code, effect }) => [code, effect])).toEqual([
    ["UNKNOWN_TOPIC", "NONE"],
    ["INVALID_GROUP_NAME", "NONE"],
    ["INVALID_ARGUMENT", "NONE"],
    ["INVALID_ARGUMENT", "NONE"],
    ["CLOSED", "NONE"],
    ["CLOSED", "NONE"],
    ["CLOSED", "NONE"],
  ]);
  expect(errors.filter(({ message }) => message.includes("written"))).toEqual([]);
  expect(await failure(admin.deleteTopic("orders"))).toMatchObject({ code: "CLOSED", effect: "NOT_APPLIED" });
});
