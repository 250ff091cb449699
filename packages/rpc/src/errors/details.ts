/**
 * details.ts: an error's details as a map of texts, as ErrorInfo has them, and back without loss.
 *
 * Text stays as it is unless it reads as JSON; everything else is JSON. So a person sees logStart: 17 and topic: orders, and
 * the way back knows 17 from "17".
 */
import type { ErrorDetails } from "@varve/base";

type DetailValue = ErrorDetails[string];

/** Most bytes of one error's details; trailers of HTTP/2 are bounded. Entries beyond it are left out. */
const DETAILS_BYTES_MAX = 4096;

export function encodeDetails(details: ErrorDetails): Record<string, string> {
  const texts: Record<string, string> = Object.create(null);
  let bytes = 0;
  for (const [key, value] of Object.entries(details)) {
    const text = typeof value === "string" && parsed(value) === undefined ? value : JSON.stringify(value);
    bytes += 3 * (key.length + text.length);
    if (bytes > DETAILS_BYTES_MAX) break;
    texts[key] = text;
  }
  return texts;
}

export function decodeDetails(texts: Readonly<Record<string, string>>): ErrorDetails {
  const details: Record<string, DetailValue> = {};
  for (const [key, text] of Object.entries(texts)) {
    if (key !== "__proto__") details[key] = asDetail(parsed(text)) ?? (text === "null" ? null : text);
  }
  return details;
}

/** The value that `text` is JSON of, or undefined. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function asDetail(value: unknown): Exclude<DetailValue, null> | undefined {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  if (Array.isArray(value) && value.every((element) => typeof element === "string")) return value;
  return undefined;
}
