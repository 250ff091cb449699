/** entries.ts: runs of entries and their sizes; and what must hold. */
import type { Entry } from "./types.js";

/** An invariant of the core does not hold: the host must stop this node. */
export function assert(ok: boolean, why: string): asserts ok {
  if (!ok) throw new Error(`raft: ${why}`);
}

/** Bytes of the entries' data. */
export function bytesOf(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  return bytes;
}

/** As many entries from the front as fit into `bytesMax`, and at least one. */
export function limit(entries: readonly Entry[], bytesMax: number): readonly Entry[] {
  let bytes = 0;
  for (const [at, entry] of entries.entries()) {
    bytes += entry.data.length;
    if (bytes > bytesMax && at > 0) return entries.slice(0, at);
  }
  return entries;
}
