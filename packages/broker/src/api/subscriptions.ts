/**
 * subscriptions.ts: partitions that one client follows on one stream, within the bytes it grants.
 *
 * Each subscription is a loop over the same `read` that unary calls use, so it works through any broker and outlives leaders.
 * Invariants:
 *   U1  batches of a subscription leave in the order of their offsets, without a gap
 *   U2  no more bytes leave than were granted, but for the last batch of each loop
 *   U3  what was read and not yet taken by the client's connection is counted in `share`, which bounds all streams of the connection together; what
 *       does not fit there is let go, and read again in its turn
 */
import { type Clock, MIB, type Offset, type Term, toVarveError, VarveError } from "@varve/base";
import { batchLeaderEpoch } from "@varve/records";
import type { ReadAnswer } from "../partition/partition.js";
import { Credit } from "./credit.js";
import type { LogApi, PartitionRef } from "./log-api.js";
import type { ReadShare } from "./read-share.js";

export interface NewSubscription {
  readonly id: number;
  readonly ref: PartitionRef;
  readonly offset: Offset;
  readonly epoch: Term;
  readonly lastFetchedEpoch: Term;
}

/** Settings of the broker that bound a stream. */
export interface SubscriptionLimits {
  readonly fetchBytesMax: number;
  readonly requestDeadlineMs: number;
}

/** The client's connection, and what all connections share. */
export interface SubscriptionShare {
  readonly peer: string;
  readonly share: ReadShare;
}

/** Where a subscription goes on. */
interface Place {
  readonly offset: Offset;
  readonly epoch: Term;
  readonly lastFetchedEpoch: Term;
}

/** What the client is told. Each resolves when there is room for more. */
export interface SubscriptionSink {
  batches(id: number, answer: ReadAnswer): Promise<void>;
  progress(id: number, answer: ReadAnswer): Promise<void>;
  error(id: number, error: VarveError): Promise<void>;
}

/** Subscriptions on one stream. */
const SUBSCRIPTIONS_MAX = 10_000;
/** Bytes that may be granted and not yet used: a stream holds no more, but for the last batch of each loop (U2). */
export const CREDIT_BYTES_MAX = 64 * MIB;
/** Bytes that one read of one subscription takes at most, so that many share a stream fairly. */
const READ_BYTES_MAX = MIB;
/** A quiet partition is looked at again after this time; new records wake it at once. */
const QUIET_MS = 5_000;

export class Subscriptions {
  private readonly api: Pick<LogApi, "read">;
  private readonly clock: Clock;
  private readonly limits: SubscriptionLimits;
  private readonly of: SubscriptionShare;
  private readonly sink: SubscriptionSink;
  private readonly credit = new Credit(CREDIT_BYTES_MAX);
  private readonly running = new Map<number, AbortController>();
  private lastId = 0;
  private held = 0;

  constructor(
    api: Pick<LogApi, "read">,
    clock: Clock,
    limits: SubscriptionLimits,
    of: SubscriptionShare,
    sink: SubscriptionSink,
  ) {
    this.api = api;
    this.clock = clock;
    this.limits = limits;
    this.of = of;
    this.sink = sink;
  }

  /** Batches that were read and that the connection has not taken yet. */
  get heldBytes(): number {
    return this.held;
  }

  /** @throws VarveError INVALID_ARGUMENT: id used before, or too many. */
  add(wanted: NewSubscription): void {
    if (!Number.isSafeInteger(wanted.id) || wanted.id < 1 || wanted.id <= this.lastId) {
      throw invalid(`subscription_id ${wanted.id} must be above ${this.lastId}, the last one of this stream`);
    }
    if (this.running.size >= SUBSCRIPTIONS_MAX)
      throw invalid(`a stream follows at most ${SUBSCRIPTIONS_MAX} partitions`);
    this.lastId = wanted.id;
    const abort = new AbortController();
    this.running.set(wanted.id, abort);
    this.follow(wanted, abort.signal).catch(async (thrown: unknown) => {
      if (abort.signal.aborted) return;
      this.running.delete(wanted.id);
      await this.sink.error(wanted.id, toVarveError(thrown, "NONE").withEffect("NONE")).catch(() => {});
    });
  }

  remove(id: number): void {
    this.running.get(id)?.abort();
    this.running.delete(id);
  }

  grant(bytes: number): void {
    this.credit.grant(bytes);
  }

  close(): void {
    this.credit.close();
    for (const abort of this.running.values()) abort.abort();
    this.running.clear();
  }

  private async follow(wanted: NewSubscription, signal: AbortSignal): Promise<void> {
    const place = { offset: wanted.offset, epoch: wanted.epoch, lastFetchedEpoch: wanted.lastFetchedEpoch };
    let told: ReadAnswer | null = null;
    while (!signal.aborted) {
      let answer = await this.readInTurn(wanted.ref, place, signal);
      if (answer === null) return;
      if (answer.batches.length === 0) {
        if (isNews(told, answer)) {
          told = answer;
          await this.sink.progress(wanted.id, answer);
        }
        answer = await this.readNews(wanted.ref, place, signal);
      }
      if (answer.batches.length === 0) continue;
      place.offset = answer.nextOffset;
      place.epoch = 0;
      place.lastFetchedEpoch = lastEpoch(answer);
      told = answer;
      await this.send(wanted.id, answer, signal);
    }
  }

  /** Reads what is there as soon as there is credit and room for it; null: the stream is over. Its bytes are taken from both. */
  private async readInTurn(ref: PartitionRef, place: Place, signal: AbortSignal): Promise<ReadAnswer | null> {
    const { peer, share } = this.of;
    const bytesMax = Math.min(READ_BYTES_MAX, this.limits.fetchBytesMax);
    for (;;) {
      // As much as a read asks for, however little of it is granted: what comes is a whole batch.
      const roomBytes = share.roomFor(peer, bytesMax);
      const reserved = await this.credit.reserve(bytesMax);
      if (reserved === 0) return null;
      if (!(await share.take(peer, roomBytes, signal))) {
        this.credit.settle(reserved, 0);
        return null;
      }
      if (share.roomFor(peer, bytesMax) > roomBytes) {
        // Others have met with larger batches meanwhile.
        share.release(peer, roomBytes);
        this.credit.settle(reserved, 0);
        continue;
      }
      const answer = await this.read(ref, place, reserved, 0, signal).catch((error: unknown) => {
        share.release(peer, roomBytes);
        this.credit.settle(reserved, 0);
        throw error;
      });
      const bytes = byteCount(answer);
      if (share.resize(peer, roomBytes, bytes)) {
        this.credit.settle(reserved, bytes);
        return answer;
      }
      // U3: a batch that is larger than what was asked for, and others wait for room.
      share.release(peer, roomBytes);
      this.credit.settle(reserved, 0);
    }
  }

  /** Waits for what comes next, without credit or room: one batch, which may overdraw the credit; nothing when there is no room for it. */
  private async readNews(ref: PartitionRef, place: Place, signal: AbortSignal): Promise<ReadAnswer> {
    const { peer, share } = this.of;
    const answer = await this.read(ref, place, 1, QUIET_MS, signal);
    const bytes = byteCount(answer);
    if (!share.resize(peer, 0, bytes)) return { ...answer, batches: [] };
    this.credit.settle(0, bytes);
    return answer;
  }

  /** Hands over what `share` has room for, and gives the room back when the client's connection has taken it. */
  private async send(id: number, answer: ReadAnswer, signal: AbortSignal): Promise<void> {
    const bytes = byteCount(answer);
    const { peer, share } = this.of;
    this.held += bytes;
    try {
      if (!signal.aborted) await this.sink.batches(id, answer);
    } finally {
      this.held -= bytes;
      share.release(peer, bytes);
    }
  }

  private read(
    ref: PartitionRef,
    place: Place,
    bytesMax: number,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<ReadAnswer> {
    const deadlineAtMs = this.clock.monotonicMs() + waitMs + this.limits.requestDeadlineMs;
    return this.api.read(
      ref,
      { ...place, bytesMax, bytesMin: 1, waitMs, signal },
      { deadlineAtMs, signal, forwarded: false },
    );
  }
}

function byteCount({ batches }: ReadAnswer): number {
  let bytes = 0;
  for (const batch of batches) bytes += batch.length;
  return bytes;
}

function lastEpoch({ batches }: ReadAnswer): Term {
  const last = batches[batches.length - 1];
  return last === undefined ? 0 : Math.max(0, batchLeaderEpoch(last));
}

function isNews(told: ReadAnswer | null, answer: ReadAnswer): boolean {
  return told === null || told.highWatermark !== answer.highWatermark || told.logStart !== answer.logStart;
}

function invalid(message: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", { message, effect: "NONE" });
}
