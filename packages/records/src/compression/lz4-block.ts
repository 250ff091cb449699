/**
 * lz4-block.ts: one LZ4 block: sequences of (token, literals, 2-byte distance, longer lengths).
 *
 * Reading never writes outside `targetAt .. targetEnd` and never reads outside `start .. end`, whatever the bytes are.
 * Source: "LZ4 Block Format Description" (lz4 project, 2022).
 */
import { corruptBatch } from "../batch-errors.js";
import { copyLiteral, copyMatch } from "./copy.js";
import { findMatches, type MatchSink } from "./matcher.js";

const MATCH_BYTES_MIN = 4;

/** Most bytes that a block of `bytes` input bytes can take when nothing repeats. */
export function lz4BlockBytesMax(bytes: number): number {
  return bytes + Math.ceil(bytes / 255) + 16;
}

/** Writes sequences into `target` from `at` on. */
class Lz4Writer implements MatchSink {
  constructor(
    private readonly source: Uint8Array,
    private readonly target: Uint8Array,
    public at: number,
  ) {}

  match(literalStart: number, literalEnd: number, distance: number, length: number): void {
    const literals = literalEnd - literalStart;
    const extra = length - MATCH_BYTES_MIN;
    this.writeLiterals(literalStart, literals, Math.min(extra, 15));
    this.target[this.at++] = distance;
    this.target[this.at++] = distance >> 8;
    if (extra >= 15) this.writeLength(extra - 15);
  }

  tail(literalStart: number, literalEnd: number): void {
    this.writeLiterals(literalStart, literalEnd - literalStart, 0);
  }

  private writeLiterals(start: number, literals: number, matchNibble: number): void {
    this.target[this.at++] = (Math.min(literals, 15) << 4) | matchNibble;
    if (literals >= 15) this.writeLength(literals - 15);
    copyLiteral(this.target, this.at, this.source, start, literals);
    this.at += literals;
  }

  private writeLength(length: number): void {
    let rest = length;
    for (; rest >= 255; rest -= 255) this.target[this.at++] = 255;
    this.target[this.at++] = rest;
  }
}

/** Compresses `start .. end - 1` of `source` into `target` at `at` (room for lz4BlockBytesMax); the position after it. */
export function lz4CompressBlock(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
): number {
  const writer = new Lz4Writer(source, target, at);
  findMatches(source, start, end, writer);
  return writer.at;
}

/** Where a block is read from and written to; `historyStart` is the earliest byte that a match may repeat. */
export interface Lz4BlockSpan {
  readonly source: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly target: Uint8Array;
  readonly targetAt: number;
  readonly targetEnd: number;
  readonly historyStart: number;
}

/**
 * Decompresses one block; the position in `target` after it, or -1 when it would pass `targetEnd`.
 * @throws VarveError CORRUPT_BATCH
 */
export function lz4DecompressBlock(span: Lz4BlockSpan): number {
  const { source, end, target, targetEnd, historyStart } = span;
  let at = span.start;
  let to = span.targetAt;
  while (at < end) {
    const token = source[at++] as number;
    let literals = token >> 4;
    if (literals === 15) {
      const after = lengthEnd(source, at, end);
      literals += lengthValue(source, at, after);
      at = after;
    }
    if (literals > end - at) throw corruptBatch("an lz4 block ends inside its literals");
    if (literals > targetEnd - to) return -1;
    copyLiteral(target, to, source, at, literals);
    at += literals;
    to += literals;
    if (at === end) return to; // The last sequence has no match.
    if (end - at < 2) throw corruptBatch("an lz4 block ends inside a match");
    const distance = (source[at] as number) | ((source[at + 1] as number) << 8);
    at += 2;
    let length = (token & 15) + MATCH_BYTES_MIN;
    if ((token & 15) === 15) {
      const after = lengthEnd(source, at, end);
      length += lengthValue(source, at, after);
      at = after;
    }
    if (distance === 0 || distance > to - historyStart) throw corruptBatch("an lz4 match lies before the data");
    if (length > targetEnd - to) return -1;
    copyMatch(target, to, distance, length);
    to += length;
  }
  throw corruptBatch("an lz4 block ends without its last literals");
}

/** The position after a longer length that starts at `at`: bytes of 255 and one below. */
function lengthEnd(source: Uint8Array, at: number, end: number): number {
  let last = at;
  while (last < end && source[last] === 255) last++;
  if (last >= end) throw corruptBatch("an lz4 block ends inside a length");
  return last + 1;
}

function lengthValue(source: Uint8Array, at: number, after: number): number {
  return (after - 1 - at) * 255 + (source[after - 1] as number);
}
