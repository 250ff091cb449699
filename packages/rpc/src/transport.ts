/**
 * transport.ts: the port through which a client calls brokers. Real: node/grpc-transport.ts; simulated: testing/.
 *
 * Invariants of every implementation:
 *   T1  every rejection is a VarveError. One that the broker sent arrives whole. Of the others, UNREACHABLE has effect NOT_APPLIED
 *       only if the request has certainly not been handed to a broker's code; TIMEOUT and ABORTED likewise
 *   T2  a call whose signal is aborted settles at once with ABORTED; one whose deadline passes, with TIMEOUT
 *   T3  messages of one stream arrive in order, each at most once, none after it ended
 */

import type { BidiMethod, UnaryMethod } from "./methods.js";
import type { Init } from "./wire/message-codec.js";

export interface UnaryOptions {
  /** Gives up after this long, milliseconds, > 0. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface BidiOptions {
  /** Cancels the stream. */
  readonly signal?: AbortSignal | undefined;
}

/** The client's end of a bidirectional stream. */
export interface ClientStream<Request, Response> {
  /** Queues a message; resolves when the next one may come. Rejects like `responses` when the stream is over. */
  write(request: Init<Request>): Promise<void>;
  /** No more messages from this side. */
  end(): void;
  /** Ends both directions now. */
  cancel(): void;
  /** The server's messages in order; ends when the server ended in order, throws its error else. Iterate once; leaving it cancels. */
  readonly responses: AsyncIterable<Response>;
}

/** Calls to one address, over a connection that is made when needed and made again when lost. */
export interface RpcChannel {
  /** `host:port`. */
  readonly address: string;
  unary<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Init<Request>,
    options: UnaryOptions,
  ): Promise<Response>;
  bidi<Request, Response>(method: BidiMethod<Request, Response>, options: BidiOptions): ClientStream<Request, Response>;
  /**
   * Calls from now on use a new connection, for which the name is looked up again; those under way go on with theirs. For an address that does not
   * answer: what had it may be elsewhere by now. More often than once a second it does nothing.
   */
  renew(): void;
  /** Ends all calls with CLOSED or UNREACHABLE and lets the connection go. */
  close(): void;
}

/** Makes channels. */
export interface RpcTransport {
  /** Does not connect yet, and does not throw for an address that does not exist. */
  channel(address: string): RpcChannel;
}
