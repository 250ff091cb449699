/**
 * ordered-workers.ts: shows many records in work at once while those of one key stay one after another, although each takes a different time.
 *
 *   node dist/ordered-workers.js [host:port] [topic]
 */
import { setTimeout as pause } from "node:timers/promises";
import { json, Varve } from "@varve/client";

const [bootstrap = "127.0.0.1:7650", topic = "example-ordered-workers"] = process.argv.slice(2);
const CUSTOMERS = 40;
const STEPS = 10;
const WORK_MS_MAX = 20;

interface Step {
  readonly run: number;
  readonly step: number;
}

const varve = new Varve({ bootstrap });
const run = Date.now();
try {
  await varve.admin.createTopic({ topic, partitions: 3, ifNotExists: true });
  const producer = varve.producer<Step>({ serde: json<Step>() });
  const records = Array.from({ length: CUSTOMERS * STEPS }, (_, index) => ({
    key: `customer-${index % CUSTOMERS}`,
    value: { run, step: Math.floor(index / CUSTOMERS) },
  }));
  await producer.sendBatch({ topic, records });

  const consumer = varve.consumer({ group: `${topic}-workers`, topics: [topic], serde: json<Step>() });
  const finished = new Map<string, number[]>();
  let inWork = 0;
  let inWorkMax = 0;
  let workMs = 0;
  let left = records.length;
  let begunAtMs = 0;
  const running = consumer.run({
    concurrency: 32,
    handler: async ({ key, value }) => {
      if (value?.run !== run) return; // Left over from a run that was interrupted.
      begunAtMs ||= performance.now();
      inWork += 1;
      inWorkMax = Math.max(inWorkMax, inWork);
      const takesMs = Math.random() * WORK_MS_MAX;
      await pause(takesMs);
      workMs += takesMs;
      inWork -= 1;
      finished.set(String(key), [...(finished.get(String(key)) ?? []), value.step]);
      left -= 1;
      // Not awaited: close() waits for the handlers, so for this one, too. run() ends when it is done.
      if (left === 0) consumer.close().catch((error: unknown) => console.error(error));
    },
  });
  await running;

  const tookMs = performance.now() - begunAtMs;
  console.log(`${records.length} records in ${tookMs.toFixed(0)} ms; one at a time, ${workMs.toFixed(0)} ms of work`);
  console.log(`up to ${inWorkMax} in work at once`);
  const inOrder = [...finished.values()].every((steps) => steps.every((step, index) => step === index));
  console.log(inOrder ? `all ${finished.size} keys in order` : "out of order");
  process.exitCode = inOrder ? 0 : 1;
} finally {
  await varve.close();
}
