/** record-line.ts: a record as `varve consume` prints it. */
import type { VarveRecord } from "@varve/client";
import { recordJson } from "./record-json.js";

/** value: the value's bytes; json: everything (record-json.ts). */
export type RecordFormat = "value" | "json";

const NEWLINE = Buffer.from("\n");

/** The line with its newline; a record without value is an empty one. */
export function recordLine(record: VarveRecord, format: RecordFormat): string | Uint8Array {
  if (format === "json") return `${recordJson(record)}\n`;
  return record.value === null ? NEWLINE : Buffer.concat([record.value, NEWLINE]);
}
