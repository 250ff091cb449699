/**
 * lines.ts: cuts a stream of bytes into lines.
 *
 * Invariants:
 *   L1  the lines joined by "\n" are the input, without its last "\n" if it ends with one: no other byte is touched (CR, NUL, broken UTF-8)
 *   L2  memory: the lines of one chunk and one unfinished line, of at most `lineBytesMax`
 */
import { VarveError } from "@varve/base";

const NEWLINE = 0x0a;

export class LineSplitter {
  private readonly lineBytesMax: number;
  /** Pieces of the line whose end has not come yet. */
  private open: Uint8Array[] = [];
  private openBytes = 0;
  private finished = 0;

  /** @param lineBytesMax a longer line is an error, so that input without newlines cannot fill the memory. */
  constructor(lineBytesMax: number) {
    this.lineBytesMax = lineBytesMax;
  }

  /**
   * The lines that end in `chunk`, without their newlines.
   * @throws VarveError RECORD_TOO_LARGE with the number of the line.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      lines.push(this.close(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (start < chunk.length) this.keep(chunk.subarray(start));
    return lines;
  }

  /** The last line when the input did not end with a newline. */
  end(): Uint8Array | null {
    return this.openBytes === 0 ? null : this.close(new Uint8Array(0));
  }

  private close(rest: Uint8Array): Uint8Array {
    this.keep(rest);
    const line = this.open.length === 1 ? rest : Buffer.concat(this.open);
    this.open = [];
    this.openBytes = 0;
    this.finished += 1;
    return line;
  }

  private keep(piece: Uint8Array): void {
    this.openBytes += piece.length;
    if (this.openBytes > this.lineBytesMax) {
      throw new VarveError("RECORD_TOO_LARGE", {
        message: `line ${this.finished + 1} is longer than ${this.lineBytesMax} bytes; a record per line cannot hold it`,
        details: { line: this.finished + 1, lineBytesMax: this.lineBytesMax },
      });
    }
    this.open.push(piece);
  }
}

/** Every line of a stream, chunk by chunk. */
export async function* linesOf(stream: AsyncIterable<Uint8Array>, lineBytesMax: number): AsyncGenerator<Uint8Array[]> {
  const splitter = new LineSplitter(lineBytesMax);
  for await (const chunk of stream) {
    const lines = splitter.push(chunk);
    if (lines.length > 0) yield lines;
  }
  const last = splitter.end();
  if (last !== null) yield [last];
}
