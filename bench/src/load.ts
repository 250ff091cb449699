/** load.ts: the load programs: an SDK in a process of its own, one `send()` per record, random values, the SDK's defaults. */
import { randomBytes } from "node:crypto";
import { Varve } from "@varve/client";
import { answer, programInput } from "./processes.js";
import { quantile } from "./statistics.js";

/** What a load program is told. */
export type LoadInput = {
  readonly bootstrap: string;
  /** Of the authority that signs the brokers' certificates; null: plain text. */
  readonly caFile: string | null;
} & (
  | {
      readonly kind: "produce";
      readonly topic: string;
      readonly seconds: number;
      readonly valueBytes: number;
    }
  | { readonly kind: "read"; readonly topic: string }
  | {
      readonly kind: "latency";
      readonly topic: string;
      readonly seconds: number;
      readonly recordsPerSecond: number;
    }
);

export interface RateAnswer {
  readonly records: number;
  readonly bytes: number;
  readonly seconds: number;
}

export interface LatencyAnswer {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly records: number;
}

/** Sends that are awaited together; the SDK's own buffer bounds what is on the way. */
const WINDOW = 32_768;
/** Random values are made ahead, so that making them is not measured. */
const VALUES = 4_096;

function clientOf({ bootstrap, caFile }: LoadInput): Varve {
  return new Varve({ bootstrap: bootstrap.split(","), tls: caFile === null ? undefined : { caFile } });
}

async function produce(input: Extract<LoadInput, { kind: "produce" }>): Promise<RateAnswer> {
  const varve = clientOf(input);
  const producer = varve.producer();
  const values = Array.from({ length: VALUES }, () => randomBytes(input.valueBytes));
  const keys = Array.from({ length: VALUES }, (_, at) => String(at));
  let open = 0;
  let acknowledged = 0;
  let wake = (): void => {};
  let failure: unknown = null;
  const settled = (): void => {
    acknowledged++;
    if (--open < WINDOW / 2) wake();
  };
  const failed = (error: unknown): void => {
    failure ??= error;
    open--;
    wake();
  };
  const send = (at: number): void => {
    open++;
    producer.send({ topic: input.topic, key: keys[at % VALUES], value: values[at % VALUES] }).then(settled, failed);
  };
  await producer.send({ topic: input.topic, key: "first", value: "connects" });
  const startedMs = performance.now();
  const endMs = startedMs + input.seconds * 1_000;
  for (let at = 0; performance.now() < endMs && failure === null; at++) {
    send(at);
    if (open >= WINDOW) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    } else if (at % 512 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await producer.flush();
  const seconds = (performance.now() - startedMs) / 1_000;
  await varve.close();
  if (failure !== null) throw failure;
  return { records: acknowledged, bytes: acknowledged * input.valueBytes, seconds };
}

async function read(input: Extract<LoadInput, { kind: "read" }>): Promise<RateAnswer> {
  const varve = clientOf(input);
  const startedMs = performance.now();
  let records = 0;
  let bytes = 0;
  for await (const record of varve.reader({ topic: input.topic, from: "earliest", to: "end" })) {
    records++;
    bytes += record.value?.length ?? 0;
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  await varve.close();
  return { records, bytes, seconds };
}

async function latency(input: Extract<LoadInput, { kind: "latency" }>): Promise<LatencyAnswer> {
  const varve = clientOf(input);
  const producer = varve.producer({ lingerMs: 0 });
  const total = input.seconds * input.recordsPerSecond;
  const latencies: number[] = [];
  const end = new AbortController();
  const warmUp = Math.floor(total / 10);
  const reading = (async () => {
    let seen = 0;
    for await (const record of varve.reader({ topic: input.topic, from: "latest", signal: end.signal })) {
      const sentMs = record.value?.readDoubleLE(0) ?? 0;
      if (seen++ >= warmUp) latencies.push(performance.now() - sentMs);
      if (seen === total) return;
    }
  })();
  await new Promise((resolve) => setTimeout(resolve, 1_000)); // The reader subscribes; what it misses would end the wait late.
  const startedMs = performance.now();
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startedMs) / 1_000) * input.recordsPerSecond));
    for (; sent < due; sent++) {
      const value = randomBytes(1_024);
      value.writeDoubleLE(performance.now(), 0);
      producer.send({ topic: input.topic, key: String(sent), value }).catch(() => end.abort());
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await reading;
  await varve.close();
  return { p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99), records: latencies.length };
}

const input = programInput<LoadInput>();
if (input.kind === "produce") answer(await produce(input));
else if (input.kind === "read") answer(await read(input));
else answer(await latency(input));
