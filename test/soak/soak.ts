/** soak.ts: one run: three broker processes, a steady load, faults, and in the end the proof that the producer told the truth. */
import { setTimeout as pause } from "node:timers/promises";
import { Varve } from "@varve/client";
import { LocalBrokers } from "varve";
import { breakUntil, healthy } from "./faults.js";
import { type Counts, Ledger, type Verdict } from "./ledger.js";
import { Load, recordOf } from "./load.js";
import { type MemorySample, sampleMemory } from "./memory.js";
import type { SoakSettings } from "./settings.js";

const BROKERS = 3;
const PARTITIONS = 6;
const TOPIC = "soak";
const LINE_EVERY_MS = 10_000;
const SAMPLE_EVERY_MS = 500;
/** All brokers are down for so many delivery timeouts. */
const OUTAGE_RATIO = 1.5;

export interface SoakResult {
  readonly verdict: Verdict;
  /** After everything was given time to settle. */
  readonly counts: Counts;
  readonly samples: readonly MemorySample[];
  readonly nonsense: unknown;
  readonly failures: Load["failures"];
}

/** Runs for `settings.minutes` and leaves no process behind. @throws when the cluster does not come back after a fault. */
export async function soak(settings: SoakSettings, say: (text: string) => void): Promise<SoakResult> {
  const brokers = await LocalBrokers.start(BROKERS);
  const varve = new Varve({ bootstrap: brokers.bootstrap.split(",") });
  try {
    await varve.admin.createTopic({ topic: TOPIC, partitions: PARTITIONS, replicas: BROKERS });
    await healthy(varve);
    return await run(settings, brokers, varve, say);
  } finally {
    const closed = varve.close();
    await brokers.stop({ keepFiles: false });
    await closed;
  }
}

async function run(
  settings: SoakSettings,
  brokers: LocalBrokers,
  varve: Varve,
  say: (text: string) => void,
): Promise<SoakResult> {
  const { sendsPerSecond, valueBytes, deliveryTimeoutMs, bufferBytesMax, seed } = settings;
  const durationMs = settings.minutes * 60_000;
  const ledger = new Ledger(Math.ceil((durationMs / 1_000) * sendsPerSecond));
  const producer = varve.producer({ deliveryTimeoutMs, bufferBytesMax });
  const startedMs = performance.now();
  const samples: MemorySample[] = [];
  const tick = (text: string): void => say(`${seconds(performance.now() - startedMs)} ${text}`);
  const load = new Load({ producer, topic: TOPIC, ledger, sendsPerSecond, valueBytes });
  const sampler = setInterval(() => samples.push(sampleMemory(performance.now() - startedMs)), SAMPLE_EVERY_MS);
  const lines = setInterval(() => tick(line(ledger)), LINE_EVERY_MS);
  const over = new AbortController();
  const outageMs = deliveryTimeoutMs * OUTAGE_RATIO;
  const faults = breakUntil(over.signal, { brokers, varve, seed, outageMs, say: tick });
  try {
    await Promise.race([pause(durationMs), faults]);
  } finally {
    over.abort();
    load.stop();
    clearInterval(sampler);
    clearInterval(lines);
  }
  await faults;
  await producer.flush();
  tick(line(ledger));
  await healthy(varve);
  const { counts } = ledger;
  const verdict = await readAll(varve, ledger);
  return { verdict, counts, samples, nonsense: load.nonsense, failures: load.failures };
}

async function readAll(varve: Varve, ledger: Ledger): Promise<Verdict> {
  for await (const { value, partition, offset } of varve.reader({ topic: TOPIC, to: "end" })) {
    ledger.read(recordOf(value), partition, offset);
  }
  return ledger.verdict();
}

function line(ledger: Ledger): string {
  const { sent, acknowledged, notApplied, unknown, open } = ledger.counts;
  const { rssMib, heapMib } = sampleMemory(0);
  const failed = `failed ${notApplied} NOT_APPLIED ${unknown} UNKNOWN`;
  return `sent ${sent} acknowledged ${acknowledged} ${failed} open ${open} RSS ${rssMib.toFixed(0)} MiB (heap ${heapMib.toFixed(0)})`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(0).padStart(4)} s`;
}
