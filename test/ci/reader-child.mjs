/**
 * reader-child.mjs: reads a topic from its first record to its end, in a process of its own, and says how that went as one line of JSON; the
 * resident set is the largest of this program's life. (`maxRSS` of getrusage would not do: the child of a large process begins with the peak of its
 * parent.)
 */
import { readFileSync } from "node:fs";
import { Varve } from "@varve/client";

const { bootstrap, topic, options } = JSON.parse(process.argv[2] ?? "{}");
const varve = new Varve({ bootstrap });
const reader = varve.reader({ ...options, topic, to: "end" });
const startedMs = performance.now();
let records = 0;
let bytes = 0;
for await (const { key, value } of reader) {
  records++;
  bytes += (key?.length ?? 0) + (value?.length ?? 0);
}
const seconds = (performance.now() - startedMs) / 1_000;
const { progress } = reader;
await varve.close();
const [, peakKib] = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
const rssMib = Number(peakKib) / 1_024;
console.log(JSON.stringify({ records, bytes, seconds, rssMib, progress }));
