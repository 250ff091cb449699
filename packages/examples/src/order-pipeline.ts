/**
 * order-pipeline.ts: shows the way of an order: a producer sends it, one of a group's two members bills it, and an audit reads the whole log
 * again without disturbing the group.
 *
 *   node dist/order-pipeline.js [host:port] [topic]
 */
import { json, Varve } from "@varve/client";

const [bootstrap = "127.0.0.1:7650", topic = "example-pipeline"] = process.argv.slice(2);
const group = `${topic}-billing`;
const ORDERS = 600;

interface Order {
  readonly id: string;
  readonly customer: string;
  readonly cents: number;
}

const varve = new Varve({ bootstrap });
const run = Date.now();
const orders: Order[] = Array.from({ length: ORDERS }, (_, index) => ({
  id: `${run}-${index}`,
  customer: `customer-${index % 50}`,
  cents: 100 + index,
}));

/** Orders of this run that nobody has billed. A set, because after a crash a record may come a second time. */
const open = new Set(orders.map(({ id }) => id));
let allBilled = () => {};
const finished = new Promise<void>((resolve) => {
  allBilled = resolve;
});

/** A member of the group. In production each is a process, or a pod, of its own. */
function startBiller() {
  const consumer = varve.consumer({ group, topics: [topic], serde: json<Order>() });
  const biller = { consumer, billed: 0, running: Promise.resolve() };
  biller.running = consumer.run({
    concurrency: 8,
    handler: async ({ value }) => {
      if (value === null || !open.delete(value.id)) return;
      biller.billed += 1;
      if (open.size === 0) allBilled();
    },
  });
  return biller;
}

try {
  await varve.admin.createTopic({ topic, partitions: 6, ifNotExists: true });
  const billers = [startBiller(), startBiller()];

  const producer = varve.producer<Order>({ serde: json<Order>() });
  // The key keeps a customer's orders in one partition, so in order.
  await producer.sendBatch({ topic, records: orders.map((order) => ({ key: order.customer, value: order })) });
  console.log(`sent ${orders.length} orders`);

  // A member that cannot go on rejects; both end when everything is billed.
  await Promise.race([finished, ...billers.map(({ running }) => running)]);
  for (const { consumer } of billers) await consumer.close(); // Commits what is finished, and leaves.
  await Promise.all(billers.map(({ running }) => running));
  console.log(`billed ${orders.length - open.size} orders, ${billers.map(({ billed }) => billed).join(" + ")}`);

  const { offsets } = await varve.admin.describeGroup(group);
  console.log(`the group lags by ${offsets.reduce((sum, { lagRecords }) => sum + (lagRecords ?? 0), 0)} records`);

  // A reader has no group: it neither moves the billing's place nor waits for it.
  const ids = new Set(orders.map(({ id }) => id));
  let cents = 0;
  for await (const { value } of varve.reader({ topic, from: "earliest", to: "end", serde: json<Order>() })) {
    if (value !== null && ids.has(value.id)) cents += value.cents;
  }
  const expected = orders.reduce((sum, order) => sum + order.cents, 0);
  console.log(`the log says ${cents} cents, expected ${expected}`);
  process.exitCode = cents === expected ? 0 : 1;
} finally {
  await varve.close();
}
