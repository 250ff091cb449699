/**
 * record-json.ts: a record as one line of JSON.
 *
 * `{topic, partition, offset, timestamp, key, value, headers}`: timestamp in ISO 8601, key and value as text or null, headers by name; a
 * header that repeats has a list. Bytes that are not UTF-8 are written in base64: the record then has `"encoding": "base64"`, and
 * `encoded` lists which fields that concerns ("key", "value", "headers.NAME"); all others stay text.
 */
import { isUtf8 } from "node:buffer";
import type { VarveRecord } from "@varve/client";
import { formatTime } from "./time.js";

/** The line without its newline. */
export function recordJson(record: VarveRecord): string {
  const encoded: string[] = [];
  const text = (bytes: Buffer | null, field: string): string | null => texts([bytes], field, encoded)[0] ?? null;
  const key = text(record.key, "key");
  const value = text(record.value, "value");
  const headers = headersJson(record.rawHeaders, encoded);
  const { topic, partition, offset, timestampMs } = record;
  const line = { topic, partition, offset, timestamp: formatTime(timestampMs), key, value, headers };
  return JSON.stringify(encoded.length === 0 ? line : { ...line, encoding: "base64", encoded });
}

type HeaderJson = string | null | readonly (string | null)[];

function headersJson(rawHeaders: VarveRecord["rawHeaders"], encoded: string[]): Record<string, HeaderJson> {
  const byName = new Map<string, (Buffer | null)[]>();
  for (const [name, bytes] of rawHeaders) {
    const values = byName.get(name);
    if (values === undefined) byName.set(name, [bytes]);
    else values.push(bytes);
  }
  const entries = [...byName].map(([name, values]): [string, HeaderJson] => {
    const written = texts(values, `headers.${name}`, encoded);
    return [name, written.length === 1 ? (written[0] ?? null) : written];
  });
  // fromEntries defines properties: a header named __proto__ is a header like any other.
  return Object.fromEntries(entries);
}

/** The values of one field as text: all in base64, and the field noted in `encoded`, as soon as one of them is not UTF-8. */
function texts(values: readonly (Buffer | null)[], field: string, encoded: string[]): (string | null)[] {
  const isText = values.every((bytes) => bytes === null || isUtf8(bytes));
  if (!isText) encoded.push(field);
  return values.map((bytes) => bytes?.toString(isText ? "utf8" : "base64") ?? null);
}
