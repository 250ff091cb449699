/**
 * encode-batch.ts: a whole batch from a list of records, for callers that have the list at once.
 */
import { type Codec, LIMITS } from "@varve/base";
import { BatchBuilder, type BuildOptions, type RecordHeader } from "./batch-builder.js";
import { batchTooLarge, invalidBatch } from "./batch-errors.js";

/** One record as its producer gives it. */
export interface RecordInput {
  /** Milliseconds since 1970, a safe integer. */
  readonly timestampMs: number;
  readonly key?: Uint8Array | null;
  readonly value?: Uint8Array | null;
  readonly headers?: readonly RecordHeader[];
}

export interface EncodeOptions extends BuildOptions {
  /** 1 .. 50,000 records. */
  readonly records: readonly RecordInput[];
}

/**
 * The batch of these records, base offset 0.
 * @throws VarveError INVALID_BATCH (no record, or too many), RECORD_TOO_LARGE, BATCH_TOO_LARGE.
 */
export function encodeBatch(options: EncodeOptions, codec: Codec): Uint8Array {
  const { records } = options;
  if (records.length === 0) throw invalidBatch("it has no record", { recordCount: 0 });
  if (records.length > LIMITS.batchRecordsMax) {
    throw invalidBatch("it has too many records", {
      recordCount: records.length,
      recordCountMax: LIMITS.batchRecordsMax,
    });
  }
  const builder = new BatchBuilder();
  for (const { timestampMs, key, value, headers } of records) {
    if (builder.append(timestampMs, key ?? null, value ?? null, headers)) continue;
    throw batchTooLarge("the records do not fit into one batch", builder.byteLength + 1, LIMITS.batchBytesMax);
  }
  return builder.build(codec, options);
}
