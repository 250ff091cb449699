/**
 * encoded-record.ts: a record to send, checked, with its key and value as bytes.
 */
import { type Clock, LIMITS, nameProblem, VarveError } from "@varve/base";
import type { RecordHeader } from "@varve/records";
import { integerIn, invalidArgument } from "../options.js";
import { type Data, toBytes, toHeaders } from "../records/input.js";
import type { Serde } from "../records/serde.js";
import type { RecordToSend } from "./options.js";

export interface EncodedRecord {
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
  /** Chosen by the caller; null: by the key. */
  readonly partition: number | null;
  /** What it takes from the producer's buffer. */
  readonly bufferedBytes: number;
}

const NO_HEADERS: readonly RecordHeader[] = [];
/** Counted for each record beside its bytes: framing, and what waits for it: promises and their callbacks, 480 bytes in Node.js 20. */
const RECORD_OVERHEAD_BYTES = 512;

/** @throws VarveError INVALID_ARGUMENT, RECORD_TOO_LARGE: nothing was sent. */
export function encodeRecord<T>(record: RecordToSend<T>, serde: Serde<T> | null, clock: Clock): EncodedRecord {
  if (typeof record !== "object" || record === null)
    throw invalidArgument("a record must be an object with key and value");
  const { key, value, headers, partition, timestampMs } = record;
  const keyBytes = key === null || key === undefined ? null : toBytes("key", key);
  const valueBytes = value === null || value === undefined ? null : encodeValue(value, serde);
  const list = headers === undefined ? NO_HEADERS : toHeaders(headers);
  let size = (keyBytes?.length ?? 0) + (valueBytes?.length ?? 0);
  for (const [name, bytes] of list) size += name.length + (bytes?.length ?? 0);
  if (size > LIMITS.recordBytesMax) throw recordTooLarge(size);
  return {
    timestampMs:
      timestampMs === undefined ? clock.wallMs() : integerIn("timestampMs", timestampMs, 0, Number.MAX_SAFE_INTEGER),
    key: keyBytes,
    value: valueBytes,
    headers: list,
    partition: partition === undefined ? null : integerIn("partition", partition, 0, LIMITS.partitionsPerTopicMax - 1),
    bufferedBytes: size + RECORD_OVERHEAD_BYTES,
  };
}

/** @throws VarveError UNKNOWN_TOPIC: no topic can have this name. */
export function checkTopicName(topic: unknown): asserts topic is string {
  const problem = typeof topic === "string" ? nameProblem(topic) : "is not text";
  if (problem === null) return;
  const shown = String(topic).slice(0, 300);
  throw new VarveError("INVALID_TOPIC_NAME", {
    message: `topic name ${JSON.stringify(shown)} ${problem}; nothing was written`,
    details: { topic: shown },
  });
}

function encodeValue<T>(value: T, serde: Serde<T> | null): Uint8Array {
  if (serde === null) return toBytes("value", value as Data);
  try {
    return serde.serialize(value);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new VarveError("INVALID_ARGUMENT", {
      message: `the serde cannot serialize the value: ${text}; nothing was written`,
      effect: "NOT_APPLIED",
      cause,
    });
  }
}

function recordTooLarge(recordBytes: number): VarveError {
  const recordBytesMax = LIMITS.recordBytesMax;
  return new VarveError("RECORD_TOO_LARGE", {
    message: `a record of ${recordBytes} bytes exceeds the limit of ${recordBytesMax}; nothing was written; split it or store it elsewhere`,
    details: { recordBytes, recordBytesMax },
  });
}
