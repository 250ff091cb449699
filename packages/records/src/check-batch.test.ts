/** check-batch.test.ts: a row for each way in which a produced batch can be wrong, and stamping that breaks nothing. */
import { isVarveError, LIMITS } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { writeInt16, writeInt32 } from "./bytes.js";
import { checkBatch } from "./check-batch.js";
import { BATCH_CRC_START, batchBaseOffset, batchLeaderEpoch, stampBatch } from "./layout.js";
import { nodeCodec } from "./node/codec.js";
import { batchOfValues } from "./testing/records.js";
import { verifyBatch } from "./verify-batch.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

function goodBatch(): Uint8Array {
  return batchOfValues(["one", "two", "three"], nodeCodec, { producerId: 4, producerEpoch: 0, baseSequence: 0 });
}

/** A batch changed by `change` and given a right checksum, so that the rule itself is judged. */
function changed(change: (batch: Uint8Array) => void): Uint8Array {
  const batch = goodBatch();
  change(batch);
  writeInt32(batch, 17, nodeCodec.crc32c(batch.subarray(BATCH_CRC_START)));
  return batch;
}

/** Writes a 64-bit value of which no number is exact. */
function writeHuge(batch: Uint8Array, at: number): void {
  batch.fill(0x7f, at, at + 8);
}

describe("checkBatch", () => {
  test("refuses a record that is too large, and tells its size; compressed batches are opaque", () => {
    const batch = batchOfValues(["a", "x".repeat(600), "b"], nodeCodec);
    checkBatch(batch, nodeCodec, { recordBytesMax: 600 });
    expect(() => checkBatch(batch, nodeCodec, { recordBytesMax: 599 })).toThrow(
      expect.objectContaining({ code: "RECORD_TOO_LARGE", details: { recordBytes: 600, recordBytesMax: 599 } }),
    );
    checkBatch(batchOfValues(["x".repeat(600)], nodeCodec, { compression: "gzip" }), nodeCodec, { recordBytesMax: 10 });
  });

  test("passes a good batch, stamped or not, because the stamp lies outside the checksum", () => {
    const batch = goodBatch();
    checkBatch(batch, nodeCodec);
    stampBatch(batch, Number.MAX_SAFE_INTEGER - 5, 2 ** 31 - 1);
    checkBatch(batch, nodeCodec);
    expect(batchBaseOffset(batch)).toBe(Number.MAX_SAFE_INTEGER - 5);
    expect(batchLeaderEpoch(batch)).toBe(2 ** 31 - 1);
  });

  test.each([
    { why: "no bytes", batch: () => new Uint8Array(0), code: "CORRUPT_BATCH" },
    { why: "half a header", batch: () => goodBatch().subarray(0, 60), code: "CORRUPT_BATCH" },
    { why: "a byte missing at the end", batch: () => goodBatch().subarray(0, -1), code: "CORRUPT_BATCH" },
    { why: "a byte too many", batch: () => Buffer.concat([goodBatch(), Buffer.alloc(1)]), code: "CORRUPT_BATCH" },
    { why: "two batches", batch: () => Buffer.concat([goodBatch(), goodBatch()]), code: "CORRUPT_BATCH" },
    { why: "a negative length field", batch: () => changed((b) => writeInt32(b, 8, -1)), code: "CORRUPT_BATCH" },
    { why: "magic 1", batch: () => changed((b) => b.fill(1, 16, 17)), code: "INVALID_BATCH" },
    { why: "no record", batch: () => changed((b) => writeInt32(b, 57, 0)), code: "INVALID_BATCH" },
    { why: "a negative count", batch: () => changed((b) => writeInt32(b, 57, -1)), code: "INVALID_BATCH" },
    { why: "50,001 records", batch: () => changed((b) => writeInt32(b, 57, 50_001)), code: "INVALID_BATCH" },
    {
      why: "a count above the last offset delta",
      batch: () => changed((b) => writeInt32(b, 57, 2)),
      code: "INVALID_BATCH",
    },
    {
      why: "more records than its bytes can hold",
      batch: () =>
        changed((b) => {
          writeInt32(b, 57, 40_000);
          writeInt32(b, 23, 39_999);
        }),
      code: "INVALID_BATCH",
    },
    { why: "compression 5", batch: () => changed((b) => writeInt16(b, 21, 5)), code: "UNSUPPORTED_CODEC" },
    { why: "an append-time mark", batch: () => changed((b) => writeInt16(b, 21, 8)), code: "INVALID_BATCH" },
    { why: "a transaction mark", batch: () => changed((b) => writeInt16(b, 21, 16)), code: "INVALID_BATCH" },
    { why: "a control mark", batch: () => changed((b) => writeInt16(b, 21, 32)), code: "INVALID_BATCH" },
    { why: "an unknown attribute", batch: () => changed((b) => writeInt16(b, 21, 0x4000)), code: "INVALID_BATCH" },
    { why: "a base timestamp beyond 2^53", batch: () => changed((b) => writeHuge(b, 27)), code: "INVALID_BATCH" },
    { why: "a max timestamp beyond 2^53", batch: () => changed((b) => writeHuge(b, 35)), code: "INVALID_BATCH" },
    { why: "a producer id beyond 2^53", batch: () => changed((b) => writeHuge(b, 43)), code: "INVALID_BATCH" },
    {
      why: "a producer id of -2",
      batch: () => changed((b) => b.fill(0xff, 43, 50).fill(0xfe, 50, 51)),
      code: "INVALID_BATCH",
    },
    {
      why: "a negative epoch of a producer",
      batch: () => changed((b) => writeInt16(b, 51, -1)),
      code: "INVALID_BATCH",
    },
    {
      why: "a negative sequence of a producer",
      batch: () => changed((b) => writeInt32(b, 53, -1)),
      code: "INVALID_BATCH",
    },
    { why: "more than 4 MiB", batch: () => new Uint8Array(LIMITS.batchBytesMax + 1), code: "BATCH_TOO_LARGE" },
  ])("refuses $why with $code, not applied", ({ batch, code }) => {
    expect(() => checkBatch(batch(), nodeCodec)).toThrow(expect.objectContaining({ code, effect: "NOT_APPLIED" }));
  });

  test("obeys limits below the defaults and names both numbers", () => {
    const batch = goodBatch();
    expect(() => checkBatch(batch, nodeCodec, { batchBytesMax: batch.length - 1 })).toThrow(
      expect.objectContaining({ details: { batchBytes: batch.length, batchBytesMax: batch.length - 1 } }),
    );
    expect(() => checkBatch(batch, nodeCodec, { recordsMax: 2 })).toThrow(
      expect.objectContaining({ code: "INVALID_BATCH" }),
    );
    checkBatch(batch, nodeCodec, { batchBytesMax: batch.length, recordsMax: 3 });
  });

  test(`one flipped bit anywhere that the checksum covers is CORRUPT_BATCH (SEED=${SEED})`, () => {
    const prng = new Prng(SEED);
    for (let round = 0; round < 500; round++) {
      const batch = goodBatch();
      const at = prng.between(17, batch.length - 1);
      batch[at] = (batch[at] ?? 0) ^ (1 << prng.between(0, 7));
      const error = thrownBy(() => verifyBatch(batch, nodeCodec));
      expect(isVarveError(error) && error.code, `byte ${at}`).toBe("CORRUPT_BATCH");
    }
  });
});

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return null;
}
