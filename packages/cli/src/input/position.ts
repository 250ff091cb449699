/**
 * position.ts: places in a topic as the options --from and --to name them.
 */
import { NUMBER_MAX } from "@varve/base";
import { parseTime } from "./time.js";

/** An offset or a time. */
export type Place = { readonly offset: number } | { readonly timeMs: number };
export type StartPosition = "earliest" | "latest" | Place;
export type EndPosition = "end" | Place;

/** Reads --from; null when the text is no position. */
export function parseStart(text: string): StartPosition | null {
  return text === "earliest" || text === "latest" ? text : parsePlace(text);
}

/** Reads --to; null when the text is no position. */
export function parseEnd(text: string): EndPosition | null {
  return text === "end" ? text : parsePlace(text);
}

/** Whether a position is an offset, which means something in one partition only. */
export function isOffset(position: StartPosition | EndPosition | undefined): boolean {
  return typeof position === "object" && "offset" in position;
}

function parsePlace(text: string): Place | null {
  if (/^\d+$/.test(text)) {
    const offset = Number(text);
    return offset <= NUMBER_MAX ? { offset } : null;
  }
  const timeMs = parseTime(text);
  return timeMs === null ? null : { timeMs };
}
