/**
 * frame-reader.ts: turns the chunks of a connection into frames.
 *
 * Invariants:
 *   R1  each byte is copied at most once: a payload inside one chunk is a view of it; one that spans chunks is gathered in memory
 *       allocated once, at its final size
 *   R2  nothing is allocated before the header's checksum holds and its length is within the limit
 *   R3  after a problem no frame is handed out any more
 */
import { crc32c } from "./crc32c.js";
import { type Frame, HEADER_BYTES, headerProblem, readUint32 } from "./frame.js";

const EMPTY = new Uint8Array(0);

export class FrameReader {
  private readonly onFrame: (frame: Frame) => void;
  private readonly frame: Frame = { type: 0, kind: 0, id: 0, argument: 0, payload: EMPTY };
  private readonly header = new Uint8Array(HEADER_BYTES);
  private headerBytes = 0;
  /** The payload that is being gathered; `header` is complete then. */
  private payload: Uint8Array | null = null;
  private payloadBytes = 0;
  private stopped = false;
  /** Largest payload that is accepted; raised once the handshake is over. */
  payloadBytesMax: number;

  constructor(payloadBytesMax: number, onFrame: (frame: Frame) => void) {
    this.payloadBytesMax = payloadBytesMax;
    this.onFrame = onFrame;
  }

  /** No more frames, also when called by `onFrame` in the middle of a chunk. */
  stop(): void {
    this.stopped = true;
    this.payload = null;
  }

  /** Takes the next bytes of the stream, hands out the frames that they complete. Returns what is wrong with them, or null. */
  feed(chunk: Uint8Array): string | null {
    let at = 0;
    while (!this.stopped) {
      if (this.payload !== null) {
        at = this.gather(this.payload, chunk, at);
        if (this.payloadBytes < this.payload.length) return null;
        const payload = this.payload;
        this.payload = null;
        const problem = this.deliver(this.header, 0, payload);
        if (problem !== null) return this.fail(problem);
        continue;
      }
      if (this.headerBytes > 0 || chunk.length - at < HEADER_BYTES) {
        if (at === chunk.length) return null;
        at = this.gatherHeader(chunk, at);
        if (this.headerBytes < HEADER_BYTES) return null;
        this.headerBytes = 0;
        const problem = headerProblem(this.header, 0, this.payloadBytesMax);
        if (problem !== null) return this.fail(problem);
        this.expect(readUint32(this.header, 0));
        continue;
      }
      const problem = headerProblem(chunk, at, this.payloadBytesMax);
      if (problem !== null) return this.fail(problem);
      const payloadEnd = at + HEADER_BYTES + readUint32(chunk, at);
      if (payloadEnd <= chunk.length) {
        const problem = this.deliver(chunk, at, chunk.subarray(at + HEADER_BYTES, payloadEnd));
        if (problem !== null) return this.fail(problem);
        at = payloadEnd;
        continue;
      }
      this.header.set(chunk.subarray(at, at + HEADER_BYTES));
      this.expect(readUint32(chunk, at));
      at += HEADER_BYTES;
    }
    return null;
  }

  private expect(payloadBytes: number): void {
    this.payload = payloadBytes === 0 ? EMPTY : new Uint8Array(payloadBytes);
    this.payloadBytes = 0;
  }

  private gather(payload: Uint8Array, chunk: Uint8Array, at: number): number {
    const end = Math.min(chunk.length, at + payload.length - this.payloadBytes);
    payload.set(chunk.subarray(at, end), this.payloadBytes);
    this.payloadBytes += end - at;
    return end;
  }

  private gatherHeader(chunk: Uint8Array, at: number): number {
    const end = Math.min(chunk.length, at + HEADER_BYTES - this.headerBytes);
    this.header.set(chunk.subarray(at, end), this.headerBytes);
    this.headerBytes += end - at;
    return end;
  }

  private deliver(header: Uint8Array, at: number, payload: Uint8Array): string | null {
    const checkedBytes = readUint32(header, at + 16);
    if (crc32c(payload, 0, checkedBytes) !== readUint32(header, at + 20)) return "payload checksum differs";
    const frame = this.frame;
    frame.type = header[at + 4] as number;
    frame.kind = (header[at + 6] as number) | ((header[at + 7] as number) << 8);
    frame.id = readUint32(header, at + 8);
    frame.argument = readUint32(header, at + 12);
    frame.payload = payload;
    this.onFrame(frame);
    return null;
  }

  private fail(problem: string): string {
    this.stop();
    return problem;
  }
}
