/**
 * reader-memory.test.ts: a reader takes little memory, however much it reads: a process that does nothing else reads 256 MiB from three brokers and
 * says how large it was. `READ_MIB=1024 npx vitest run --config test/vitest.ci.config.ts test/ci/reader-memory` reads a gibibyte.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { KIB, MIB } from "@varve/base";
import { type Producer, Varve } from "@varve/client";
import { LocalBrokers } from "varve";
import { afterAll, beforeAll, expect, test } from "vitest";

const READ_MIB = Number(process.env["READ_MIB"] ?? 256);
const RSS_MIB_MAX = 200;
const PARTITIONS = 6;
const CHILD = fileURLToPath(new URL("reader-child.mjs", import.meta.url));
/** Sends that are awaited together, bytes. */
const WINDOW_BYTES = 16 * MIB;

interface Report {
  readonly records: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly rssMib: number;
  readonly progress: { readonly read: number; readonly total: number; readonly ratio: number; readonly etaMs: number };
}

let brokers: LocalBrokers;
let varve: Varve;

beforeAll(async () => {
  brokers = await LocalBrokers.start(3);
  varve = new Varve({ bootstrap: brokers.bootstrap });
});
afterAll(async () => {
  await varve.close();
  await brokers.stop({ keepFiles: false });
});

/** Writes `mib` MiB of random values; answers how many records they are. */
async function write(topic: string, mib: number, valueBytes: number): Promise<number> {
  await varve.admin.createTopic({ topic, partitions: PARTITIONS, replicas: 1 });
  const producer: Producer = varve.producer();
  const values = Array.from({ length: 16 }, () => randomBytes(valueBytes));
  const records = Math.ceil((mib * MIB) / valueBytes);
  const window = Math.ceil(WINDOW_BYTES / valueBytes);
  for (let sent = 0; sent < records; sent += window) {
    const count = Math.min(window, records - sent);
    await producer.sendBatch({
      topic,
      records: Array.from({ length: count }, (_, at) => ({
        partition: at % PARTITIONS,
        value: values[at % 16] ?? null,
      })),
    });
  }
  await producer.close();
  return records;
}

async function readInChild(topic: string, options: object = {}): Promise<Report> {
  const plan = JSON.stringify({ bootstrap: brokers.bootstrap, topic, options });
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, plan]);
  return JSON.parse(stdout) as Report;
}

test.each([
  { what: "records of 1 KiB", mib: READ_MIB, valueBytes: KIB, options: {} },
  { what: "records of 1 MiB", mib: READ_MIB / 2, valueBytes: MIB, options: {} },
  { what: "records of 1 KiB, slowly", mib: 64, valueBytes: KIB, options: { maxRecordsPerSecond: 16_000 } },
])(`$mib MiB of $what are read with an RSS below ${RSS_MIB_MAX} MiB`, async ({ what, mib, valueBytes, options }) => {
  const topic = what.replaceAll(/\W+/g, "-");
  const records = await write(topic, mib, valueBytes);
  const report = await readInChild(topic, options);
  const rate = (report.bytes / 1e6 / report.seconds).toFixed(0);
  process.stdout.write(
    `${what}: ${report.bytes / MIB} MiB, ${rate} MB/s, largest RSS ${report.rssMib.toFixed(0)} MiB\n`,
  );
  expect(report.records).toBe(records);
  expect(report.bytes).toBe(records * valueBytes);
  expect(report.progress).toEqual({ read: records, total: records, ratio: 1, etaMs: 0 });
  expect(report.rssMib).toBeLessThan(RSS_MIB_MAX);
});
