/**
 * input.ts: what users hand over as keys, values and headers, as bytes.
 */
import type { RecordHeader } from "@varve/records";
import { invalidArgument } from "../options.js";

/** Bytes, or what has an obvious form as bytes: text is UTF-8, a number its decimal text. */
export type Data = string | number | Uint8Array;

/** Header values by name; null is allowed; a list keeps repeats. */
export type HeadersInput =
  | Readonly<Record<string, Data | null | undefined>>
  | readonly (readonly [name: string, value: Data | null])[];

export function toBytes(what: string, data: Data): Uint8Array {
  if (typeof data === "string") return Buffer.from(data, "utf8");
  if (data instanceof Uint8Array) return data;
  if (typeof data === "number") return Buffer.from(String(data), "latin1");
  throw invalidArgument(
    `${what} is ${describe(data)}, but must be text, a number, a Buffer or a Uint8Array; use a serde for objects`,
  );
}

export function toHeaders(headers: HeadersInput): RecordHeader[] {
  const entries = isPairs(headers) ? headers : Object.entries(headers);
  const list: RecordHeader[] = [];
  for (const [name, value] of entries) {
    if (typeof name !== "string") throw invalidArgument(`a header name is ${describe(name)}, but must be text`);
    if (value !== undefined) list.push([name, value === null ? null : toBytes(`header ${name}`, value)]);
  }
  return list;
}

function isPairs(headers: HeadersInput): headers is readonly (readonly [name: string, value: Data | null])[] {
  return Array.isArray(headers);
}

function describe(value: unknown): string {
  return value === null ? "null" : typeof value;
}
