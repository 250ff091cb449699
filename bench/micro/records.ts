/**
 * records.ts: speed of the record batch codec on one core: checksum, encode, check, decode, each compression.
 *
 * Method: each line is the median of 5 runs of 300 ms after one to warm up; rates count uncompressed bytes.
 * Usage: npx tsc -b packages/records && npx tsc -p bench/micro && node bench/micro/dist/records.js
 */
import { type CompressionKind, MIB } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { BatchBuilder, checkBatch, decodeRecords } from "@varve/records";
import { nodeCodec } from "@varve/records/node";

const RUNS = 5;
const BATCH_BYTES = 262_144;
const RECORD_BYTES = 1_024;

/** Calls `work` for 300 ms, five times, and prints its rate; `work` returns the bytes it dealt with. */
function measure(name: string, recordsPerCall: number, work: () => number): void {
  const rates: number[] = [];
  let callBytes = 0;
  for (let run = 0; run <= RUNS; run++) {
    const startedMs = performance.now();
    let calls = 0;
    for (; performance.now() - startedMs < 300; calls++) callBytes = work();
    if (run > 0) rates.push(calls / ((performance.now() - startedMs) / 1_000)); // Run 0 warms up.
  }
  rates.sort((a, b) => a - b);
  const perSecond = rates[RUNS >> 1] ?? 0;
  const spread = ((rates[RUNS - 1] ?? 0) - (rates[0] ?? 0)) / perSecond;
  const megabytes = `${Math.round((perSecond * callBytes) / 1e6)} MB/s`;
  const records = recordsPerCall === 0 ? "" : `, ${Math.round((perSecond * recordsPerCall) / 1e3)} thousand records/s`;
  console.log(`${name}: ${megabytes}${records} (spread ${Math.round(spread * 100)} %)`);
}

/** Values that compress to about a third, as logs do. */
function logLine(prng: Prng): Uint8Array {
  let text = "";
  while (text.length < RECORD_BYTES) {
    text += `10.0.${prng.between(0, 255)}.${prng.between(0, 255)} GET /item/${prng.uint32()} HTTP/1.1 200 ${prng.between(100, 9_999)}\n`;
  }
  return new TextEncoder().encode(text.slice(0, RECORD_BYTES));
}

function buildBatch(values: readonly Uint8Array[], compression: CompressionKind): { batch: Uint8Array; count: number } {
  const builder = new BatchBuilder({ batchBytesMax: BATCH_BYTES });
  const key = new TextEncoder().encode("user-12345");
  for (let at = 0; builder.append(1_700_000_000_000 + at, key, values[at % values.length] ?? null); ) at++;
  return { count: builder.recordCount, batch: builder.build(nodeCodec, { compression }) };
}

const prng = new Prng(1);
const noise = Array.from({ length: 300 }, () => prng.bytes(RECORD_BYTES));
const lines = Array.from({ length: 300 }, () => logLine(prng));
const { batch: plain, count } = buildBatch(noise, "none");
const chunk = prng.bytes(MIB);

measure("crc32c, portable, 1 MiB", 0, () => nodeCodec.crc32c(chunk) * 0 + MIB);
measure("encode, 1 KiB records", count, () => buildBatch(noise, "none").batch.length);
measure("check a batch", 0, () => {
  checkBatch(plain, nodeCodec);
  return plain.length;
});
measure("decode, cursor only", count, () => {
  const cursor = decodeRecords(plain, nodeCodec);
  while (cursor.advance());
  return plain.length;
});
measure("decode, an object each", count, () => {
  for (const record of decodeRecords(plain, nodeCodec)) void record.value;
  return plain.length;
});
await nodeCodec.prepare("zstd");
for (const kind of ["gzip", "snappy", "lz4", "zstd"] as const) {
  const { batch } = buildBatch(lines, kind);
  measure(`encode, ${kind}, log lines to ${Math.round((batch.length / plain.length) * 100)} %`, count, () => {
    buildBatch(lines, kind);
    return plain.length;
  });
  measure(`decode, ${kind}`, count, () => {
    const cursor = decodeRecords(batch, nodeCodec);
    while (cursor.advance());
    return plain.length;
  });
}
