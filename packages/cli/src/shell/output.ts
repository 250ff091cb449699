/**
 * output.ts: one of the process's two output streams: bytes in order, few system calls, never more than a bounded amount in memory.
 *
 * Invariants:
 *   U1  what `write` was given leaves in that order
 *   U2  a caller that awaits `write` holds back when the reader of the stream is slow
 *   U3  after the reader has gone (EPIPE), `onClosed` was called once and everything else is dropped in silence
 */
import type { Writable } from "node:stream";

/** Bytes that are collected before they are handed to the stream within one turn of the event loop. */
const PENDING_BYTES_MAX = 64 * 1024;

/** What commands need of a stream; the real one is below, tests collect in memory. */
export interface Output {
  /** Whether a person looks at it. */
  readonly isTerminal: boolean;
  /** Adds bytes or text (as UTF-8) to what leaves soon. Await it where much is written. */
  write(data: string | Uint8Array): Promise<void> | undefined;
  /** Resolves when everything written has left the process, or nobody reads any more. */
  flush(): Promise<void>;
}

/** A process stream as an Output. */
export class StreamOutput implements Output {
  readonly isTerminal: boolean;
  private readonly stream: Writable;
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private scheduled = false;
  private closed = false;
  private leaving: Promise<void> = Promise.resolve();

  constructor(stream: Writable & { readonly isTTY?: boolean }, onClosed: () => void) {
    this.stream = stream;
    this.isTerminal = stream.isTTY === true;
    stream.on("error", () => {
      if (this.closed) return;
      this.closed = true;
      this.pending = [];
      onClosed();
    });
  }

  write(data: string | Uint8Array): Promise<void> | undefined {
    if (this.closed || data.length === 0) return undefined;
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    this.pending.push(bytes);
    this.pendingBytes += bytes.length;
    if (this.pendingBytes >= PENDING_BYTES_MAX) return this.flush();
    if (!this.scheduled) {
      this.scheduled = true;
      setImmediate(() => {
        this.scheduled = false;
        void this.flush();
      });
    }
    return undefined;
  }

  flush(): Promise<void> {
    if (this.pending.length > 0) {
      const bytes = Buffer.concat(this.pending);
      this.pending = [];
      this.pendingBytes = 0;
      this.leaving = this.send(bytes); // The stream keeps the order: when this has left, all before it has.
    }
    return this.leaving;
  }

  /** Resolves when the operating system has the bytes, or will never take them. */
  private send(bytes: Uint8Array): Promise<void> {
    if (this.closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.stream.write(bytes, () => resolve());
    });
  }
}
