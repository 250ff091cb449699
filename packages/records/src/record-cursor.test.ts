/** record-cursor.test.ts: walking a batch: what comes out, what is skipped, what is refused. */
import type { Codec } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { writeInt16, writeInt32, writeInt64 } from "./bytes.js";
import { encodeBatch, type RecordInput } from "./encode-batch.js";
import { BATCH_CRC_START, stampBatch } from "./layout.js";
import { nodeCodec } from "./node/codec.js";
import { type DecodedRecord, decodeRecords } from "./record-cursor.js";
import { splitBatches } from "./split-batches.js";
import { batchOfValues, randomRecords } from "./testing/records.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const KINDS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;

/** A record in plain values, so that views and copies compare equal. */
function plain({ timestampMs, key, value, headers }: RecordInput | DecodedRecord): unknown {
  const hex = (bytes: Uint8Array | null | undefined): string | null =>
    bytes ? Buffer.from(bytes).toString("hex") : null;
  return { timestampMs, key: hex(key), value: hex(value), headers: (headers ?? []).map(([name, v]) => [name, hex(v)]) };
}

/** Counts how often records are decompressed. */
function countingCodec(): { codec: Codec; decompressions: () => number } {
  let count = 0;
  const codec: Codec = {
    ...nodeCodec,
    decompress(kind, bytes, bytesMax) {
      count++;
      return nodeCodec.decompress(kind, bytes, bytesMax);
    },
  };
  return { codec, decompressions: () => count };
}

describe("decodeRecords", () => {
  test.each(KINDS)(`gives back every record that was encoded with %s (SEED=${SEED})`, async (compression) => {
    await nodeCodec.prepare(compression);
    const prng = new Prng(SEED);
    for (let round = 0; round < 60; round++) {
      const records = randomRecords(prng, prng.between(1, 60));
      const batch = encodeBatch({ records, compression }, nodeCodec);
      const baseOffset = prng.between(0, 2 ** 50);
      stampBatch(batch, baseOffset, 1);
      const decoded = [...decodeRecords(batch, nodeCodec)];
      expect(decoded.map(plain), `round ${round}`).toEqual(records.map(plain));
      expect(decoded.map((record) => record.offset - baseOffset)).toEqual(records.map((_, index) => index));
    }
  });

  test("starts at fromOffset, wherever in the batch that is", () => {
    const batch = batchOfValues(["a", "b", "c"], nodeCodec);
    stampBatch(batch, 100, 1);
    const from = (fromOffset: number): number[] =>
      [...decodeRecords(batch, nodeCodec, { fromOffset })].map((record) => record.offset);
    expect(from(0)).toEqual([100, 101, 102]);
    expect(from(101)).toEqual([101, 102]);
    expect(from(102)).toEqual([102]);
    expect(from(103)).toEqual([]);
  });

  test("does not decompress a batch that ends below fromOffset", () => {
    const batch = batchOfValues(["x".repeat(500)], nodeCodec, { compression: "gzip" });
    const { codec, decompressions } = countingCodec();
    expect([...decodeRecords(batch, codec, { fromOffset: 1 })]).toEqual([]);
    expect(decompressions()).toBe(0);
    expect([...decodeRecords(batch, codec)]).toHaveLength(1);
    expect(decompressions()).toBe(1);
  });

  test("makes views of the batch, not copies", () => {
    const batch = batchOfValues(["value"], nodeCodec);
    const cursor = decodeRecords(batch, nodeCodec);
    expect(cursor.advance()).toBe(true);
    expect(cursor.value()?.buffer).toBe(batch.buffer);
    expect(cursor.key()).toBeNull();
    expect(cursor.advance()).toBe(false);
    expect(cursor.advance(), "the end stays the end").toBe(false);
  });

  test("an append-time batch gives every record the broker's time", () => {
    const batch = batchOfValues(["a", "b"], nodeCodec);
    writeInt16(batch, 21, 8);
    writeInt64(batch, 35, 42);
    const records = [...decodeRecords(batch, nodeCodec, { checkCrc: false })];
    expect(records.map((record) => record.timestampMs)).toEqual([42, 42]);
  });

  test("takes offsets with gaps, as a compacted log has them", () => {
    const batch = batchOfValues(["a", "b"], nodeCodec);
    writeInt32(batch, 23, 9);
    batch[batch.length - 5] = 14; // Zigzag of 7: the second record's offset delta.
    const offsets = [...decodeRecords(batch, nodeCodec, { checkCrc: false })].map((record) => record.offset);
    expect(offsets).toEqual([0, 7]);
  });

  test("a wrong checksum is refused before any record, unless it was verified before", () => {
    const batch = batchOfValues(["a"], nodeCodec);
    writeInt64(batch, 35, 1);
    expect(() => decodeRecords(batch, nodeCodec)).toThrow(
      expect.objectContaining({ code: "CORRUPT_BATCH", effect: "NONE" }),
    );
    expect([...decodeRecords(batch, nodeCodec, { checkCrc: false })]).toHaveLength(1);
  });
});

/** One record "k" -> "v" at offset 0, with a body to spoil: length 8, attributes, time, offset, key, value, headers. */
function spoiled(change: (body: Uint8Array, batch: Uint8Array) => void): Uint8Array {
  const records = [{ timestampMs: 1, key: Buffer.from("k"), value: Buffer.from("v") }];
  const batch = encodeBatch({ records }, nodeCodec);
  change(batch.subarray(61), batch);
  writeInt32(batch, 17, nodeCodec.crc32c(batch.subarray(BATCH_CRC_START)));
  return batch;
}

describe("damaged records", () => {
  test("the pattern that the rows below spoil is what they think it is", () => {
    expect([...spoiled(() => {}).subarray(61)]).toEqual([16, 0, 0, 0, 2, 107, 2, 118, 0]);
  });

  test.each([
    { why: "a record longer than the batch", change: (body: Uint8Array) => body.fill(18, 0, 1) },
    { why: "a record shorter than its fields", change: (body: Uint8Array) => body.fill(14, 0, 1) },
    { why: "a negative length", change: (body: Uint8Array) => body.fill(15, 0, 1) },
    { why: "a varint without end", change: (body: Uint8Array) => body.fill(0xff) },
    { why: "an offset above the last", change: (body: Uint8Array) => body.fill(2, 3, 4) },
    { why: "a negative offset delta", change: (body: Uint8Array) => body.fill(1, 3, 4) },
    { why: "a key beyond the record", change: (body: Uint8Array) => body.fill(40, 4, 5) },
    { why: "a key of length -2", change: (body: Uint8Array) => body.fill(3, 4, 5) },
    { why: "a value beyond the record", change: (body: Uint8Array) => body.fill(40, 6, 7) },
    { why: "more headers than bytes", change: (body: Uint8Array) => body.fill(4, 8, 9) },
    { why: "a negative header count", change: (body: Uint8Array) => body.fill(1, 8, 9) },
    { why: "more records than are there", change: (_: Uint8Array, batch: Uint8Array) => writeInt32(batch, 57, 2) },
    { why: "fewer records than are there", change: (_: Uint8Array, batch: Uint8Array) => writeInt32(batch, 57, 0) },
    { why: "a negative record count", change: (_: Uint8Array, batch: Uint8Array) => writeInt32(batch, 57, -1) },
    { why: "an unsafe base offset", change: (_: Uint8Array, batch: Uint8Array) => batch.fill(0x7f, 0, 8) },
    { why: "an unsafe base timestamp", change: (_: Uint8Array, batch: Uint8Array) => batch.fill(0x7f, 27, 35) },
  ])("$why is CORRUPT_BATCH with effect NONE", ({ change }) => {
    const batch = spoiled(change);
    expect(() => [...decodeRecords(batch, nodeCodec)]).toThrow(
      expect.objectContaining({ code: "CORRUPT_BATCH", effect: "NONE" }),
    );
  });

  test("an unknown compression is UNSUPPORTED_CODEC", () => {
    const batch = spoiled((_, whole) => writeInt16(whole, 21, 7));
    expect(() => decodeRecords(batch, nodeCodec)).toThrow(expect.objectContaining({ code: "UNSUPPORTED_CODEC" }));
  });
});

describe("splitBatches", () => {
  test("cuts a run of batches into views", () => {
    const batches = ["a", "bb", "ccc"].map((text) => batchOfValues([text], nodeCodec));
    const run = Buffer.concat(batches);
    const split = splitBatches(run);
    expect(split.map((batch) => Buffer.from(batch))).toEqual(batches.map((batch) => Buffer.from(batch)));
    expect(split[0]?.buffer).toBe(run.buffer);
    expect(splitBatches(new Uint8Array(0))).toEqual([]);
  });

  test.each([
    { why: "a cut-off batch", spoil: (run: Uint8Array) => run.subarray(0, run.length - 1) },
    { why: "a few bytes left over", spoil: (run: Uint8Array) => Buffer.concat([run, Buffer.alloc(5)]) },
    {
      why: "a length field of -12 (endless, if believed)",
      spoil: (run: Uint8Array) => run.fill(0xff, 8, 11).fill(0xf4, 11, 12),
    },
  ])("refuses $why", ({ spoil }) => {
    const run = Uint8Array.from(batchOfValues(["abc"], nodeCodec));
    expect(() => splitBatches(spoil(run))).toThrow(expect.objectContaining({ code: "CORRUPT_BATCH", effect: "NONE" }));
  });
});
