/**
 * key-order.ts: shows which order holds: records of one key come in the order in which they were sent, because they share a partition;
 * between keys there is none.
 *
 *   node dist/key-order.js [host:port] [topic]
 */
import { Varve } from "@varve/client";

const [bootstrap = "127.0.0.1:7650", topic = "example-key-order"] = process.argv.slice(2);
const CUSTOMERS = ["ada", "bert", "cleo", "dora"];
const STEPS = ["ordered", "paid", "packed", "sent", "delivered"];

const varve = new Varve({ bootstrap });
try {
  await varve.admin.createTopic({ topic, partitions: 3, ifNotExists: true });
  // The end of each partition before this run, so that a second run reads its own records only.
  const starts = await varve.admin.listOffsets({ topic, at: "latest" });

  const producer = varve.producer();
  const records = STEPS.flatMap((step) => CUSTOMERS.map((customer) => ({ key: customer, value: step })));
  await producer.sendBatch({ topic, records });

  const seen = new Map<string, string[]>();
  for (const { partition, offset } of starts) {
    for await (const record of varve.reader({ topic, partitions: [partition], from: { offset }, to: "end" })) {
      const customer = String(record.key);
      seen.set(customer, [...(seen.get(customer) ?? []), String(record.value)]);
    }
  }
  for (const [customer, steps] of seen) console.log(`${customer}: ${steps.join(" -> ")}`);
  const inOrder = CUSTOMERS.every((customer) => seen.get(customer)?.join() === STEPS.join());
  console.log(inOrder ? "every key in order" : "out of order");
  process.exitCode = inOrder ? 0 : 1;
} finally {
  await varve.close();
}
