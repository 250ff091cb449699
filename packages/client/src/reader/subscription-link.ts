/**
 * subscription-link.ts: one Subscribe stream to one address, with the partitions that are read there.
 *
 * Invariants:
 *   K1  credit granted and not used up, plus batches received and not consumed, never exceeds `windowBytes` by more than one batch
 *   K2  a partition's batches are handed on in order; none after its subscription ended
 */
import { assertDefined, type Clock, KIB, toVarveError, VarveError } from "@varve/base";
import {
  type ClientStream,
  fromErrorStatus,
  METHODS,
  type RpcChannel,
  type SubscribeBatches,
  type SubscribeProgress,
  type SubscribeRequest,
  type SubscribeResponse,
} from "@varve/rpc";
import type { PartitionCursor } from "./cursor.js";

/** Credit at first; it doubles as batches are consumed, so that a reader of a few records does not fetch a whole window. */
const FIRST_GRANT_BYTES = 256 * KIB;
/** The share of the credit that is consumed before credit is granted again. */
const GRANT_RATIO = 0.25;
/** Silence after which it is asked whether another broker leads by now. An idle topic is silent, too. */
const SILENT_MS = 2_000;

export interface LinkEvents {
  batches(cursor: PartitionCursor, event: SubscribeBatches, link: SubscriptionLink): void;
  progress(cursor: PartitionCursor, event: SubscribeProgress): void;
  /** One subscription ended. */
  ended(cursor: PartitionCursor, error: VarveError): void;
  /** The stream is over, and with it these subscriptions. */
  over(link: SubscriptionLink, cursors: readonly PartitionCursor[], error: VarveError): void;
}

export class SubscriptionLink {
  readonly address: string;
  private readonly stream: ClientStream<SubscribeRequest, SubscribeResponse>;
  private readonly cursors = new Map<number, PartitionCursor>();
  private readonly events: LinkEvents;
  private readonly windowBytes: number;
  private readonly clock: Clock;
  private nextId = 1;
  private consumedBytes = 0;
  /** Granted and not used up, or received and not consumed. */
  private creditBytes: number;
  private heardAtMs: number;
  private silenceDueMs = SILENT_MS;
  private isOver = false;

  constructor(channel: RpcChannel, clock: Clock, windowBytes: number, events: LinkEvents) {
    this.address = channel.address;
    this.clock = clock;
    this.events = events;
    this.windowBytes = windowBytes;
    this.heardAtMs = clock.monotonicMs();
    this.stream = channel.bidi(METHODS.subscribe, {});
    this.creditBytes = Math.min(windowBytes, FIRST_GRANT_BYTES);
    this.say({ grant: { bytes: this.creditBytes } });
    this.listen().then(
      () => this.finish(new VarveError("UNREACHABLE", { message: `${this.address} ended the stream`, effect: "NONE" })),
      (error: unknown) => this.finish(toVarveError(error)),
    );
  }

  /** Reads `cursor`'s partition from where it stands. */
  add(cursor: PartitionCursor, topicId: string): void {
    const subscriptionId = this.nextId++;
    this.cursors.set(subscriptionId, cursor);
    const { partition, fetchOffset: offset, lastEpoch: lastFetchedEpoch } = cursor;
    this.say({ add: { subscriptionId, topicId, partition, offset, lastFetchedEpoch } });
  }

  /** Stops reading a partition. */
  remove(cursor: PartitionCursor): void {
    for (const [subscriptionId, each] of this.cursors) {
      if (each !== cursor) continue;
      this.cursors.delete(subscriptionId);
      this.say({ remove: { subscriptionId } });
    }
    if (this.cursors.size === 0) this.close();
  }

  reads(cursor: PartitionCursor): boolean {
    for (const each of this.cursors.values()) if (each === cursor) return true;
    return false;
  }

  /** Batches of this size were read, or thrown away: the server may send as much again (K1). */
  consumed(bytes: number): void {
    this.consumedBytes += bytes;
    if (this.consumedBytes < this.creditBytes * GRANT_RATIO || this.isOver) return;
    const growthBytes = Math.min(this.creditBytes, this.windowBytes - this.creditBytes);
    this.creditBytes += growthBytes;
    this.say({ grant: { bytes: this.consumedBytes + growthBytes } });
    this.consumedBytes = 0;
  }

  /** Milliseconds since the last message. */
  silentMs(): number {
    return this.clock.monotonicMs() - this.heardAtMs;
  }

  /** Whether silence has lasted long enough to ask around; less and less often while it lasts. */
  takeSilenceDue(): boolean {
    if (this.silentMs() < this.silenceDueMs) return false;
    this.silenceDueMs *= 2;
    return true;
  }

  /** Breaks the stream; its partitions are reported as `over`. */
  cut(why: string): void {
    this.finish(
      new VarveError("UNREACHABLE", {
        message: `${this.address} ${why}`,
        effect: "NONE",
        details: { address: this.address },
      }),
    );
  }

  close(): void {
    this.isOver = true;
    this.cursors.clear();
    this.stream.cancel();
  }

  private say(message: Parameters<ClientStream<SubscribeRequest, SubscribeResponse>["write"]>[0]): void {
    this.stream.write(message).catch(() => {}); // The reading side reports how the stream ended.
  }

  private async listen(): Promise<void> {
    for await (const { batches, progress, error } of this.stream.responses) {
      if (this.isOver) return;
      this.heardAtMs = this.clock.monotonicMs();
      this.silenceDueMs = SILENT_MS;
      if (batches !== null) this.onBatches(batches);
      else if (progress !== null) {
        const cursor = this.cursors.get(progress.subscriptionId);
        if (cursor !== undefined) this.events.progress(cursor, progress);
      } else if (error !== null) {
        const cursor = this.cursors.get(error.subscriptionId);
        this.cursors.delete(error.subscriptionId);
        const status = assertDefined(error.error, "a subscription's end says why");
        if (cursor !== undefined) this.events.ended(cursor, fromErrorStatus(status));
      }
    }
  }

  private onBatches(event: SubscribeBatches): void {
    const cursor = this.cursors.get(event.subscriptionId);
    if (cursor !== undefined) this.events.batches(cursor, event, this);
    else this.consumed(event.batches.reduce((sum, batch) => sum + batch.length, 0));
  }

  private finish(error: VarveError): void {
    if (this.isOver) return;
    const cursors = [...this.cursors.values()];
    this.close();
    this.events.over(this, cursors, error.withEffect("NONE"));
  }
}
