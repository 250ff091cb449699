/**
 * connection-limits.ts: what clients may take of a server before they have asked for anything: connections, streams, memory, time.
 */
import { LIMITS } from "@varve/base";

/** Bounds of a server's connections; beyond each of them the one who exceeds it is cut off or refused, and nobody else. */
export interface ConnectionLimits {
  /** Open connections; further ones are closed at once. */
  readonly connectionsMax: number;
  /** Of one address. */
  readonly connectionsPerAddressMax: number;
  /** Open calls and streams of one connection; a client's library holds further ones back. */
  readonly streamsPerConnectionMax: number;
  /** A connection without calls is closed after this time, milliseconds; clients connect again when they need it. */
  readonly idleMs: number;
  /** From its first byte, a message arrives whole within this time, milliseconds, or its call is cancelled. */
  readonly messageMs: number;
  /** Bytes of messages that have begun to arrive and not ended, of all connections; a quarter of it of one. */
  readonly unfinishedBytesMax: number;
  /** Bytes of large answers that clients have not taken yet, of all connections; an eighth of it of one. */
  readonly responseBytesMax: number;
}

/** The defaults. */
export const CONNECTION_LIMITS: ConnectionLimits = {
  connectionsMax: LIMITS.connectionsMax,
  connectionsPerAddressMax: LIMITS.connectionsPerAddressMax,
  streamsPerConnectionMax: LIMITS.streamsPerConnectionMax,
  idleMs: LIMITS.idleConnectionMs,
  messageMs: LIMITS.messageMs,
  unfinishedBytesMax: LIMITS.unfinishedRequestBytesMax,
  responseBytesMax: LIMITS.responseBytesMax,
};

/** What a server's connections take at the moment, and how many were turned away. */
export interface ConnectionStats {
  readonly connections: number;
  readonly unfinishedBytes: number;
  readonly responseBytes: number;
  /** Since the start: connections that were closed at once, and connections and calls that were cut off for what they did. */
  readonly refused: number;
  readonly cutOff: number;
}
