/**
 * external-scaler.test.ts: ExternalScaler over sockets, asked as KEDA asks: by a client that knows the schema alone. The numbers of the fields are
 * KEDA's, so they are held by bytes that were put together by hand.
 */
import { fileURLToPath } from "node:url";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { loadSync, type ServiceDefinition } from "@grpc/proto-loader";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GetMetricsResponseCodec, MetricSpecCodec, ScaledObjectRefCodec } from "../gen/keda.js";
import type { RpcServer } from "../server.js";
import { createServer } from "./grpc-server.js";

const schema = fileURLToPath(new URL("../../../../proto/externalscaler/externalscaler.proto", import.meta.url));
const service = loadSync(schema, { keepCase: true })["externalscaler.ExternalScaler"] as ServiceDefinition;
const REF = { name: "billing", namespace: "shop", scalerMetadata: { group: "billing", lagSeconds: "30" } };

let server: RpcServer;
let raw: Client;

beforeEach(async () => {
  server = createServer();
  server.addScalerService({
    isActive: async ({ scalerMetadata }) => ({ result: scalerMetadata["group"] === "billing" }),
    streamIsActive: async (stream) => {
      for await (const { scalerMetadata } of stream.requests) {
        for (const result of [true, false, scalerMetadata["lagSeconds"] === "30"]) await stream.write({ result });
      }
    },
    getMetricSpec: async () => ({ metricSpecs: [{ metricName: "lag", targetSize: 2, targetSizeFloat: 1.5 }] }),
    getMetrics: async ({ metricName }) => ({ metricValues: [{ metricName, metricValue: 46, metricValueFloat: 45.5 }] }),
  });
  const { port } = await server.start("127.0.0.1", 0);
  raw = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
});

afterEach(() => {
  raw.close();
  server.destroy();
});

function methodOf(name: string): ServiceDefinition[string] {
  const method = service[name];
  if (method === undefined) throw new Error(`no ${name}`);
  return method;
}

function ask(name: string, request: object): Promise<object> {
  const { path, requestSerialize, responseDeserialize } = methodOf(name);
  return new Promise((resolve, reject) => {
    raw.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, new Metadata(), {}, (error, answer) =>
      error === null && answer !== undefined ? resolve(answer) : reject(error),
    );
  });
}

test("answers calls of KEDA's paths", async () => {
  expect(methodOf("IsActive").path).toBe("/externalscaler.ExternalScaler/IsActive");
  expect(await ask("IsActive", REF)).toMatchObject({ result: true });
  expect(await ask("GetMetricSpec", REF)).toMatchObject({ metricSpecs: [{ metricName: "lag", targetSizeFloat: 1.5 }] });
  const { metricValues } = (await ask("GetMetrics", { scaledObjectRef: REF, metricName: "lag" })) as {
    metricValues: { metricName: string; metricValue: unknown; metricValueFloat: number }[];
  };
  expect(metricValues.map((value) => [value.metricName, Number(value.metricValue), value.metricValueFloat])).toEqual([
    ["lag", 46, 45.5],
  ]);
});

test("streams to a caller of a method that streams its answers only", async () => {
  const { path, requestSerialize, responseDeserialize, requestStream, responseStream } = methodOf("StreamIsActive");
  expect([requestStream, responseStream]).toEqual([false, true]);
  const stream = raw.makeServerStreamRequest(path, requestSerialize, responseDeserialize, REF, new Metadata(), {});
  const told: unknown[] = [];
  for await (const answer of stream) told.push((answer as { readonly result?: boolean }).result ?? false);
  expect(told).toEqual([true, false, true]);
});

test("the fields have KEDA's numbers", () => {
  const text = (tag: number, value: string): number[] => [tag, value.length, ...Buffer.from(value)];
  const entry = [...text(0x0a, "group"), ...text(0x12, "g")];
  const ref = [...text(0x0a, "n"), ...text(0x12, "s"), 0x1a, entry.length, ...entry];
  expect(ScaledObjectRefCodec.decode(Uint8Array.from(ref))).toMatchObject({ name: "n", namespace: "s" });
  expect(ScaledObjectRefCodec.decode(Uint8Array.from(ref)).scalerMetadata["group"]).toBe("g");
  const oneAndAHalf = [0, 0, 0, 0, 0, 0, 0xf8, 0x3f];
  expect([...MetricSpecCodec.encode({ metricName: "m", targetSize: 2, targetSizeFloat: 1.5 })]).toEqual([
    ...text(0x0a, "m"),
    0x10,
    2,
    0x19,
    ...oneAndAHalf,
  ]);
  const value = [...text(0x0a, "m"), 0x10, 2, 0x19, ...oneAndAHalf];
  const metricValues = [{ metricName: "m", metricValue: 2, metricValueFloat: 1.5 }];
  expect([...GetMetricsResponseCodec.encode({ metricValues })]).toEqual([0x0a, value.length, ...value]);
});
