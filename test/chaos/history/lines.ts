/**
 * lines.ts: the lines of a file, read in pieces, so that a history of any length is never in memory as a whole.
 *
 * Lines end with LF or CR LF. An empty last line is none.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";

const PIECE_BYTES = 1_024 * 1_024;

/** @throws what `node:fs` throws when the file cannot be read. */
export function* linesOf(path: string): Generator<string> {
  const file = openSync(path, "r");
  try {
    yield* split(piecesOf(file));
  } finally {
    closeSync(file);
  }
}

function* piecesOf(file: number): Generator<string> {
  const buffer = Buffer.allocUnsafe(PIECE_BYTES);
  const decoder = new StringDecoder("utf8");
  for (;;) {
    const bytes = readSync(file, buffer, 0, PIECE_BYTES, null);
    if (bytes === 0) break;
    yield decoder.write(buffer.subarray(0, bytes));
  }
  yield decoder.end();
}

/** Lines of a text that comes in pieces. */
export function* split(pieces: Iterable<string>): Generator<string> {
  // A final dump is one line of many pieces: they are joined once, when its end is there.
  let begun: string[] = [];
  for (const piece of pieces) {
    let from = 0;
    for (let end = piece.indexOf("\n"); end >= 0; end = piece.indexOf("\n", from)) {
      begun.push(piece.slice(from, end));
      yield withoutReturn(begun.join(""));
      begun = [];
      from = end + 1;
    }
    if (from < piece.length) begun.push(piece.slice(from));
  }
  if (begun.length > 0) yield withoutReturn(begun.join(""));
}

const withoutReturn = (line: string): string => (line.endsWith("\r") ? line.slice(0, -1) : line);
