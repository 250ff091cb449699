/**
 * matcher.ts: finds repeats in a block, greedily, for the LZ4 and the Snappy writer, which differ in notation only.
 *
 * Invariants:
 *   M1  every match lies inside the block and repeats bytes 1 .. 65,535 before it
 *   M2  literals and matches together are the block, in order, without overlap
 *   M3  no match starts in the last 12 bytes of a block or reaches into its last 5 (LZ4 block format, "end of block")
 */
import { readUint32Le } from "../bytes.js";

/** Takes what the matcher finds. */
export interface MatchSink {
  /** The literal bytes `literalStart .. literalEnd - 1`, then `length` bytes equal to those `distance` back. */
  match(literalStart: number, literalEnd: number, distance: number, length: number): void;
  /** The literal bytes after the last match; may be none. */
  tail(literalStart: number, literalEnd: number): void;
}

const HASH_BITS = 14;
const MATCH_BYTES_MIN = 4;
const DISTANCE_MAX = 65_535;
const MATCH_START_MARGIN = 12;
const MATCH_END_MARGIN = 5;
/** After 2^6 misses in a row every second position is tried, then every third: data without repeats costs little. */
const SKIP_SHIFT = 6;

/** Last position seen for each hash of four bytes, plus 1; 0 = none. Cleared per block, so equal input gives equal output. */
const positions = new Int32Array(1 << HASH_BITS);

/** Cuts the block `start .. end - 1` of `bytes` into literals and matches. */
export function findMatches(bytes: Uint8Array, start: number, end: number, sink: MatchSink): void {
  positions.fill(0);
  const startLimit = end - MATCH_START_MARGIN;
  let literalStart = start;
  let misses = 0;
  let at = start;
  while (at < startLimit) {
    const word = readUint32Le(bytes, at);
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
    const candidate = (positions[slot] as number) - 1;
    positions[slot] = at + 1;
    if (candidate < start || at - candidate > DISTANCE_MAX || readUint32Le(bytes, candidate) !== word) {
      at += 1 + (misses++ >> SKIP_SHIFT);
      continue;
    }
    const matchEnd = extend(bytes, candidate + MATCH_BYTES_MIN, at + MATCH_BYTES_MIN, end - MATCH_END_MARGIN);
    sink.match(literalStart, at, at - candidate, matchEnd - at);
    at = matchEnd;
    literalStart = matchEnd;
    misses = 0;
  }
  sink.tail(literalStart, end);
}

/** The first position at or after `at`, below `limit`, whose byte differs from the one at the same step from `earlier`. */
function extend(bytes: Uint8Array, earlier: number, at: number, limit: number): number {
  let from = earlier;
  let to = at;
  while (to < limit && bytes[to] === bytes[from]) {
    to++;
    from++;
  }
  return to;
}
