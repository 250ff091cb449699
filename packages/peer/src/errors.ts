/**
 * errors.ts: how calls and streams between brokers fail.
 *
 * Effects: a request that never left this process is NOT_APPLIED; one that left before its link broke is UNKNOWN.
 */
import { type BrokerId, type Effect, VarveError } from "@varve/base";

/** The other side ended a call or stream with an error of its own; `bytes` is its opaque encoding. */
export class PeerFailure extends Error {
  override readonly name: string = "PeerFailure";
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array, message = "the peer answered with an error") {
    super(message);
    this.bytes = bytes;
  }
}

/** The other side aborted a stream. */
export class PeerStreamAborted extends PeerFailure {
  override readonly name: string = "PeerStreamAborted";

  constructor(bytes: Uint8Array) {
    super(bytes, "the peer aborted the stream");
  }
}

/** No link to the peer, or the link broke. */
export function peerUnreachable(brokerId: BrokerId, why: string, effect: Effect): VarveError {
  return new VarveError("UNREACHABLE", {
    message: `broker ${brokerId} cannot be reached: ${why}`,
    details: { brokerId },
    effect,
  });
}

/** A bound of this link is reached; nothing was sent. */
export function peerOverloaded(brokerId: BrokerId, what: string): VarveError {
  return new VarveError("BROKER_OVERLOADED", {
    message: `link to broker ${brokerId}: ${what}; try again later`,
    details: { brokerId },
    retryAfterMs: 50,
  });
}
