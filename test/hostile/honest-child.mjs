/**
 * honest-child.mjs: an honest client in a process of its own, so that its figures are the broker's and not those of the attacker's event loop.
 *
 * Produces one batch after another to `good`. At each line on its input it prints what happened since the last one, as JSON.
 */
import { createInterface } from "node:readline";
import { encodeBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { METHODS } from "@varve/rpc";
import { createClient } from "@varve/rpc/node";

const PAUSE_MS = 2;
const client = createClient(process.argv[2]);
const batch = encodeBatch({ records: [{ timestampMs: 1, value: Buffer.alloc(200, "v") }] }, nodeCodec);

let latencies = [];
let failures = [];
createInterface({ input: process.stdin })
  .on("line", () => {
    const sorted = latencies.sort((left, right) => left - right);
    const at = (ratio) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * ratio))] ?? null;
    console.log(JSON.stringify({ count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), failures }));
    latencies = [];
    failures = [];
  })
  .on("close", () => process.exit(0));

for (;;) {
  const startMs = performance.now();
  try {
    await client.unary(METHODS.produce, { topic: "good", partition: 0, batch }, { deadlineMs: 10_000 });
    latencies.push(performance.now() - startMs);
  } catch (error) {
    failures.push(`${error.code}: ${error.message}`);
  }
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
