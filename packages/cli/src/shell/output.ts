/**
 * output.ts: one of the process's two output streams: bytes in order, few system calls, never more than a bounded amount in memory.
 *
 * Invariants:
 *   U1  what `write` was given leaves in that order
 *   U2  a caller that awaits `write` holds back when the reader of the stream is slow
 *   U3  after a write failed, because the reader has gone (EPIPE) or the disk is full, `onClosed` was called once and everything else is
 *       dropped
 *   U4  `flush` answers true only when the operating system has taken all that was written before
 */
import type { Writable } from "node:stream";

/** Bytes that are collected before they are handed to the stream within one turn of the event loop. */
const PENDING_BYTES_MAX = 64 * 1024;

/** What commands need of a stream; the real one is below, tests collect in memory. */
export interface Output {
  /** Whether a person looks at it. */
  readonly isTerminal: boolean;
  /** Adds bytes or text (as UTF-8) to what leaves soon. Await it where much is written. */
  write(data: string | Uint8Array): Promise<boolean> | undefined;
  /** Resolves when everything written has left the process: true; or when nobody takes it any more: false. */
  flush(): Promise<boolean>;
}

/** A process stream as an Output. */
export class StreamOutput implements Output {
  readonly isTerminal: boolean;
  private readonly stream: Writable;
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private scheduled = false;
  private closed = false;
  private leaving: Promise<boolean> = Promise.resolve(true);

  constructor(stream: Writable & { readonly isTTY?: boolean }, onClosed: (error: Error) => void) {
    this.stream = stream;
    this.isTerminal = stream.isTTY === true;
    stream.on("error", (error) => {
      if (this.closed) return;
      this.closed = true;
      this.pending = [];
      onClosed(error);
    });
  }

  write(data: string | Uint8Array): Promise<boolean> | undefined {
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

  flush(): Promise<boolean> {
    if (this.pending.length > 0) {
      const bytes = Buffer.concat(this.pending);
      this.pending = [];
      this.pendingBytes = 0;
      this.leaving = this.send(bytes); // The stream keeps the order: when this has left, all before it has.
    }
    return this.leaving;
  }

  /** Resolves when the operating system has the bytes (true), or will never take them (false). */
  private send(bytes: Uint8Array): Promise<boolean> {
    if (this.closed) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.stream.write(bytes, (error) => resolve(!error)); // U4: the stream's error event comes later.
    });
  }
}
