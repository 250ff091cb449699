/**
 * with-cluster.test.ts: shows how to test your own program against real brokers, and against their death. Brokers run in the test's process;
 * vitest runs this file, and it needs nothing but `@varve/testing`.
 */
import { json, type Varve } from "@varve/client";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterEach, beforeEach, expect, test } from "vitest";

interface Order {
  readonly customer: string;
  readonly cents: number;
}

/** The program under test: adds orders up until it has seen `count` of them. */
async function totals(varve: Varve, count: number, signal: AbortSignal): Promise<Map<string, number>> {
  const sums = new Map<string, number>();
  const seen = new Set<string>();
  const consumer = varve.consumer({ group: "totals", topics: ["orders"], serde: json<Order>(), signal });
  for await (const { partition, offset, value } of consumer) {
    if (value !== null && !seen.has(`${partition}/${offset}`)) {
      sums.set(value.customer, (sums.get(value.customer) ?? 0) + value.cents);
    }
    seen.add(`${partition}/${offset}`); // After a failure a record may come again.
    if (seen.size === count) break;
  }
  return sums;
}

let cluster: TestCluster;
beforeEach(async () => {
  cluster = await startCluster({ brokers: 3 });
});
afterEach(() => cluster.close());

test("every order counts once, although a broker dies half-way", async ({ signal }) => {
  const varve = cluster.varve();
  await varve.admin.createTopic({ topic: "orders", partitions: 3, replicas: 3 });
  const producer = varve.producer<Order>({ serde: json<Order>() });
  const send = (index: number) => {
    const customer = `customer-${index % 4}`;
    return producer.send({ topic: "orders", key: customer, value: { customer, cents: 10 } });
  };

  const counting = totals(varve, 200, signal);
  await Promise.all(Array.from({ length: 100 }, (_, index) => send(index)));
  const { partitions } = await varve.admin.describeTopic("orders");
  await cluster.kill(partitions[0]?.leader ?? 1); // As a power cut: what was not synced is gone.
  await Promise.all(Array.from({ length: 100 }, (_, index) => send(index)));

  const expected = [0, 1, 2, 3].map((customer): [string, number] => [`customer-${customer}`, 500]);
  expect(await counting).toEqual(new Map(expected));
});
