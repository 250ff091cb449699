import { startCluster } from "@varve/testing";
import { expect, test } from "vitest";
import { evenKeys } from "./keys.js";

test("each partition of a real topic gets as many keys", async () => {
  const cluster = await startCluster({ brokers: 1 });
  const varve = cluster.varve();
  const counts = new Map<number, number>();
  await varve.admin.createTopic({ topic: "even", partitions: 6, replicas: 1 });
  const producer = varve.producer();
  for (const { partition } of await Promise.all(
    evenKeys(6).map((key) => producer.send({ topic: "even", key, value: "x" })),
  ))
    counts.set(partition, (counts.get(partition) ?? 0) + 1);
  expect([...counts].sort()).toEqual([0, 1, 2, 3, 4, 5].map((partition) => [partition, 11]));
  await cluster.close();
});

test("many partitions get two keys each, a single one all", () => {
  expect(evenKeys(100)).toHaveLength(200);
  expect(evenKeys(1)).toHaveLength(64);
  expect(new Set(evenKeys(6)).size).toBe(66);
});
