/**
 * order.ts: in which order the records are sent, and how --tamper spoils one of them on the way.
 */
import { VarveError } from "@varve/base";
import type { InputFile, InputRecord } from "./input.js";

/** What --tamper does to one record. Every one of them must make the proof fail. */
export const TAMPERS = ["drop", "swap", "duplicate"] as const;
export type Tamper = (typeof TAMPERS)[number];

/**
 * The records of all files, one line of each in turn, so that all partitions are busy at any time. Lines of one file, and so of one key, stay
 * in order.
 */
export function interleave(files: readonly InputFile[]): InputRecord[] {
  const ordered: InputRecord[] = [];
  let open = files.filter(({ records }) => records.length > 0);
  for (let line = 0; open.length > 0; line++) {
    for (const { records } of open) {
      const record = records[line];
      if (record !== undefined) ordered.push(record);
    }
    open = open.filter(({ records }) => records.length > line + 1);
  }
  return ordered;
}

/** The records with one of them left out, sent twice, or sent after the next one of its key. */
export function tamper(records: readonly InputRecord[], how: Tamper): InputRecord[] {
  if (how === "swap") return swapOfOneKey(records);
  const at = Math.floor(records.length / 4);
  const before = records.slice(0, at);
  return how === "drop"
    ? [...before, ...records.slice(at + 1)]
    : [...before, ...records.slice(at, at + 1), ...records.slice(at)];
}

/** Exchanges the first two records of one key that differ in value and have no record of that key between them. */
function swapOfOneKey(records: readonly InputRecord[]): InputRecord[] {
  const lastOfKey = new Map<string, { readonly at: number; readonly record: InputRecord }>();
  for (const [at, record] of records.entries()) {
    if (record.key === null) continue;
    const name = Buffer.from(record.key).toString("latin1");
    const last = lastOfKey.get(name);
    if (last !== undefined && !Buffer.from(record.value).equals(last.record.value)) {
      return records.with(last.at, record).with(at, last.record);
    }
    lastOfKey.set(name, { at, record });
  }
  throw new VarveError("INVALID_ARGUMENT", {
    message: "--tamper swap needs an input with two different lines of one key (give --key-field)",
  });
}
