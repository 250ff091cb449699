/**
 * replay-by-time.ts: reads again what was appended since a moment, at a bounded speed, and shows how far it is.
 *
 *   node dist/replay-by-time.js [host:port] [topic] [ISO time, default: one hour ago]
 */
import { json, Varve } from "@varve/client";

const HOUR_MS = 3_600_000;
const [bootstrap = "127.0.0.1:7650", topic = "example-orders", since] = process.argv.slice(2);
const timeMs = since === undefined ? Date.now() - HOUR_MS : Date.parse(since);

interface Order {
  readonly customer: string;
  readonly amount: number;
}

const varve = new Varve({ bootstrap });
try {
  // From the first record that a broker appended at or after `timeMs`, to what is there now. The limit spares the cluster.
  const reader = varve.reader({
    topic,
    from: { timeMs },
    to: "end",
    maxRecordsPerSecond: 50_000,
    serde: json<Order>(),
  });
  let sum = 0;
  for await (const { value } of reader) sum += value?.amount ?? 0;
  const { read, total } = reader.progress;
  console.log(`${read} of ${total} orders since ${new Date(timeMs).toISOString()}, together ${sum}`);
} finally {
  await varve.close();
}
