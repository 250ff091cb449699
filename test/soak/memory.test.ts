/** memory.test.ts: steady memory, whose tides come and go, is told from memory that keeps growing. */
import { expect, test } from "vitest";
import { growthOf, type MemorySample } from "./memory.js";

const MINUTES = 10;
const SAMPLES = MINUTES * 120;

/** Tides of 100 MiB a minute, over `rssMib(minute)`; the heap is collected every 20 s. */
function run(rssMib: (minute: number) => number, heapMib: (minute: number) => number): MemorySample[] {
  return Array.from({ length: SAMPLES }, (_, at) => {
    const minute = at / 120;
    const tide = 50 + 50 * Math.sin(minute * 2 * Math.PI);
    return { atMs: at * 500, rssMib: rssMib(minute) + tide, heapMib: heapMib(minute) + (at % 40) };
  });
}

test.each([
  { why: "tides only", rss: () => 200, heap: () => 30, grows: false },
  { why: "growth until the third minute", rss: (m: number) => 100 + 60 * Math.min(m, 3), heap: () => 30, grows: false },
  { why: "a resident set that grows 40 MiB a minute", rss: (m: number) => 200 + 40 * m, heap: () => 30, grows: true },
  { why: "a heap that leaks 15 bytes a send", rss: () => 400, heap: (m: number) => 30 + 4.3 * m, grows: true },
])("$why: keeps growing: $grows", ({ rss, heap, grows }) => {
  expect(growthOf(run(rss, heap)).keepsGrowing).toBe(grows);
});
