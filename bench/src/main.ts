/**
 * main.ts: `npm run bench`: every figure beside the machine's own ceiling, measured in the same run; method in ../README.md.
 */
import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { Varve } from "@varve/client";
import { LocalBrokers } from "varve";
import { type Ceilings, diskCeiling, grpcCeilings, tcpCeilingMBs } from "./ceiling.js";
import { failoverGaps } from "./failover.js";
import type { LatencyAnswer, LoadInput, RateAnswer } from "./load.js";
import { runProgram, sumOf } from "./processes.js";
import { limitRow, type Row, rateRow, tableOf } from "./row.js";
import type { StartAnswer, StartInput } from "./start-cluster.js";
import { median, quantile } from "./statistics.js";

const { values: flags } = parseArgs({
  options: {
    json: { type: "string" },
    only: { type: "string" },
    runs: { type: "string", default: "5" },
    seconds: { type: "string", default: "4" },
  },
});
const runs = Number(flags.runs);
const seconds = Number(flags.seconds);
const wanted = flags.only?.split(",") ?? null;
const MB = 1e6;
const MIB = 1024 * 1024;
const VALUE_BYTES = 1_024;
const KILLS = 10;

const isWanted = (...names: string[]): boolean => wanted === null || names.some((name) => wanted.includes(name));
const say = (text: string): void => void process.stderr.write(`${text}\n`);
const load = <Answer>(input: LoadInput): Promise<Answer> => runProgram<Answer>("./load.js", input);

/** Runs `work` against fresh brokers; their time to be ready comes with them. */
async function withBrokers<T>(
  count: number,
  work: (brokers: LocalBrokers, readyMs: number) => Promise<T>,
  tls = false,
): Promise<T> {
  const startedMs = performance.now();
  const brokers = await LocalBrokers.start(count, { tls });
  const readyMs = performance.now() - startedMs;
  try {
    return await work(brokers, readyMs);
  } finally {
    await brokers.stop({ keepFiles: false });
  }
}

/** What a load program needs to reach them. */
const clientSide = ({ bootstrap, caFile }: LocalBrokers): Pick<LoadInput, "bootstrap" | "caFile"> => ({
  bootstrap,
  caFile,
});

async function createTopic({ bootstrap, caFile }: LocalBrokers, topic: string, replicas: number): Promise<void> {
  const varve = new Varve({ bootstrap: bootstrap.split(","), tls: caFile === null ? undefined : { caFile } });
  await varve.admin.createTopic({ topic, partitions: 6, replicas });
  await varve.close();
}

interface ProducePlan {
  readonly name: string;
  readonly brokers: number;
  /** Least ratio to the ceiling, which is plain text. */
  readonly floor: number;
  readonly tls?: boolean;
}

async function produceRow({ name, brokers: count, floor, tls }: ProducePlan, ceilings: Ceilings): Promise<Row[]> {
  const measure = async (brokers: LocalBrokers): Promise<Row[]> => {
    const rates: number[] = [];
    const cpuPerGb: number[] = [];
    const syncs: number[] = [];
    for (let run = 0; run < runs; run++) {
      const topic = `${name}_${run}`;
      await createTopic(brokers, topic, count);
      const before = {
        cpu: await sumOf(brokers.places(), "process_cpu_seconds_total"),
        syncs: await sumOf(brokers.places(), "varve_wal_fdatasyncs_total"),
      };
      const { bytes, seconds: took } = await load<RateAnswer>({
        kind: "produce",
        ...clientSide(brokers),
        topic,
        seconds,
        valueBytes: VALUE_BYTES,
      });
      const cpu = (await sumOf(brokers.places(), "process_cpu_seconds_total")) - before.cpu;
      syncs.push((await sumOf(brokers.places(), "varve_wal_fdatasyncs_total")) - before.syncs);
      rates.push(bytes / MB / took);
      cpuPerGb.push(cpu / (bytes / 1e9));
      say(`${name} ${run + 1}/${runs}: ${(bytes / MB / took).toFixed(1)} MB/s, ${syncs[run]} fdatasync calls`);
    }
    const note = `${median(cpuPerGb).toFixed(1)} broker CPU-s/GB, ${median(syncs).toFixed(0)} fdatasync calls per run`;
    const rows = [rateRow(name, rates, "MB/s", ceilings.upMBs, floor, note)];
    if (name === "produce_rf3") {
      const rss = (await sumOf(brokers.places(), "process_resident_memory_bytes")) / MIB;
      rows.push(limitRow("rss_load", rss, [rss], "MiB", null, "three brokers together, after produce_rf3"));
    }
    if (name === "produce_1_broker" && isWanted("catch_up_read")) {
      const reads: number[] = [];
      for (let run = 0; run < runs; run++) {
        const { bytes, seconds: took } = await load<RateAnswer>({
          kind: "read",
          ...clientSide(brokers),
          topic: `${name}_${run}`,
        });
        reads.push(bytes / MB / took);
        say(`catch_up_read ${run + 1}/${runs}: ${(bytes / MB / took).toFixed(1)} MB/s`);
      }
      rows.push(rateRow("catch_up_read", reads, "MB/s", ceilings.downMBs, 0.35, "the SDK's reader, records decoded"));
    }
    return rows;
  };
  return withBrokers(count, measure, tls);
}

async function smallRows(): Promise<Row[]> {
  const ready: number[] = [];
  const idle: number[] = [];
  for (let run = 0; run < runs; run++) {
    await withBrokers(3, async (brokers, readyMs) => {
      ready.push(readyMs / 1_000);
      idle.push((await sumOf(brokers.places(), "process_resident_memory_bytes")) / MIB);
    });
  }
  return [
    limitRow("ready_empty", median(ready), ready, "s", 3, "three brokers, empty folders, spawn to /readyz of all"),
    limitRow("rss_idle", median(idle), idle, "MiB", null, "three brokers together"),
  ];
}

/** Three brokers in one process, as tests start them. */
async function startClusterRow(): Promise<Row> {
  const total: number[] = [];
  const load: number[] = [];
  for (let run = 0; run < runs; run++) {
    const input: StartInput = { brokers: 3 };
    const { loadMs, startMs } = await runProgram<StartAnswer>("./start-cluster.js", input);
    total.push((loadMs + startMs) / 1_000);
    load.push(loadMs / 1_000);
    say(`start_cluster_3 ${run + 1}/${runs}: load ${loadMs.toFixed(0)} ms, start ${startMs.toFixed(0)} ms`);
  }
  const note = `startCluster() in a fresh process; of it ${median(load).toFixed(2)} s to load @varve/testing`;
  return limitRow("start_cluster_3", median(total), total, "s", 2, note);
}

async function latencyRows(): Promise<Row[]> {
  return withBrokers(3, async (brokers) => {
    const p50: number[] = [];
    const p99: number[] = [];
    for (let run = 0; run < runs; run++) {
      const topic = `latency_${run}`;
      await createTopic(brokers, topic, 3);
      const found = await load<LatencyAnswer>({
        kind: "latency",
        ...clientSide(brokers),
        topic,
        seconds,
        recordsPerSecond: 1_000,
      });
      p50.push(found.p50Ms);
      p99.push(found.p99Ms);
      say(`e2e ${run + 1}/${runs}: p50 ${found.p50Ms.toFixed(2)} ms, p99 ${found.p99Ms.toFixed(2)} ms`);
    }
    const note = "1,000 records/s of 1 KiB, send() to reader, three replicas fsynced, lingerMs 0";
    return [
      limitRow("e2e_p50", median(p50), p50, "ms", null, note),
      limitRow("e2e_p99", median(p99), p99, "ms", null, note),
    ];
  });
}

async function failoverRows(): Promise<Row[]> {
  return withBrokers(3, async (brokers) => {
    const gaps = (await failoverGaps(brokers, KILLS)).map((gapMs) => gapMs / 1_000);
    say(`failover gaps, s: ${gaps.map((gap) => gap.toFixed(2)).join(" ")}`);
    const note = `kill -9 of a leader, ${KILLS} times; until every partition it led takes records again`;
    return [
      limitRow("failover_p50", quantile(gaps, 0.5), gaps, "s", 1.5, note),
      limitRow("failover_max", Math.max(...gaps), gaps, "s", 5, note),
    ];
  });
}

const rows: Row[] = [];
say(
  `${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}, ${runs} runs of ${seconds} s`,
);
const disk = diskCeiling(2);
say(
  `append + fdatasync: 4 KiB p50 ${disk.p50Ms.toFixed(2)} ms, p99 ${disk.p99Ms.toFixed(2)} ms; ${disk.bestMBs.toFixed(0)} MB/s (${disk.bestBytes / 1024} KiB each)`,
);
say(`raw TCP: ${(await tcpCeilingMBs(1)).toFixed(0)} MB/s`);
if (isWanted("produce_1_broker", "produce_rf3", "produce_rf3_tls", "catch_up_read", "rss_load")) {
  const ceilings = await grpcCeilings(3, 1);
  say(
    `raw grpc-js: ${ceilings.upMBs.toFixed(0)} MB/s up (${ceilings.upBytes / 1024} KiB messages), ${ceilings.downMBs.toFixed(0)} MB/s down (${ceilings.downBytes / 1024} KiB)`,
  );
  if (isWanted("produce_1_broker", "catch_up_read"))
    rows.push(...(await produceRow({ name: "produce_1_broker", brokers: 1, floor: 0.3 }, ceilings)));
  if (isWanted("produce_rf3", "rss_load"))
    rows.push(...(await produceRow({ name: "produce_rf3", brokers: 3, floor: 0.12 }, ceilings)));
  if (isWanted("produce_rf3_tls"))
    rows.push(...(await produceRow({ name: "produce_rf3_tls", brokers: 3, floor: 0.08, tls: true }, ceilings)));
}
if (isWanted("e2e_p50", "e2e_p99")) rows.push(...(await latencyRows()));
if (isWanted("failover_p50", "failover_max")) rows.push(...(await failoverRows()));
if (isWanted("ready_empty", "rss_idle")) rows.push(...(await smallRows()));
if (isWanted("start_cluster_3")) rows.push(await startClusterRow());
process.stdout.write(`${tableOf(rows)}\n`);
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(rows, null, 2)}\n`);
