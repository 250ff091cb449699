/**
 * live-rewind.ts: shows a group that is sent back to the beginning while its members work: they replay, and nothing is restarted.
 *
 *   node dist/live-rewind.js [host:port] [topic]
 *
 * `npx varve group seek GROUP --topic TOPIC --to earliest` does the same from the command line.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Varve } from "@varve/client";

const [bootstrap = "127.0.0.1:7650", topic = "example-live-rewind"] = process.argv.slice(2);
const group = `${topic}-search-index`;
const RECORDS = 400;
const DEADLINE_MS = 30_000;

const varve = new Varve({ bootstrap });
/** What the members have worked on since the last rewind: `partition/offset`. */
const seen = new Set<string>();

function startMember(name: string) {
  const consumer = varve.consumer({ group, topics: [topic] });
  consumer.on("assigned", ({ partitions }) => {
    const moved = partitions.filter(({ seeked }) => seeked);
    if (moved.length > 0) console.log(`${name} goes on at ${moved.map((each) => each.startOffset).join(", ")}`);
  });
  const running = consumer.run({
    concurrency: 8,
    handler: async ({ partition, offset }) => {
      seen.add(`${partition}/${offset}`);
    },
  });
  return { consumer, running };
}

/** Waits until the members have worked on `count` records. */
async function untilSeen(count: number, running: readonly Promise<void>[]): Promise<void> {
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  while (seen.size < count) {
    // A member that failed rejects here, a deadline that passed throws.
    await Promise.race([pause(20, undefined, { signal: deadline }), ...running]);
  }
}

try {
  await varve.admin.createTopic({ topic, partitions: 4, ifNotExists: true });
  const before = await varve.admin.listOffsets({ topic, at: "latest" });
  const producer = varve.producer();
  const records = Array.from({ length: RECORDS }, (_, index) => ({
    key: `page-${index % 40}`,
    value: `text ${index}`,
  }));
  await producer.sendBatch({ topic, records });
  const total = before.reduce((sum, { offset }) => sum + offset, RECORDS);

  const members = [startMember("member 1"), startMember("member 2")];
  const running = members.map((member) => member.running);
  await untilSeen(RECORDS, running);
  console.log(`worked on ${seen.size} records`);

  seen.clear();
  const startedMs = performance.now();
  await varve.admin.seekGroup({ group, topic, to: "earliest" }); // Also "latest", { timeMs }, { offset } and { partition }.
  await untilSeen(total, running);
  console.log(`worked on all ${seen.size} again, ${(performance.now() - startedMs).toFixed(0)} ms after the seek`);

  for (const { consumer } of members) await consumer.close();
  await Promise.all(running);
} finally {
  await varve.close();
}
