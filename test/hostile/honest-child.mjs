/**
 * honest-child.mjs: an honest client in a process of its own, so that its figures are the broker's and not those of the attacker's event loop.
 *
 * Arguments: the broker's address and process. Produces one batch after another to `good`. At each line on its input it prints, as JSON, what happened
 * since the last line that says to begin anew. How long a call took is told without the time that it waited for a processor, since whoever else uses the machine decides that:
 * the kernel counts it for each thread, and a call passes, one after the other, through three: this one, the broker's first, and the one that
 * writes its log, which is the one that is woken most often beside the first.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { encodeBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { METHODS } from "@varve/rpc";
import { createClient } from "@varve/rpc/node";

const PAUSE_MS = 2;
/** With waits for a processor, which are not counted; without them, who asks for the figures bounds what a call may take. */
const DEADLINE_MS = 120_000;
/** Until the thread of the log is known by how often it is woken. */
const CALLS_FIRST = 50;
const NANOS_PER_MS = 1e6;
const [address, brokerPid] = process.argv.slice(2);
const client = createClient(address);
const batch = encodeBatch({ records: [{ timestampMs: 1, value: Buffer.alloc(200, "v") }] }, nodeCodec);

/** What the kernel says of a thread: how long it ran and waited for a processor, ns, and how often it got one. */
function scheduleOf(pid, thread) {
  const [, waitedNanos, turns] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ").map(Number);
  return { waitedMs: waitedNanos / NANOS_PER_MS, turns };
}

function threadOfLog() {
  const others = readdirSync(`/proc/${brokerPid}/task`).filter((thread) => thread !== brokerPid);
  const turns = new Map(others.map((thread) => [thread, scheduleOf(brokerPid, thread).turns]));
  return others.sort((left, right) => turns.get(right) - turns.get(left))[0];
}

const produce = () =>
  client.unary(METHODS.produce, { topic: "good", partition: 0, batch }, { deadlineMs: DEADLINE_MS });
for (let calls = 0; calls < CALLS_FIRST; calls++) await produce();
const path = [
  [process.pid, process.pid],
  [brokerPid, brokerPid],
  [brokerPid, threadOfLog()],
];

/** How long the threads of a call's path have waited for a processor since they began. */
const waitedMs = () => path.reduce((sum, [pid, thread]) => sum + scheduleOf(pid, thread).waitedMs, 0);

let calls = [];
let failures = [];
createInterface({ input: process.stdin })
  .on("line", (line) => {
    const at = (ratio, figure) => {
      const sorted = calls.map((call) => call[figure]).sort((left, right) => left - right);
      return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * ratio))] ?? null;
    };
    const figures = {
      count: calls.length,
      p50Ms: at(0.5, "ownMs"),
      p99Ms: at(0.99, "ownMs"),
      mostMs: at(1, "ownMs"),
      wallP99Ms: at(0.99, "wallMs"),
    };
    console.log(JSON.stringify({ ...figures, failures }));
    if (line !== "begin anew") return;
    calls = [];
    failures = [];
  })
  .on("close", () => process.exit(0));

for (;;) {
  const waitedBeforeMs = waitedMs();
  const startMs = performance.now();
  try {
    await produce();
    const wallMs = performance.now() - startMs;
    calls.push({ wallMs, ownMs: Math.max(0, wallMs - (waitedMs() - waitedBeforeMs)) });
  } catch (error) {
    failures.push(`${error.code}: ${error.message}`);
  }
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
