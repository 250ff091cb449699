/**
 * api.ts: what the broker asks of the links to its peers.
 *
 * Two TCP connections per direction and pair: lane "control" (heartbeats, votes, small and urgent) and lane "bulk" (appends, forwarded
 * calls, streams), so that a large append never delays a heartbeat. Whatever is queued in one turn leaves in one socket write.
 * Delivery: in order per lane while a link is up; a link that breaks loses what was in flight. Raft copes; calls fail typed.
 */
import type { BootId, BrokerId, Clock, ClusterId, DirectoryId, Logger, Random } from "@varve/base";

export { PeerFailure, PeerStreamAborted } from "./errors.js";

export type Lane = "control" | "bulk";

/** Said by both sides before anything else is read. */
export interface PeerHello {
  readonly brokerId: BrokerId;
  /** null until the broker belongs to a cluster. Two different ids refuse each other. */
  readonly clusterId: ClusterId | null;
  readonly directoryId: DirectoryId;
  readonly bootId: BootId;
  readonly protocolMin: number;
  readonly protocolMax: number;
}

/** Why a link went down. `refused`: the address answers that nobody listens, as it does right after a process was killed. */
export type LinkDownReason = "reset" | "refused" | "timeout" | "closed" | "protocol";

export interface PeerHubOptions {
  /** Read at each handshake: the cluster id may become known later. */
  readonly hello: () => PeerHello;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onMessage: (from: BrokerId, lane: Lane, kind: number, payload: Uint8Array) => void;
  readonly onLinkUp: (peer: PeerHello) => void;
  /** A connected peer said hello again with news, such as its cluster id; see `announce`. */
  readonly onPeerChanged?: (peer: PeerHello) => void;
  /** Also called when a reconnect finds that nobody listens (`refused`), once per outage. */
  readonly onLinkDown: (brokerId: BrokerId, reason: LinkDownReason) => void;
  /** Bytes queued to one peer and lane; above it `send` returns false. */
  readonly queueBytesMax: number;
  /** Bytes for what a call handler rejected with; the caller gets them as PeerFailure. Without it, a text with code INTERNAL. */
  readonly encodeError?: (thrown: unknown) => Uint8Array;
  /** A handshake failed, on either side: cluster ids differ, no common protocol version. Once per change of the reason. */
  readonly onRefused?: (address: string, reason: string) => void;
}

/** One direction of a multiplexed stream: messages in order, bounded by credits that the receiver grants. */
export interface PeerStream {
  /** Resolves when the message was accepted within the peer's credits. @throws VarveError UNREACHABLE, ABORTED. */
  write(message: Uint8Array): Promise<void>;
  /** No more writes from this side. */
  end(): void;
  /** Ends both directions with an error that the other side sees as `error`, an opaque encoding of it. */
  abort(error: Uint8Array): void;
  /** Messages from the other side; returns at its end, throws PeerStreamAborted (with its bytes) or VarveError UNREACHABLE. */
  readonly incoming: AsyncIterable<Uint8Array>;
}

/** Answers a call: resolves with the reply, or rejects: with a PeerFailure, whose bytes the caller gets, or with anything that `encodeError` encodes. */
export type CallHandler = (
  from: BrokerId,
  payload: Uint8Array,
  /** `deadlineMs`: when the caller gives up, on this side's monotonic clock. `signal`: deadline passed, cancelled, or link lost. */
  context: { readonly deadlineMs: number; readonly signal: AbortSignal },
) => Promise<Uint8Array>;
export type StreamHandler = (
  from: BrokerId,
  header: Uint8Array,
  stream: PeerStream,
  context: { readonly signal: AbortSignal },
) => void;

export interface PeerHub {
  /** Port 0 = any. @throws VarveError ADDRESS_UNUSABLE. */
  listen(host: string, port: number): Promise<{ readonly port: number }>;
  /**
   * Keeps a link to this address up from now on, with backoff; the handshake tells who it is. The name is looked up at every attempt.
   * `expected`: brokers that should answer there, as far as is known. Whoever else does gets a link all the same, since what is known may be out of
   * date, but only until an address at which it is expected leads to it, too. A later call replaces the earlier; one without leaves it.
   */
  connect(address: string, expected?: ReadonlySet<BrokerId>): void;
  disconnect(address: string): void;
  /** Brokers with a link that is up now. */
  connected(): readonly PeerHello[];
  isConnected(brokerId: BrokerId): boolean;
  /** Queues one message; its parts are not copied and must not change. False: no link or the queue is full, message dropped. */
  send(to: BrokerId, lane: Lane, kind: number, parts: readonly Uint8Array[]): boolean;
  /** Bytes queued to a peer on a lane and not yet taken by the kernel. */
  queuedBytes(to: BrokerId, lane: Lane): number;
  /** A unary call on the bulk lane. @throws PeerFailure, VarveError UNREACHABLE (never left, NOT_APPLIED; or UNKNOWN), TIMEOUT, ABORTED. */
  call(
    to: BrokerId,
    method: number,
    payload: Uint8Array,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Uint8Array>;
  /** A bidirectional stream on the bulk lane. */
  openStream(to: BrokerId, method: number, header: Uint8Array, options?: { readonly signal?: AbortSignal }): PeerStream;
  handleCall(method: number, handler: CallHandler): void;
  handleStream(method: number, handler: StreamHandler): void;
  /** Says hello again on every link, after what `hello` returns has changed. Links that no longer fit are closed, and then refused. */
  announce(): void;
  /** Writes what is queued now instead of at the end of the turn. */
  flush(): void;
  /** Says goodbye on every link (peers see `closed`), writes what is queued, stops listening. */
  close(): Promise<void>;
  /** Ends at once and without a word, as if the process had been killed: peers see `reset`, then `refused`. No callback follows. */
  destroy(): void;
}
