/** batch-builder.test.ts: sizes are exact, limits hold, and a full batch takes nothing. */
import { AssertionError, KIB, LIMITS, MIB } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { BatchBuilder, stampProducer } from "./batch-builder.js";
import { checkBatch } from "./check-batch.js";
import { encodeBatch } from "./encode-batch.js";
import { batchCompression, readBatchHeader } from "./layout.js";
import { nodeCodec } from "./node/codec.js";
import { decodeRecords } from "./record-cursor.js";
import { randomRecord } from "./testing/records.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const TIME_MS = 1_700_000_000_000;

describe("BatchBuilder", () => {
  test(`byteLength is the size of the built batch, and never above the limit (SEED=${SEED})`, () => {
    const prng = new Prng(SEED);
    for (let round = 0; round < 100; round++) {
      const batchBytesMax = prng.between(2 * KIB, 20 * KIB);
      const builder = new BatchBuilder({ batchBytesMax });
      let full = false;
      while (!full) {
        const { timestampMs, key, value, headers } = randomRecord(prng);
        const before = builder.byteLength;
        full = !builder.append(timestampMs, key ?? null, value ?? null, headers);
        if (full) expect(builder.byteLength, "a refused record changes nothing").toBe(before);
      }
      const { byteLength, recordCount } = builder;
      const batch = builder.build(nodeCodec);
      expect(batch.length).toBe(byteLength);
      expect(batch.length).toBeLessThanOrEqual(batchBytesMax);
      checkBatch(batch, nodeCodec);
      expect([...decodeRecords(batch, nodeCodec)].length).toBe(recordCount);
    }
  });

  test("a first record above the batch size goes alone; the second is refused", () => {
    const builder = new BatchBuilder({ batchBytesMax: 1_000 });
    expect(builder.append(TIME_MS, null, new Uint8Array(5_000))).toBe(true);
    expect(builder.append(TIME_MS, null, new Uint8Array(1))).toBe(false);
    checkBatch(builder.build(nodeCodec), nodeCodec);
  });

  test("a record of exactly 1 MiB is taken, one byte more is RECORD_TOO_LARGE and changes nothing", () => {
    const builder = new BatchBuilder();
    expect(builder.append(TIME_MS, null, new Uint8Array(MIB))).toBe(true);
    const before = builder.byteLength;
    expect(() => builder.append(TIME_MS, new Uint8Array(1), new Uint8Array(MIB))).toThrow(
      expect.objectContaining({ code: "RECORD_TOO_LARGE", details: { recordBytes: MIB + 1, recordBytesMax: MIB } }),
    );
    expect(builder.byteLength).toBe(before);
  });

  test("takes 50,000 records and no more", () => {
    const builder = new BatchBuilder();
    for (let count = 0; count < LIMITS.batchRecordsMax; count++) expect(builder.append(TIME_MS, null, null)).toBe(true);
    expect(builder.append(TIME_MS, null, null)).toBe(false);
    checkBatch(builder.build(nodeCodec), nodeCodec);
  });

  test("the header tells producer, count and the span of timestamps, which need not be in order", () => {
    const builder = new BatchBuilder();
    for (const delta of [5, -3, 2 ** 40, 0]) builder.append(TIME_MS + delta, null, Buffer.from("v"));
    const batch = builder.build(nodeCodec, { producerId: 2 ** 40, producerEpoch: 7, baseSequence: 99 });
    expect(readBatchHeader(batch)).toMatchObject({
      baseOffset: 0,
      byteLength: batch.length,
      magic: 2,
      lastOffsetDelta: 3,
      recordCount: 4,
      baseTimestampMs: TIME_MS + 5,
      maxTimestampMs: TIME_MS + 2 ** 40,
      producerId: 2 ** 40,
      producerEpoch: 7,
      baseSequence: 99,
    });
    const times = [...decodeRecords(batch, nodeCodec)].map((record) => record.timestampMs - TIME_MS);
    expect(times).toEqual([5, -3, 2 ** 40, 0]);
  });

  test("sends uncompressed what compression does not shrink", () => {
    const builder = new BatchBuilder();
    builder.append(TIME_MS, null, new Prng(1).bytes(10_000));
    expect(batchCompression(builder.build(nodeCodec, { compression: "lz4" }))).toBe("none");
  });

  test("is used once: neither append nor build after build, and no batch without records", () => {
    const builder = new BatchBuilder();
    expect(() => builder.build(nodeCodec)).toThrow(AssertionError);
    builder.append(TIME_MS, null, null);
    builder.build(nodeCodec);
    expect(() => builder.append(TIME_MS, null, null)).toThrow(AssertionError);
    expect(() => builder.build(nodeCodec)).toThrow(AssertionError);
  });
});

describe("stampProducer", () => {
  test("gives a finished batch another identity under a right checksum", () => {
    const batch = encodeBatch(
      { records: [{ timestampMs: TIME_MS }], producerId: 1, producerEpoch: 0, baseSequence: 5 },
      nodeCodec,
    );
    stampProducer(batch, nodeCodec, { producerId: 1, producerEpoch: 1, baseSequence: 0 });
    checkBatch(batch, nodeCodec);
    expect(readBatchHeader(batch)).toMatchObject({ producerId: 1, producerEpoch: 1, baseSequence: 0 });
  });
});

describe("encodeBatch", () => {
  test.each([
    { why: "no record", count: 0, valueBytes: 0, code: "INVALID_BATCH" },
    { why: "50,001 records", count: 50_001, valueBytes: 0, code: "INVALID_BATCH" },
    { why: "more than 4 MiB", count: 5, valueBytes: MIB, code: "BATCH_TOO_LARGE" },
  ])("refuses $why with $code", ({ count, valueBytes, code }) => {
    const record = { timestampMs: TIME_MS, value: new Uint8Array(valueBytes) };
    const records = new Array<typeof record>(count).fill(record);
    expect(() => encodeBatch({ records }, nodeCodec)).toThrow(expect.objectContaining({ code, effect: "NOT_APPLIED" }));
  });
});
