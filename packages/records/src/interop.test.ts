/**
 * interop.test.ts: other people's code as the judge: batches of kafkajs and @platformatic/kafka decode here, ours there.
 *
 * kafkajs brings none and gzip and takes further codecs as plug-ins: it gets @platformatic/kafka's. Of the latter, zstd is
 * there on Node >= 22.15 only; below that Zstandard is judged by the official library in WASM (compression.test.ts).
 */
import { createRequire } from "node:module";
import { compressionsAlgorithms, createRecordsBatch, Reader, readRecordsBatch } from "@platformatic/kafka";
import { COMPRESSION_IDS, type CompressionKind } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { checkBatch } from "./check-batch.js";
import { encodeBatch, type RecordInput } from "./encode-batch.js";
import { batchCompression, readBatchHeader, stampBatch } from "./layout.js";
import { nodeCodec } from "./node/codec.js";
import { decodeRecords } from "./record-cursor.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const KINDS: readonly CompressionKind[] = ["none", "gzip", "snappy", "lz4", "zstd"];
/** What both judges can do on this Node. */
const JUDGED = KINDS.filter((kind) => compressionsAlgorithms[kind].available);
const TIME_MS = 1_700_000_000_000;

interface KafkaJsRecord {
  readonly offset?: string;
  readonly offsetDelta?: number;
  readonly timestamp?: string;
  readonly timestampDelta?: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Record<string, Buffer>;
}
interface KafkaJsBatch {
  readonly firstOffset: string;
  readonly partitionLeaderEpoch: number;
  readonly producerId: string;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly lastOffsetDelta: number;
  readonly records: readonly KafkaJsRecord[];
}
interface KafkaJsCodec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

const require = createRequire(import.meta.url);
const kafkaJsRecord = require("kafkajs/src/protocol/recordBatch/record/v0/index.js") as (fields: object) => object;
const { RecordBatch: kafkaJsEncode } = require("kafkajs/src/protocol/recordBatch/v0/index.js") as {
  RecordBatch: (fields: object) => Promise<{ readonly buffer: Buffer }>;
};
const kafkaJsDecode = require("kafkajs/src/protocol/recordBatch/v0/decoder.js") as (
  decoder: object,
) => Promise<KafkaJsBatch>;
const KafkaJsDecoder = require("kafkajs/src/protocol/decoder.js") as new (buffer: Buffer) => object;
const KafkaJsLong = require("kafkajs/src/utils/long.js") as { fromValue(value: number): object };
const { Codecs: kafkaJsCodecs } = require("kafkajs/src/protocol/message/compression/index.js") as {
  Codecs: Record<number, () => KafkaJsCodec>;
};

beforeAll(async () => {
  await nodeCodec.prepare("zstd");
  for (const kind of ["snappy", "lz4", "zstd"] as const) {
    kafkaJsCodecs[COMPRESSION_IDS[kind]] = () => ({
      compress: async (encoder) => compressionsAlgorithms[kind].compressSync(encoder.buffer),
      decompress: async (buffer) => compressionsAlgorithms[kind].decompressSync(buffer),
    });
  }
});

/** Records of the kind that all three can express: no null header values, header names once, times that only rise. */
function commonRecords(prng: Prng): RecordInput[] {
  return Array.from({ length: prng.between(1, 40) }, (_, index) => ({
    timestampMs: TIME_MS + index * 1_000,
    key: prng.chance(0.2) ? null : prng.bytes(prng.between(1, 20)),
    value: prng.chance(0.1) ? null : Buffer.from(`value ${index} `.repeat(prng.between(0, 40))),
    headers: prng.chance(0.3)
      ? [
          ["trace", prng.bytes(8)],
          ["größe", Buffer.from("12")],
        ]
      : [],
  }));
}

interface PlainRecord {
  readonly timestampMs: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string, string | null])[];
}

function hex(bytes: Uint8Array | null | undefined): string | null {
  return bytes ? Buffer.from(bytes).toString("hex") : null;
}

function plain(record: RecordInput): PlainRecord {
  const headers = (record.headers ?? []).map(([name, value]) => [name, hex(value)] as const);
  return { timestampMs: record.timestampMs, key: hex(record.key), value: hex(record.value), headers };
}

/** Their batch, checked as the broker would and decoded here. */
function decodeTheirs(batch: Uint8Array, compression: CompressionKind): PlainRecord[] {
  checkBatch(batch, nodeCodec);
  expect(batchCompression(batch)).toBe(compression);
  return [...decodeRecords(batch, nodeCodec)].map(plain);
}

/** Our batch, stamped as the broker would; bigger than its compression needs, so that none is left out. */
function encodeOurs(records: readonly RecordInput[], compression: CompressionKind): Buffer {
  const padding = { timestampMs: records.at(-1)?.timestampMs ?? TIME_MS, value: Buffer.alloc(3_000, "pad ") };
  const identity = { producerId: 2 ** 33 + 1, producerEpoch: 3, baseSequence: 77 };
  const batch = encodeBatch({ records: [...records, padding], compression, ...identity }, nodeCodec);
  expect(batchCompression(batch)).toBe(compression);
  stampBatch(batch, 2 ** 40 + 5, 12);
  return Buffer.from(batch);
}

describe.each(JUDGED)("%s", (compression) => {
  test(`batches of kafkajs decode here (SEED=${SEED})`, async () => {
    const prng = new Prng(SEED);
    for (let round = 0; round < 30; round++) {
      const records = commonRecords(prng);
      const encoded = await kafkaJsEncode({
        compression: COMPRESSION_IDS[compression],
        firstTimestamp: TIME_MS,
        maxTimestamp: records.at(-1)?.timestampMs,
        lastOffsetDelta: records.length - 1,
        producerId: KafkaJsLong.fromValue(2 ** 33),
        producerEpoch: 5,
        firstSequence: 1_234,
        records: records.map(({ timestampMs, key, value, headers }, offsetDelta) =>
          kafkaJsRecord({
            offsetDelta,
            timestampDelta: timestampMs - TIME_MS,
            key: key && Buffer.from(key),
            value: value && Buffer.from(value),
            headers: Object.fromEntries((headers ?? []).map(([name, bytes]) => [name, Buffer.from(bytes ?? [])])),
          }),
        ),
      });
      expect(decodeTheirs(encoded.buffer, compression), `round ${round}`).toEqual(records.map(plain));
      expect(readBatchHeader(encoded.buffer)).toMatchObject({
        producerId: 2 ** 33,
        producerEpoch: 5,
        baseSequence: 1_234,
      });
    }
  });

  test(`our batches decode in kafkajs (SEED=${SEED})`, async () => {
    const prng = new Prng(SEED);
    for (let round = 0; round < 30; round++) {
      const records = commonRecords(prng);
      const batch = await kafkaJsDecode(new KafkaJsDecoder(encodeOurs(records, compression)));
      expect(batch).toMatchObject({
        firstOffset: String(2 ** 40 + 5),
        partitionLeaderEpoch: 12,
        producerId: String(2 ** 33 + 1),
        producerEpoch: 3,
        firstSequence: 77,
        lastOffsetDelta: records.length,
      });
      const decoded = batch.records.slice(0, -1).map((record) => ({
        timestampMs: Number(record.timestamp),
        key: hex(record.key),
        value: hex(record.value),
        headers: Object.entries(record.headers).map(([name, value]) => [name, hex(value)]),
      }));
      expect(decoded, `round ${round}`).toEqual(records.map(plain));
    }
  });

  test(`batches of @platformatic/kafka decode here (SEED=${SEED})`, () => {
    const prng = new Prng(SEED);
    for (let round = 0; round < 30; round++) {
      const records = commonRecords(prng).map((record) => ({ ...record, value: record.value ?? Buffer.from("v") }));
      const writer = createRecordsBatch(
        records.map(({ timestampMs, key, value, headers }) => ({
          topic: "t",
          timestamp: BigInt(timestampMs),
          value: Buffer.from(value),
          ...(key ? { key: Buffer.from(key) } : {}),
          headers: new Map((headers ?? []).map(([name, bytes]) => [Buffer.from(name), Buffer.from(bytes ?? [])])),
        })),
        { compression },
      );
      expect(decodeTheirs(writer.buffer, compression), `round ${round}`).toEqual(records.map(plain));
    }
  });

  test(`our batches decode in @platformatic/kafka (SEED=${SEED})`, () => {
    const prng = new Prng(SEED);
    for (let round = 0; round < 30; round++) {
      const records = commonRecords(prng);
      const batch = readRecordsBatch(Reader.from(encodeOurs(records, compression)));
      expect(batch).toMatchObject({
        firstOffset: BigInt(2 ** 40 + 5),
        producerId: BigInt(2 ** 33 + 1),
        firstSequence: 77,
      });
      const decoded = batch.records.slice(0, -1).map((record) => ({
        timestampMs: Number(batch.firstTimestamp + record.timestampDelta),
        key: hex(record.key),
        value: hex(record.value),
        headers: record.headers.map(([name, value]) => [name?.toString(), hex(value)]),
      }));
      expect(decoded, `round ${round}`).toEqual(records.map(plain));
    }
  });
});
