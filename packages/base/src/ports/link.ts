/**
 * link.ts: the port to byte streams between brokers. Framing, lanes, handshake and retries are above it, in the peer package.
 *
 * Invariants of every implementation:
 *   L1  bytes arrive in the order in which they were written, each once, until the connection closes
 *   L2  no handler is called inside `dial`, `start`, `write`, `pause` or `resume`, and none after `destroy`
 *   L3  `onClose` is called once, as the last, unless this side called `destroy`
 *   L4  after `pause` no `onData` until `resume`; bytes that were on their way are kept
 */

/**
 * Why a connection is over. `ended`: the other side closed in order. `refused`: the address answers that nobody listens.
 * `timeout`: no answer. `unreachable`: no such host, or no way to it.
 */
export type LinkCloseReason = "ended" | "reset" | "refused" | "timeout" | "unreachable";

export interface LinkHandlers {
  /** Bytes that arrived. They are the receiver's from now on: the implementation never writes to that memory again. */
  readonly onData: (chunk: Uint8Array) => void;
  /** The transport has taken everything, after more had been written than it takes at once. */
  readonly onDrain?: () => void;
  readonly onClose: (reason: LinkCloseReason) => void;
}

/** One connection. Bytes that arrive before `start` are kept; a dialed one may be written to before the other side has accepted. */
export interface LinkConnection {
  /** `host:port` of the other end. */
  readonly remoteAddress: string;
  /** Bytes written and not yet taken by the transport. */
  readonly bufferedBytes: number;
  /** Sets the handlers; exactly once. */
  start(handlers: LinkHandlers): void;
  /** Writes all buffers, in order, in one go. They are not copied and must not change until they have left. */
  write(buffers: readonly Uint8Array[]): void;
  pause(): void;
  resume(): void;
  /** Writes what is buffered, then closes. Nothing may be written afterwards. */
  end(): void;
  /** Closes at once; what is buffered is lost. */
  destroy(): void;
}

export interface LinkListener {
  readonly port: number;
  /** Accepts no more. Connections that were accepted live on. */
  close(): Promise<void>;
}

export interface Link {
  /**
   * Accepts connections. Port 0 = any free one.
   * @throws VarveError ADDRESS_UNUSABLE.
   */
  listen(host: string, port: number, onConnection: (connection: LinkConnection) => void): Promise<LinkListener>;
  /**
   * Starts to connect to `host:port` or `[v6]:port`; failure is told by `onClose`.
   * @throws VarveError INVALID_ARGUMENT: `address` is neither.
   */
  dial(address: string): LinkConnection;
}
