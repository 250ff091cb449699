/** dispatcher.test.ts: how much handlers get done between two turns of the real event loop. */
import { readFile } from "node:fs";
import { fileURLToPath } from "node:url";
import { decodeRecords, encodeBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { StartFrom } from "@varve/rpc";
import { expect, test } from "vitest";
import { clientClock } from "../node/clock.js";
import { Dispatcher } from "./dispatcher.js";
import { PartitionWork } from "./partition-work.js";

const RECORDS = 6;
/** Longer than a turn of the dispatcher. */
const BLOCK_MS = 30;

function partition(): PartitionWork {
  const topicId = "00000000-0000-4000-8000-000000000001";
  const startFrom = StartFrom.EARLIEST;
  return new PartitionWork({ topicId, topic: "t", partition: 0, assignmentEpoch: 1, startOffset: 0, startFrom }, false);
}

function block(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

test("timers that are due fire between any two handlers that block, also when records came in with the sockets", async () => {
  const record = { timestampMs: 1, value: Buffer.from("x") };
  const records = decodeRecords(
    encodeBatch({ records: Array.from({ length: RECORDS }, () => record) }, nodeCodec),
    nodeCodec,
  );
  const happened: string[] = [];
  const dispatcher = new Dispatcher<Buffer>({
    clock: clientClock,
    fetcher: { take: () => (records.advance() ? records : null) },
    serde: null,
    concurrency: RECORDS,
    bufferBytesMax: 1e6,
    isWanted: () => true,
    start: (job) => {
      happened.push("handler");
      setTimeout(() => happened.push("timer"), 1);
      block(BLOCK_MS);
      dispatcher.finish(job);
    },
    unreadable: (_work, error) => expect.fail(String(error)),
  });
  readFile(fileURLToPath(import.meta.url), () => dispatcher.add(partition()));
  await expect.poll(() => happened.length).toBe(2 * RECORDS);
  expect(happened).toEqual(Array.from({ length: RECORDS }, () => ["handler", "timer"]).flat());
});
