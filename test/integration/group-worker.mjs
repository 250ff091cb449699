/**
 * group-worker.mjs: a member of a group as a process of its own, for the tests that kill it. It says each thing that happens as one line of
 * JSON on its standard output, at once; the end of its standard input closes it in order.
 *
 * A record's value is its work: `wait MS` lets time pass, `block MS` keeps the event loop (only if the plan says `blocks`), any other takes
 * a random time between the plan's `workMs`.
 */
import { writeSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Prng } from "@varve/base/testing";
import { Varve, VarveError } from "@varve/client";

const { bootstrap, consumer: settings, concurrency, workMs, blocks, seed } = JSON.parse(process.argv[2] ?? "{}");
const [workMsMin, workMsMax] = workMs;
const prng = new Prng(seed);

/** The machine's monotonic clock, the same in every process. */
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

/** Written before anything else happens, so that a killed worker has said all that it did. */
function say(type, what) {
  writeSync(1, `${JSON.stringify({ type, atMs: nowMs(), ...what })}\n`);
}

const numbersOf = (partitions) => partitions.map(({ partition }) => partition);
const speaker = (level) => (fields, message) => say("log", { level, message, records: fields.records ?? [] });
const logger = { debug: () => {}, info: speaker("info"), warn: speaker("warn"), error: speaker("error") };

async function work(value) {
  const [kind, ms = "0"] = value.split(" ");
  if (kind === "wait") return pause(Number(ms));
  if (kind !== "block") return pause(prng.between(workMsMin, workMsMax));
  if (!blocks) return;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms)); // As a long computation does, but other processes get the core.
}

const varve = new Varve({ bootstrap, logger });
const consumer = varve.consumer(settings);
consumer.on("assigned", ({ partitions }) =>
  say("assigned", {
    partitions: partitions.map(({ partition, epoch, startOffset }) => ({ partition, epoch, startOffset })),
  }),
);
consumer.on("revoked", ({ partitions }) => say("revoked", { partitions: numbersOf(partitions) }));
consumer.on("lost", ({ partitions, error }) => say("lost", { partitions: numbersOf(partitions), code: error.code }));
consumer.on("stalled", ({ reason, partition }) => say("stalled", { reason, partition }));
consumer.on("error", (error) => say("error", { message: String(error), code: codeOf(error) }));

function codeOf(error) {
  return error instanceof VarveError ? error.code : null;
}

process.stdin.resume();
process.stdin.once("close", () => {
  consumer.close().catch((error) => say("error", { message: String(error), code: codeOf(error) }));
});

say("begun", { pid: process.pid });
try {
  await consumer.run({
    concurrency,
    handler: async ({ partition, offset, key, value }) => {
      const record = { partition, offset, key: String(key) };
      say("started", record);
      await work(String(value));
      say("done", record);
    },
  });
  say("over", { code: null, message: "closed" });
} catch (error) {
  say("over", { code: codeOf(error), message: String(error) });
}
await varve.close();
process.stdin.destroy();
