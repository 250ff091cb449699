/** external-scaler.test.ts: what KEDA is answered, over a made-up coordinator and made-up leaders. */
import { VarveError } from "@varve/base";
import { SimClock } from "@varve/base/testing";
import { afterEach, expect, test } from "vitest";
import type { DescribedGroup } from "../groups/coordinator.js";
import { unknownGroup } from "../groups/errors.js";
import type { ReaderPlace } from "../groups/reader-places.js";
import { externalScaler, LAG_METRIC, type ScalerOptions } from "./external-scaler.js";

const NOW_MS = 5_000_000;
const TOPICS = { "id-orders": "orders", "id-bills": "bills" } as const;

const unheard: AbortController[] = [];
afterEach(() => {
  for (const controller of unheard.splice(0)) controller.abort();
});

/** Commits of a group as "topicId/partition" -> offset; null: there is no such group. */
type Commits = Readonly<Record<string, number>> | null;

/** A scaler where every record of every partition was appended 40 s ago, and logs end at offset 10. */
function scaler(commits: () => Commits, clock = new SimClock()) {
  const asked: ReaderPlace[][] = [];
  const options: ScalerOptions = {
    clock,
    nowMs: () => NOW_MS,
    requestDeadlineMs: 30_000,
    router: {
      topicName: (topicId) => TOPICS[topicId as keyof typeof TOPICS] ?? null,
      locateTopic: async ({ topic }) => {
        if (topic !== "orders") throw new VarveError("UNKNOWN_TOPIC", { message: `no topic ${topic}` });
        return { topic, topicId: "id-orders", partitions: [0, 1].map((partition) => ({ partition })) } as never;
      },
    },
    api: {
      describe: async (group) => {
        const found = commits();
        if (found === null) throw unknownGroup(group);
        const offsets = Object.entries(found).map(([place, offset]) => {
          const [topicId = "", partition = ""] = place.split("/");
          return { topicId, partition: Number(partition), offset, leaderEpoch: null, metadata: "", committedMs: 0 };
        });
        return { group, topics: [], offsets, members: [] } as unknown as DescribedGroup & { coordinator: number };
      },
      backlogs: async (places) => {
        asked.push([...places]);
        return places.map(({ from }) => {
          const records = 10 - (from ?? 0);
          const appendTimeMs = records === 0 ? null : NOW_MS - 40_000;
          return { highWatermark: 10, logStart: 0, records, appendTimeMs };
        });
      },
    },
  };
  const controller = new AbortController();
  unheard.push(controller);
  const call = { deadlineMs: 1_000, signal: controller.signal, peer: "", hasRoom: () => true, principal: null };
  const handlers = externalScaler(options);
  const ref = (scalerMetadata: Record<string, string>) => ({ name: "billing", namespace: "shop", scalerMetadata });
  return {
    asked,
    clock,
    controller,
    isActive: (metadata: Record<string, string>) => handlers.isActive(ref(metadata), call),
    spec: (metadata: Record<string, string>) => handlers.getMetricSpec(ref(metadata), call),
    metric: (metadata: Record<string, string>, metricName = LAG_METRIC) =>
      handlers.getMetrics({ scaledObjectRef: ref(metadata), metricName }, call),
    stream: (metadata: Record<string, string>, write: (result: boolean) => void) =>
      handlers.streamIsActive(
        {
          requests: (async function* () {
            yield ref(metadata);
          })(),
          write: async ({ result = false }) => write(result),
        },
        call,
      ),
  };
}

const seconds = (value: number) => ({
  metricValues: [{ metricName: LAG_METRIC, metricValue: Math.ceil(value), metricValueFloat: value }],
});

test("a group that has committed is as far behind as its oldest unread record", async () => {
  const { metric, isActive } = scaler(() => ({ "id-orders/0": 10, "id-orders/1": 4, "id-bills/0": 9 }));
  expect(await metric({ group: "billing" })).toEqual(seconds(40));
  expect(await isActive({ group: "billing" })).toEqual({ result: true });
  expect(await isActive({ group: "billing", activationLagSeconds: "41" })).toEqual({ result: false });
});

test("with a topic only that one counts, all of its partitions, and a partition without a commit from its first record", async () => {
  const { metric, asked } = scaler(() => ({ "id-orders/0": 10, "id-bills/0": 1 }));
  expect(await metric({ group: "billing", topic: "orders" })).toEqual(seconds(30));
  expect(asked).toEqual([
    [
      { topicId: "id-orders", topic: "orders", partition: 0, from: 10 },
      { topicId: "id-orders", topic: "orders", partition: 1, from: null },
    ],
  ]);
});

test("a group that does not exist yet has everything in its topic before it", async () => {
  const { metric, isActive } = scaler(() => null);
  expect(await metric({ group: "new", topic: "orders" })).toEqual(seconds(40));
  expect(await isActive({ group: "new", topic: "orders" })).toEqual({ result: true });
});

test.each<[string, Commits]>([
  ["does not exist", null],
  ["has a part in no topic", {}],
  ["has offsets of a deleted topic only", { "id-gone/0": 3 }],
])("a group that %s needs the name of its topic", async (_, commits) => {
  const { metric } = scaler(() => commits);
  await expect(metric({ group: "new" })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(/name it in the trigger's metadata: topic/),
  });
});

test("a topic that is not there is said to be unknown", async () => {
  await expect(scaler(() => null).metric({ group: "new", topic: "typo" })).rejects.toMatchObject({
    code: "UNKNOWN_TOPIC",
  });
});

test("the metric's specification is the target, as whole number and as fraction, and asks nobody", async () => {
  const { spec, asked } = scaler(() => null);
  const expected = { metricName: LAG_METRIC, targetSize: 7, targetSizeFloat: 7 };
  expect(await spec({ group: "billing", lagSeconds: "7" })).toEqual({ metricSpecs: [expected] });
  expect(asked).toEqual([]);
});

test("another metric, or no metadata, is refused", async () => {
  const { metric } = scaler(() => ({}));
  await expect(metric({ group: "billing" }, "s0-lag")).rejects.toThrow(/there is no metric "s0-lag"/);
  await expect(metric({})).rejects.toThrow(/group is missing/);
});

test("a stream tells at once, then each change and nothing else, until the caller goes", async () => {
  let commits: Commits = { "id-orders/0": 10 };
  const { stream, clock, controller } = scaler(() => commits);
  const told: boolean[] = [];
  const ended = stream({ group: "billing" }, (result) => told.push(result)).catch(() => "ended");
  const looks = (count: number): Promise<void> => clock.runUntil(clock.monotonicMs() + count * 5_000);
  await clock.runUntil(0);
  expect(told).toEqual([false]);
  await looks(2);
  expect(told).toEqual([false]);
  commits = { "id-orders/0": 9 };
  await looks(2);
  expect(told).toEqual([false, true]);
  controller.abort(new Error("gone"));
  expect(await ended).toBe("ended");
});
