/**
 * external-scaler.test.ts: KEDA's questions to real brokers, over gRPC and with its own protocol: how far a group is behind, asked of any broker,
 * before the group exists, while it reads, and while a leader is away.
 */
import { readFileSync } from "node:fs";
import type { Varve } from "@varve/client";
import { type RpcChannel, SCALER_METHODS } from "@varve/rpc";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { connect, DEADLINE, failureOf } from "./raw.js";

const METRIC = "varve-lag-seconds";

let cluster: TestCluster;
let varve: Varve;
let channels: RpcChannel[];

beforeAll(async () => {
  cluster = await startCluster({ brokers: 3 });
  varve = cluster.varve();
  channels = cluster.bootstrap.map(connect);
  await varve.admin.createTopic({ topic: "orders", partitions: 3, replicas: 3 });
});

afterAll(async () => {
  for (const channel of channels ?? []) channel.close();
  await cluster?.close();
});

type Metadata = Readonly<Record<string, string>>;

const ref = (scalerMetadata: Metadata) => ({ name: "billing", namespace: "shop", scalerMetadata });

async function secondsOf(channel: RpcChannel, metadata: Metadata): Promise<number> {
  const request = { scaledObjectRef: ref(metadata), metricName: METRIC };
  const { metricValues } = await channel.unary(SCALER_METHODS.getMetrics, request, DEADLINE);
  expect(metricValues.map(({ metricName }) => metricName)).toEqual([METRIC]);
  return metricValues[0]?.metricValueFloat ?? Number.NaN;
}

const isActive = async (channel: RpcChannel, metadata: Metadata): Promise<boolean> =>
  (await channel.unary(SCALER_METHODS.isActive, ref(metadata), DEADLINE)).result;

/** Reads everything there is as a member of the group, commits and leaves. */
async function readAll(group: string, records: number): Promise<void> {
  const consumer = varve.consumer({ group, topics: ["orders"] });
  let read = 0;
  await consumer.run({
    handler: async () => {
      read += 1;
      if (read === records) void consumer.close();
    },
  });
}

test("any broker tells how far a group is behind: before it exists, when it has read all, and when more came", async () => {
  const metadata = { group: "billing", topic: "orders", lagSeconds: "1000" };
  for (const channel of channels) {
    expect(await isActive(channel, metadata), "an empty topic").toBe(false);
    expect(await secondsOf(channel, metadata)).toBe(0);
  }
  const sentAtMs = performance.now();
  await varve.producer().sendBatch({
    topic: "orders",
    records: Array.from({ length: 30 }, (_, at) => ({ key: String(at), value: "paid" })),
  });
  for (const channel of channels) {
    expect(await isActive(channel, metadata), "a group that does not exist").toBe(true);
    const seconds = await secondsOf(channel, metadata);
    expect(seconds).toBeGreaterThanOrEqual(0);
    expect(seconds).toBeLessThanOrEqual((performance.now() - sentAtMs) / 1_000 + 1);
  }
  await readAll("billing", 30);
  for (const channel of channels) {
    expect(await secondsOf(channel, { group: "billing" }), "a group needs no topic once it has read").toBe(0);
    expect(await isActive(channel, { group: "billing" })).toBe(false);
  }
  await varve.producer().send({ topic: "orders", key: "1", value: "late" });
  for (const channel of channels) {
    expect(await isActive(channel, { group: "billing" })).toBe(true);
    expect(await isActive(channel, { group: "billing", activationLagSeconds: "3600" })).toBe(false);
  }
});

test("a stream tells at once, to a caller that says nothing more", async () => {
  const [channel] = channels;
  if (channel === undefined) expect.fail("no broker");
  const stream = channel.bidi(SCALER_METHODS.streamIsActive, {});
  await stream.write(ref({ group: "late", topic: "orders" }));
  stream.end();
  const told: boolean[] = [];
  for await (const { result } of stream.responses) {
    told.push(result);
    break;
  }
  expect(told).toEqual([true]);
});

test("the target stands in the specification; what is wrong is told by its name", async () => {
  const [channel] = channels;
  if (channel === undefined) expect.fail("no broker");
  const spec = await channel.unary(SCALER_METHODS.getMetricSpec, ref({ group: "billing", lagSeconds: "20" }), DEADLINE);
  expect(spec).toEqual({ metricSpecs: [{ metricName: METRIC, targetSize: 20, targetSizeFloat: 20 }] });
  const said = async (metadata: Metadata): Promise<string> => {
    const { code } = await failureOf(channel.unary(SCALER_METHODS.isActive, ref(metadata), DEADLINE));
    return code;
  };
  expect(await said({ topic: "orders" })).toBe("INVALID_ARGUMENT");
  expect(await said({ group: "unheard-of" })).toBe("INVALID_ARGUMENT");
  expect(await said({ group: "billing", topic: "typo" })).toBe("UNKNOWN_TOPIC");
});

test("the example in deploy/ is understood", async () => {
  const text = readFileSync(new URL("../../deploy/keda/scaledobject.yaml", import.meta.url), "utf8");
  const { spec } = parse(text) as { spec: { triggers: { type: string; metadata: Metadata }[] } };
  const [trigger] = spec.triggers;
  expect(trigger?.type).toBe("external");
  const [channel] = channels;
  if (channel === undefined) expect.fail("no broker");
  expect(await isActive(channel, trigger?.metadata ?? {})).toBe(true);
});

test("a broker that is killed is replaced, and the lag told again", async () => {
  const [partition] = (await varve.admin.describeTopic("orders")).partitions;
  const leader = partition?.leader ?? 1;
  await cluster.kill(leader);
  const asked = channels.find((_, at) => at + 1 !== leader);
  if (asked === undefined) expect.fail("no broker is left");
  await expect
    .poll(() => isActive(asked, { group: "billing" }).catch((error: unknown) => String(error)), { timeout: 30_000 })
    .toBe(true);
  await cluster.restart(leader);
});
