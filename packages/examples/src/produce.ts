/**
 * produce.ts: sends orders to a topic, many at a time, and tells for a failure whether the order may be in the log.
 *
 *   node dist/produce.js [host:port] [topic]
 */
import { Varve, VarveError } from "@varve/client";

const [bootstrap = "127.0.0.1:7650", topic = "example-orders"] = process.argv.slice(2);
const ORDERS = 1_000;

const varve = new Varve({ bootstrap });
try {
  await varve.admin.createTopic({ topic, partitions: 6, ifNotExists: true });
  const producer = varve.producer(); // Idempotent, acknowledged by a majority of the replicas.

  let written = 0;
  const sends = Array.from({ length: ORDERS }, async (_, index) => {
    const order = { customer: `customer-${index % 20}`, amount: index };
    try {
      // No await in the loop: records of one partition share a batch. Those of one key stay in order all the same.
      await producer.send({
        topic,
        key: order.customer,
        value: JSON.stringify(order),
        headers: { type: "order", sequence: index },
      });
      written += 1;
    } catch (error) {
      if (!(error instanceof VarveError)) throw error;
      const fate = error.effect === "NOT_APPLIED" ? "is not in the log" : "may be in the log";
      console.error(`order ${index} ${fate}: ${error.code} ${error.message}`);
      process.exitCode = 1;
    }
  });
  await Promise.all(sends);
  console.log(`${written} orders written to ${topic}`);
} finally {
  await varve.close();
}
