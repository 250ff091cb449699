/** limits.ts: every bound and time of the links between brokers. */
import { KIB, MIB } from "@varve/base";

export const PEER_LIMITS = {
  /** Payload of one frame. Largest user: a produce request of 8 MiB with its envelope, or a Raft append. */
  frameBytesMax: 16 * MIB,
  /** Payload of a frame before the handshake is over: a stranger makes us allocate no more. */
  helloBytesMax: KIB,
  /** Parts of at least this size go to the socket by reference; smaller ones are cheaper to copy together. */
  referenceBytesMin: 4 * KIB,
  /** Memory that small frames are gathered in. */
  slabBytes: 64 * KIB,
  /** What a checksum covers of a bulk message, stream message or very large payload. Entries and batches carry their own. */
  checkedHeadBytes: 512,
  /** Calls, answers and the rest are covered whole up to this size. */
  checkedWholeBytesMax: 16 * KIB,
  /** Calls in flight to one peer; and calls of one connection that handlers work on. */
  callsMax: 4_096,
  /** Payload bytes of one connection's calls that handlers work on. */
  callBytesMax: 64 * MIB,
  /** Open streams on one connection. */
  streamsMax: 1_024,
  /** Bytes of one stream and direction that were sent and not yet consumed; a message may exceed it once. */
  streamWindowBytes: MIB,
  /** What a stream message counts beyond its length, so that empty ones are bounded, too. */
  streamMessageOverheadBytes: 32,
  /** `write` calls of one stream that wait for credits. */
  streamWritersMax: 4_096,
  /** Streams stop filling a connection above this, so that appends do not wait behind them for long. */
  streamBacklogBytesMax: 4 * MIB,
  /** Accepted connections, and those among them that have not said hello. */
  inboundMax: 1_024,
  inboundStrangersMax: 128,
  /** Time from the first packet to the end of the handshake. */
  handshakeMs: 3_000,
  /** Between two looks at silent connections; a ping goes out when nothing was heard or said since the last. */
  tickMs: 1_000,
  /** Silent ticks after which a connection is dead, 3 to 4 s: where many seconds are normal, links are of no use to Raft. */
  silentTicksMax: 3,
  /** Longest deadline of a call; what is above is cut to it. */
  timeoutMsMax: 2 ** 31 - 1,
  /** Delays before the second and third attempt to dial; then half as long again each time, up to the last. Jitter takes off up to half. */
  redialFirstMs: 10,
  redialMs: 50,
  redialMsMax: 1_000,
  /**
   * An address that turned out to be our own, or one more of a peer, is looked at again after this. Names move: a stale answer of DNS, or an
   * address that another pod has now, looks like that for some seconds.
   */
  selfRedialMs: 3_000,
  /** At most one attempt without delay in this time. */
  immediateRedialMs: 1_000,
  /** How long `close` waits for the goodbyes to leave. */
  closeMs: 1_000,
} as const;
