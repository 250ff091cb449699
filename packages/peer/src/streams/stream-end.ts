/**
 * stream-end.ts: this side's end of one stream; both sides use the same code.
 *
 * Invariants:
 *   T1  a message leaves only while credits are above zero; it may take them below zero once, so that a large one passes
 *   T2  the other side's unread messages never exceed the window by more than one message; more is a protocol violation
 *   T3  credits go back as the consumer takes messages, not as they arrive: a reader that never reads stops its writer
 *   T4  messages that arrived before an error are handed out before it
 */
import { assert, type BrokerId, type Effect, VarveError } from "@varve/base";
import type { PeerStream } from "../api.js";
import type { Channel } from "../channel.js";
import { PeerStreamAborted, peerOverloaded, peerUnreachable } from "../errors.js";
import { Fifo } from "../fifo.js";
import { PEER_LIMITS } from "../limits.js";
import { FrameType } from "../wire/frame.js";

const { streamWindowBytes: WINDOW_BYTES, streamMessageOverheadBytes: OVERHEAD_BYTES } = PEER_LIMITS;
const NOTHING = new Uint8Array(0);

interface WaitingWrite {
  readonly message: Uint8Array;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface WaitingRead {
  readonly resolve: (result: IteratorResult<Uint8Array>) => void;
  readonly reject: (error: Error) => void;
}

export interface StreamEndParts {
  readonly id: number;
  readonly peerId: BrokerId;
  readonly channel: Channel;
  /** Called once, when both directions are over. `error` is null after an orderly end. */
  readonly onOver: (error: Error | null) => void;
}

function costOf(message: Uint8Array): number {
  return message.length + OVERHEAD_BYTES;
}

export class StreamEnd implements PeerStream {
  readonly incoming: AsyncIterable<Uint8Array>;
  private readonly parts: StreamEndParts;
  /** Bytes that this side may still send. */
  private credits: number = WINDOW_BYTES;
  /** Bytes that the other side may still send. */
  private allowance: number = WINDOW_BYTES;
  /** Bytes that the consumer took and that were not yet granted again. */
  private takenBytes = 0;
  private readonly unread = new Fifo<Uint8Array>();
  private readonly writers = new Fifo<WaitingWrite>();
  private reader: WaitingRead | null = null;
  private local: "open" | "ending" | "ended" = "open";
  private remoteEnded = false;
  private failure: Error | null = null;
  private over = false;

  constructor(parts: StreamEndParts) {
    this.parts = parts;
    const iterator: AsyncIterator<Uint8Array> = {
      next: () => this.next(),
      return: () => {
        if (!this.over) this.abort(NOTHING);
        return Promise.resolve({ done: true, value: undefined });
      },
    };
    this.incoming = { [Symbol.asyncIterator]: () => iterator };
  }

  write(message: Uint8Array): Promise<void> {
    if (this.failure !== null) return Promise.reject(this.failure);
    if (this.local !== "open") return Promise.reject(this.closedError());
    if (message.length > PEER_LIMITS.frameBytesMax) return Promise.reject(tooLarge(message.length));
    if (this.writers.length === 0 && this.mayWrite()) {
      this.sendData(message);
      return Promise.resolve();
    }
    if (this.writers.length >= PEER_LIMITS.streamWritersMax) {
      return Promise.reject(peerOverloaded(this.parts.peerId, `${this.writers.length} writes wait on one stream`));
    }
    return new Promise((resolve, reject) => {
      this.writers.push({ message, resolve, reject });
    });
  }

  end(): void {
    if (this.local !== "open" || this.failure !== null) return;
    this.local = "ending";
    this.pump();
  }

  abort(error: Uint8Array): void {
    if (this.over) return;
    this.parts.channel.send(FrameType.abort, 0, this.parts.id, 0, [error]);
    this.unread.clear();
    this.fail(this.abortedHere());
  }

  /** Sends what waits, as far as credits and the connection allow. */
  pump(): void {
    for (let write = this.writers.peek(); write !== undefined && this.mayWrite(); write = this.writers.peek()) {
      this.writers.shift();
      this.sendData(write.message);
      write.resolve();
    }
    if (this.local !== "ending" || this.writers.length > 0) return;
    this.local = "ended";
    this.parts.channel.send(FrameType.end, 0, this.parts.id, 0);
    this.settle();
  }

  /** Returns what is wrong with the frame, or null. */
  onData(message: Uint8Array): string | null {
    if (this.remoteEnded) return "stream data after its end";
    if (this.allowance <= 0) return "stream data beyond its credits";
    this.allowance -= costOf(message);
    const reader = this.reader;
    if (reader === null) {
      this.unread.push(message);
      return null;
    }
    this.reader = null;
    this.taken(message);
    reader.resolve({ done: false, value: message });
    return null;
  }

  /** Returns what is wrong with the frame, or null. */
  onCredit(bytes: number): string | null {
    this.credits += bytes;
    if (this.credits > WINDOW_BYTES) return "stream credits beyond the window";
    this.pump();
    return null;
  }

  onEnd(): void {
    this.remoteEnded = true;
    this.reader?.resolve({ done: true, value: undefined });
    this.reader = null;
    this.settle();
  }

  onAbort(error: Uint8Array): void {
    this.fail(new PeerStreamAborted(error));
  }

  /** The link is gone. */
  onLinkLost(why: string, effect: Effect): void {
    this.fail(peerUnreachable(this.parts.peerId, why, effect));
  }

  /** Ends the stream for both sides with an error of this side, unless it is over. */
  cancel(error: Error): void {
    if (this.over) return;
    this.parts.channel.send(FrameType.abort, 0, this.parts.id, 0, [NOTHING]);
    this.unread.clear();
    this.fail(error);
  }

  private next(): Promise<IteratorResult<Uint8Array>> {
    const message = this.unread.shift();
    if (message !== undefined) {
      this.taken(message);
      return Promise.resolve({ done: false, value: message });
    }
    if (this.failure !== null) return Promise.reject(this.failure);
    if (this.remoteEnded) return Promise.resolve({ done: true, value: undefined });
    assert(this.reader === null, "a stream has one reader at a time");
    return new Promise((resolve, reject) => {
      this.reader = { resolve, reject };
    });
  }

  private taken(message: Uint8Array): void {
    this.takenBytes += costOf(message);
    if (this.takenBytes < WINDOW_BYTES / 2 || this.over || this.remoteEnded) return;
    this.allowance += this.takenBytes;
    this.parts.channel.send(FrameType.credit, 0, this.parts.id, this.takenBytes);
    this.takenBytes = 0;
  }

  private mayWrite(): boolean {
    return this.credits > 0 && this.parts.channel.queuedBytes < PEER_LIMITS.streamBacklogBytesMax;
  }

  private sendData(message: Uint8Array): void {
    this.credits -= costOf(message);
    this.parts.channel.send(FrameType.data, 0, this.parts.id, 0, [message]);
  }

  private fail(error: Error): void {
    if (this.over) return;
    this.failure = error;
    this.over = true;
    for (let write = this.writers.shift(); write !== undefined; write = this.writers.shift()) write.reject(error);
    this.reader?.reject(error);
    this.reader = null;
    this.parts.onOver(error);
  }

  private settle(): void {
    if (this.over || this.local !== "ended" || !this.remoteEnded) return;
    this.over = true;
    this.parts.onOver(null);
  }

  private closedError(): VarveError {
    return new VarveError("CLOSED", { message: `stream to broker ${this.parts.peerId}: written to after its end` });
  }

  private abortedHere(): VarveError {
    const message = `stream to broker ${this.parts.peerId} was aborted by this side`;
    return new VarveError("ABORTED", { message, effect: "UNKNOWN" });
  }
}

function tooLarge(bytes: number): VarveError {
  const { frameBytesMax } = PEER_LIMITS;
  const message = `stream message of ${bytes} bytes: at most ${frameBytesMax} fit a frame`;
  return new VarveError("INVALID_ARGUMENT", { message, details: { bytes, bytesMax: frameBytesMax } });
}
