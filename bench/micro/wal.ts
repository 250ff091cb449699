/**
 * wal.ts: one write-ahead log for all partitions against one file per partition.
 *
 * `node bench/dist/micro/wal.js [--seconds 3] [--runs 3] [--dir FOLDER]`; each cell is the median of the runs.
 * Each partition has one batch of 4 KiB in flight and sends the next when the last one is durable. Both sides run in a process of
 * their own with a thread pool of 16. The log's side is the shipped storage: frames, flushes, draining to segments, checkpoints. The
 * other side only writes the batch and calls fdatasync on that partition's file: the least that such a design must do.
 */
import { execFile } from "node:child_process";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { silentLogger } from "@varve/base";
import { nodeClock, nodeRandom } from "@varve/base/node";
import { nativeCodec } from "@varve/broker/node";
import { encodeBatch, stampBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { encodeFrame, type Frame, FrameKind, type GroupLog, openStorage } from "@varve/storage";
import { nodeDisk, nodeWalThread } from "@varve/storage/node";

const PARTITIONS = [1, 6, 64, 1_000] as const;
const BATCH_BYTES = 4_096;
const WARM_UP_MS = 500;
const MIB = 2 ** 20;

type Side = "wal" | "files";

interface Result {
  readonly batchesPerSecond: number;
  readonly flushesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor seconds per second, all threads. */
  readonly cpu: number;
}

/** Collects acknowledgements after the warm-up. */
class Meter {
  private readonly latenciesMs: number[] = [];
  private readonly fromMs: number;
  readonly untilMs: number;
  private cpu = process.cpuUsage();
  private flushesBefore = 0;
  private isStarted = false;
  private readonly flushes: () => number;

  constructor(seconds: number, flushes: () => number) {
    this.fromMs = performance.now() + WARM_UP_MS;
    this.untilMs = this.fromMs + seconds * 1_000;
    this.flushes = flushes;
  }

  /** One batch, sent at `sentMs`, is durable. */
  acknowledged(sentMs: number): void {
    const nowMs = performance.now();
    if (nowMs < this.fromMs) return;
    if (!this.isStarted) {
      this.isStarted = true;
      this.cpu = process.cpuUsage();
      this.flushesBefore = this.flushes();
    }
    this.latenciesMs.push(nowMs - sentMs);
  }

  result(): Result {
    const seconds = (performance.now() - this.fromMs) / 1_000;
    const used = process.cpuUsage(this.cpu);
    const sorted = Float64Array.from(this.latenciesMs).sort();
    const at = (ratio: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(ratio * sorted.length))] ?? Number.NaN;
    return {
      batchesPerSecond: sorted.length / seconds,
      flushesPerSecond: (this.flushes() - this.flushesBefore) / seconds,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      cpu: (used.user + used.system) / 1e6 / seconds,
    };
  }
}

function batch(): Uint8Array {
  return encodeBatch({ records: [{ timestampMs: 1, value: nodeRandom.bytes(BATCH_BYTES - 80) }] }, nodeCodec);
}

async function measureWal(dir: string, partitions: number, seconds: number): Promise<Result> {
  const storage = await openStorage(dir, nodeDisk, nodeWalThread(), nativeCodec, {
    clock: nodeClock,
    random: nodeRandom,
    logger: silentLogger,
    onFatal: (error) => {
      throw error;
    },
    walFileBytes: 64 * MIB,
    tailCacheBytesMax: 64 * MIB,
    undrainedBytesMax: 64 * MIB,
    diskReserveBytes: 0,
    checkpointIntervalBytes: 16 * MIB,
    producerExpiryMs: 604_800_000,
  });
  const config = { segmentBytes: 128 * MIB, segmentMs: -1, retentionMs: -1, retentionBytes: -1 };
  const initial = { voters: [1], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
  const logs: GroupLog[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const topicId = "00000000-0000-4000-8000-000000000001";
    logs.push(
      await storage.createGroup(
        { groupId: partition + 1, replicaId: partition + 1, topicId, partition, kind: "data", initial },
        config,
      ),
    );
  }
  const meter = new Meter(seconds, () => storage.stats().fdatasyncs);
  await Promise.all(logs.map((log) => sendToLog(log, meter, () => storage.pressure() === null)));
  const result = meter.result();
  await storage.close();
  return result;
}

async function sendToLog(log: GroupLog, meter: Meter, mayGoOn: () => boolean): Promise<void> {
  while (performance.now() < meter.untilMs) {
    while (!mayGoOn()) await new Promise((resolve) => setTimeout(resolve, 1));
    const sentMs = performance.now();
    const hardState = log.hardState.term === 0 ? { term: 1, vote: 0, commit: 0 } : null;
    const frames = [nextFrame(log)];
    await new Promise<void>((resolve) => log.save({ hardState, frames, reset: null }, resolve));
    log.commitTo(log.lastIndex());
    meter.acknowledged(sentMs);
  }
}

/** A batch of its own for each frame, as a broker gets it from the network. */
const template = batch();

function nextFrame(log: GroupLog): Frame {
  const data = template.slice();
  const index = log.lastIndex() + 1;
  const baseOffset = log.nextOffset();
  stampBatch(data, baseOffset, 1);
  return encodeFrame({
    groupId: log.spec.groupId,
    kind: FrameKind.batch,
    index,
    term: 1,
    baseOffset,
    offsetSpan: 1,
    recordCount: 1,
    appendTimeMs: Date.now(),
    data,
  });
}

async function measureFiles(dir: string, partitions: number, seconds: number): Promise<Result> {
  let flushes = 0;
  const meter = new Meter(seconds, () => flushes);
  const send = async (partition: number): Promise<void> => {
    const file = await open(join(dir, `${partition}.log`), "w");
    let position = 0;
    while (performance.now() < meter.untilMs) {
      const sentMs = performance.now();
      await file.write(template, 0, template.length, position);
      position += template.length;
      await file.datasync();
      flushes++;
      meter.acknowledged(sentMs);
    }
    await file.close();
  };
  await Promise.all(Array.from({ length: partitions }, (_, partition) => send(partition)));
  return meter.result();
}

async function measureHere(side: Side, partitions: number, seconds: number, above: string): Promise<void> {
  const dir = await mkdtemp(join(above, "varve-bench-wal-"));
  try {
    const result =
      side === "wal" ? await measureWal(dir, partitions, seconds) : await measureFiles(dir, partitions, seconds);
    process.stdout.write(JSON.stringify(result));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** One side in a process of its own. */
async function measureApart(side: Side, partitions: number, args: readonly string[]): Promise<Result> {
  const own = [process.argv[1] ?? "", "--side", side, "--partitions", String(partitions), ...args];
  const env = { ...process.env, UV_THREADPOOL_SIZE: "16" };
  const { stdout } = await promisify(execFile)(process.execPath, own, { env });
  return JSON.parse(stdout) as Result;
}

function medians(results: readonly Result[]): Result {
  const median = (pick: (result: Result) => number): number => {
    const sorted = results.map(pick).sort((left, right) => left - right);
    return sorted[sorted.length >> 1] ?? Number.NaN;
  };
  return {
    batchesPerSecond: median((result) => result.batchesPerSecond),
    flushesPerSecond: median((result) => result.flushesPerSecond),
    p50Ms: median((result) => result.p50Ms),
    p99Ms: median((result) => result.p99Ms),
    cpu: median((result) => result.cpu),
  };
}

function row(partitions: number, side: Side, result: Result): string {
  const { batchesPerSecond, flushesPerSecond, p50Ms, p99Ms, cpu } = result;
  const cells = [
    partitions.toLocaleString("en"),
    side === "wal" ? "one WAL" : "file per partition",
    Math.round(batchesPerSecond).toLocaleString("en"),
    Math.round(flushesPerSecond).toLocaleString("en"),
    p50Ms.toFixed(2),
    p99Ms.toFixed(2),
    cpu.toFixed(2),
  ];
  return `| ${cells.join(" | ")} |\n`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "3" },
      runs: { type: "string", default: "3" },
      dir: { type: "string", default: tmpdir() },
      side: { type: "string" },
      partitions: { type: "string" },
    },
  });
  if (values.side === "wal" || values.side === "files") {
    await measureHere(values.side, Number(values.partitions), Number(values.seconds), values.dir);
    return;
  }
  process.stdout.write("| active partitions | design | batches/s | fdatasync/s | p50 ms | p99 ms | CPU s/s |\n");
  process.stdout.write("|---|---|---|---|---|---|---|\n");
  const args = ["--seconds", values.seconds, "--dir", values.dir];
  const counts = values.partitions === undefined ? PARTITIONS : values.partitions.split(",").map(Number);
  for (const partitions of counts) {
    for (const side of ["files", "wal"] as const) {
      const results: Result[] = [];
      for (let run = 0; run < Number(values.runs); run++) results.push(await measureApart(side, partitions, args));
      process.stdout.write(row(partitions, side, medians(results)));
    }
  }
}

await main();
