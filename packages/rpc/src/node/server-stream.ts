/**
 * server-stream.ts: a grpc-js duplex call as a ServerStream: typed messages, held back in both directions.
 */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { onAbort, VarveError } from "@varve/base";
import type { BidiMethod } from "../methods.js";
import type { ServerStream } from "../server.js";
import type { Init } from "../wire/message-codec.js";
import { asBuffer } from "./metadata.js";
import { LARGE_RESPONSE_BYTES } from "./options.js";

/** What is on its way to the caller's connection, which has not taken it yet. */
export interface Outgoing {
  /** Resolves when a message of that many bytes may be handed over, or the caller is gone; it is counted then. */
  room(bytes: number): Promise<void>;
  /** Counts what is handed over without asking. */
  add(bytes: number): void;
  /** The connection has taken them, or never will. */
  taken(bytes: number): void;
}

export class GrpcServerStream<Request, Response> implements ServerStream<Request, Response> {
  private readonly call: ServerDuplexStream<Buffer, Buffer>;
  private readonly method: BidiMethod<Request, Response>;
  private readonly signal: AbortSignal;
  private readonly outgoing: Outgoing;
  /** Counted in `outgoing`. grpc-js holds up to 16 messages of any size before it says that it would rather not, so they are counted here. */
  private untakenBytes = 0;
  private isOver = false;
  private waiting: Promise<void> = Promise.resolve();
  private waiters = 0;

  constructor(
    call: ServerDuplexStream<Buffer, Buffer>,
    method: BidiMethod<Request, Response>,
    signal: AbortSignal,
    outgoing: Outgoing,
  ) {
    this.call = call;
    this.method = method;
    this.signal = signal;
    this.outgoing = outgoing;
    onAbort(signal, () => this.over());
  }

  get requests(): AsyncIterable<Request> {
    return this.read();
  }

  write(response: Init<Response>): Promise<void> {
    if (this.signal.aborted) return Promise.reject(clientGone());
    const bytes = asBuffer(this.method.encodeResponse(response));
    if (this.waiters === 0 && bytes.length < LARGE_RESPONSE_BYTES) {
      this.outgoing.add(bytes.length);
      return this.hand(bytes);
    }
    return this.handInTurn(bytes);
  }

  /** Hands over what is counted. */
  private hand(bytes: Buffer): Promise<void> {
    if (this.isOver) {
      this.outgoing.taken(bytes.length);
      return Promise.reject(clientGone());
    }
    this.untakenBytes += bytes.length;
    return this.call.write(bytes, () => this.taken(bytes.length)) ? Promise.resolve() : this.drained();
  }

  private taken(bytes: number): void {
    if (this.isOver) return;
    this.untakenBytes -= bytes;
    this.outgoing.taken(bytes);
  }

  private over(): void {
    this.isOver = true;
    this.outgoing.taken(this.untakenBytes);
    this.untakenBytes = 0;
  }

  /** A large message waits for room on its connection, and what comes after it waits behind it. */
  private async handInTurn(bytes: Buffer): Promise<void> {
    this.waiters++;
    const before = this.waiting;
    const { promise, resolve } = turn();
    this.waiting = promise;
    try {
      await before;
      await this.outgoing.room(bytes.length);
      const handed = this.hand(bytes);
      resolve();
      await handed;
    } finally {
      this.waiters--;
      resolve();
    }
  }

  /**
   * Not the stream's own iterator: that one destroys a stream that fails, and with it the status, if an answer has not gone out yet. The client would
   * not hear that the server closes until the connection ends.
   */
  private async *read(): AsyncGenerator<Request, void, undefined> {
    const { call } = this;
    for (;;) {
      if (this.signal.aborted) throw clientGone();
      const chunk = call.read() as Buffer | null;
      if (chunk !== null) yield this.method.decodeRequest(chunk);
      else if (call.readableEnded) return;
      else if (call.destroyed || (await this.news()) === "error") throw clientGone();
    }
  }

  /** Resolves when there may be something to read, or never will be; `error`: the call has failed. */
  private news(): Promise<"error" | "other"> {
    return new Promise((resolve) => {
      const settle = (news: "error" | "other"): void => {
        for (const event of NEWS) this.call.off(event, onOther);
        this.call.off("error", onError);
        forget();
        resolve(news);
      };
      const onOther = (): void => settle("other");
      const onError = (): void => settle("error");
      for (const event of NEWS) this.call.on(event, onOther);
      this.call.on("error", onError);
      const forget = onAbort(this.signal, onOther);
    });
  }

  private drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.call.off("drain", settle);
        forget();
        if (this.signal.aborted) reject(clientGone());
        else resolve();
      };
      this.call.on("drain", settle);
      const forget = onAbort(this.signal, settle);
    });
  }
}

const NEWS = ["readable", "end", "close"] as const;

interface Turn {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function turn(): Turn {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function clientGone(): VarveError {
  return new VarveError("ABORTED", { message: "the client of this stream is gone, or the server closes" });
}
