/**
 * traffic.ts: bytes of clients' calls that this broker holds in memory at the moment, for the bounds and their gauges.
 */
import type { ByteBudget } from "../partition/byte-budget.js";
import { ConnectionBudget } from "./connection-budget.js";
import { ReadShare } from "./read-share.js";

/** Settings of the broker that bound clients' calls. */
export interface TrafficLimits {
  readonly inFlightBytesPerConnectionMax: number;
  readonly inFlightRequestsPerConnectionMax: number;
  readonly responseBytesMax: number;
}

/** Of the bytes that all connections may leave waiting, the part that one may. */
const RESPONSE_SHARE = 1 / 8;

/** A stream that holds bytes for its client. */
export interface Holder {
  readonly heldBytes: number;
}

export class Traffic {
  /** Produced bytes that wait for their acknowledgement. */
  readonly connections: ConnectionBudget;
  /** Produce requests that wait for their acknowledgement, or for their client to take it. */
  readonly requests: ConnectionBudget;
  /** What subscriptions hold for connections that have not taken it yet. */
  readonly reads: ReadShare;
  /** Streams with subscriptions, while they are open. */
  readonly subscriptions = new Set<Holder>();
  private readonly inFlight: ByteBudget;
  private forwarded = 0;

  /** @param inFlight the budget of the whole broker: what is forwarded counts as much as what is appended here. */
  constructor(inFlight: ByteBudget, limits: TrafficLimits) {
    this.inFlight = inFlight;
    this.connections = new ConnectionBudget(limits.inFlightBytesPerConnectionMax);
    this.requests = new ConnectionBudget(limits.inFlightRequestsPerConnectionMax);
    this.reads = new ReadShare(limits.responseBytesMax, limits.responseBytesMax * RESPONSE_SHARE);
  }

  get inFlightBytesMax(): number {
    return this.inFlight.bytesMax;
  }

  /** Produced bytes that were sent to other brokers and wait for their answer. */
  get forwardedBytes(): number {
    return this.forwarded;
  }

  /** Of the stream with the most: batches that were read and that the connection has not taken yet. */
  get subscriptionBytesLargest(): number {
    let largest = 0;
    for (const { heldBytes } of this.subscriptions) largest = Math.max(largest, heldBytes);
    return largest;
  }

  /** Takes the bytes, or takes nothing and says false. */
  takeForwarded(bytes: number): boolean {
    if (!this.inFlight.take(bytes)) return false;
    this.forwarded += bytes;
    return true;
  }

  releaseForwarded(bytes: number): void {
    this.forwarded -= bytes;
    this.inFlight.release(bytes);
  }
}
