/**
 * traffic.ts: bytes of clients' calls that this broker holds in memory at the moment, for the bounds and their gauges.
 */
import type { ByteBudget } from "../partition/byte-budget.js";
import { ConnectionBytes } from "./connection-bytes.js";

/** A stream that holds bytes for its client. */
export interface Holder {
  readonly heldBytes: number;
}

export class Traffic {
  readonly connections: ConnectionBytes;
  /** Streams with subscriptions, while they are open. */
  readonly subscriptions = new Set<Holder>();
  private readonly inFlight: ByteBudget;
  private forwarded = 0;

  /** @param inFlight the budget of the whole broker: what is forwarded counts as much as what is appended here. */
  constructor(inFlight: ByteBudget, connectionBytesMax: number) {
    this.inFlight = inFlight;
    this.connections = new ConnectionBytes(connectionBytesMax);
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
