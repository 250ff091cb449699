/**
 * log-api.ts: the one interface behind every listener: produce, read and list offsets of any partition, on whichever broker.
 *
 * It knows nothing of gRPC: a listener of another protocol calls the same functions.
 */
import { type BrokerId, type Clock, type Offset, type Term, VarveError } from "@varve/base";
import { expectValue } from "@varve/cluster";
import type { ControllerAccess } from "../controller/access.js";
import { overloaded, type PartitionName } from "../partition/errors.js";
import type {
  Acks,
  Partition,
  ProduceRequest,
  ProduceResult,
  ReadAnswer,
  ReadRequest,
} from "../partition/partition.js";
import { decodeEnvelope, encodeEnvelope } from "../routing/envelope.js";
import type { ForwardableMethod, Forwarding } from "../routing/forwarding.js";
import { ProduceLanes } from "../routing/produce-lanes.js";
import type { CallContext, LeaderCalls, Located, Router, TopicRef } from "../routing/router.js";
import type { Traffic } from "./traffic.js";

/** Where a call goes. */
export interface PartitionRef extends TopicRef {
  readonly partition: number;
}

/** How messages name what a caller named. */
export function nameOf({ topic, topicId, partition }: PartitionRef): PartitionName {
  return { topic: topic === "" ? topicId : topic, partition };
}

export type OffsetPoint = "earliest" | "latest" | { readonly timeMs: number };

export interface ListedOffset {
  readonly offset: Offset;
  readonly epoch: Term;
}

export interface LogApiOptions {
  readonly clock: Clock;
  readonly router: Router;
  readonly forwarding: Forwarding;
  readonly access: ControllerAccess;
  readonly traffic: Traffic;
}

interface ForwardedProduce {
  readonly ref: PartitionRef;
  readonly request: ProduceRequest;
}

interface ForwardedRead {
  readonly ref: PartitionRef;
  readonly request: Omit<ReadRequest, "signal">;
}

interface ForwardedList {
  readonly ref: PartitionRef;
  readonly at: OffsetPoint;
}

const PRODUCE: ForwardableMethod<ForwardedProduce, ProduceResult> = {
  number: 1,
  encodeRequest: ({ ref, request: { batch, acks, epoch, timeoutMs } }) =>
    encodeEnvelope({ ref, acks, epoch, timeoutMs }, [batch]),
  decodeRequest: (bytes) => {
    const { head, blobs } = decodeEnvelope<{ ref: PartitionRef; acks: Acks; epoch: Term; timeoutMs: number }>(bytes);
    const { ref, acks, epoch, timeoutMs } = head;
    return { ref, request: { batch: Uint8Array.from(blobs[0] ?? new Uint8Array(0)), acks, epoch, timeoutMs } };
  },
  encodeResponse: (result) => encodeEnvelope(result, []),
  decodeResponse: (bytes) => decodeEnvelope<ProduceResult>(bytes).head,
};

const READ: ForwardableMethod<ForwardedRead, ReadAnswer> = {
  number: 2,
  encodeRequest: (call) => encodeEnvelope(call, []),
  decodeRequest: (bytes) => decodeEnvelope<ForwardedRead>(bytes).head,
  encodeResponse: ({ batches, ...head }) => encodeEnvelope(head, batches),
  decodeResponse: (bytes) => {
    const { head, blobs } = decodeEnvelope<Omit<ReadAnswer, "batches">>(bytes);
    return { ...head, batches: blobs };
  },
};

const LIST: ForwardableMethod<ForwardedList, ListedOffset> = {
  number: 3,
  encodeRequest: (call) => encodeEnvelope(call, []),
  decodeRequest: (bytes) => decodeEnvelope<ForwardedList>(bytes).head,
  encodeResponse: (listed) => encodeEnvelope(listed, []),
  decodeResponse: (bytes) => decodeEnvelope<ListedOffset>(bytes).head,
};

/** Producer ids that a broker takes from the controller at a time. */
const PRODUCER_ID_BLOCK = 1_000;
/** Largest producer epoch of the batch format (int16). */
const PRODUCER_EPOCH_MAX = 32_767;
/** What forwarding adds to a call's own waiting time. */
const FORWARD_SLACK_MS = 2_000;

export class LogApi {
  private readonly options: LogApiOptions;
  private readonly lanes: ProduceLanes;
  private nextProducerId = 0;
  private producerIdEnd = 0;
  private refill: Promise<void> | null = null;

  constructor(options: LogApiOptions) {
    this.options = options;
    const { clock, forwarding, router } = options;
    this.lanes = new ProduceLanes(clock, router);
    forwarding.answer(PRODUCE, ({ ref, request }, context) => this.produceHere(ref, request, this.forwarded(context)));
    forwarding.answer(READ, ({ ref, request }, context) =>
      this.read(ref, { ...request, signal: context.signal }, this.forwarded(context)),
    );
    forwarding.answer(LIST, ({ ref, at }, context) => this.listOffset(ref, at, this.forwarded(context)));
  }

  /**
   * Appends one batch to the partition's log, wherever its leader is. Batches that come on one connection are appended in the order of these
   * calls, also while the leadership moves (produce-lane.ts).
   * @throws VarveError; its effect says whether the batch can be in the log.
   */
  produce(
    ref: PartitionRef,
    request: ProduceRequest,
    context: CallContext,
    connection: string,
  ): Promise<ProduceResult> {
    return this.lanes.submit({ ...ref, connection }, context, this.produceCalls(ref, request, context));
  }

  /** A batch that another broker sent here: appended before this returns, or refused; its order is kept there. */
  private async produceHere(ref: PartitionRef, request: ProduceRequest, context: CallContext): Promise<ProduceResult> {
    const { router } = this.options;
    const located = router.locateNow(ref, ref.partition) ?? (await router.locate(ref, ref.partition, context));
    return router.onLeader(located, context, this.produceCalls(ref, request, context));
  }

  private produceCalls(
    ref: PartitionRef,
    request: ProduceRequest,
    context: CallContext,
  ): LeaderCalls<Partition, ProduceResult> {
    return {
      local: (partition) => partition.produce(request),
      remote: (broker, signal) => this.forwardProduce(broker, ref, request, { ...context, signal }),
      isRead: false,
    };
  }

  /** Committed batches of a partition; waits as the request says. @throws VarveError. */
  async read(ref: PartitionRef, request: ReadRequest, context: CallContext): Promise<ReadAnswer> {
    const { router, forwarding } = this.options;
    const located = await router.locate(ref, ref.partition, context);
    return router.onLeader(located, context, {
      local: (partition) => partition.read(request),
      isRead: true,
      remote: (broker, signal) => {
        const { signal: _signal, ...plain } = request;
        const timeoutMs = Math.min(this.leftMs(context), request.waitMs + FORWARD_SLACK_MS);
        return forwarding.call(broker, READ, { ref, request: plain }, { timeoutMs, signal });
      },
    });
  }

  /** A point of a partition as an offset; linearizable. @throws VarveError. */
  async listOffset(ref: PartitionRef, at: OffsetPoint, context: CallContext): Promise<ListedOffset> {
    const { router, forwarding } = this.options;
    const located = await router.locate(ref, ref.partition, context);
    return router.onLeader(located, context, {
      local: (partition) => partition.listOffset(at),
      isRead: true,
      remote: (broker, signal) =>
        forwarding.call(broker, LIST, { ref, at }, { timeoutMs: this.leftMs(context), signal }),
    });
  }

  /** The partition's leader on this broker, for streams that want to stay close to it; null when it is elsewhere. */
  localLeader(located: Located): Partition | null {
    const leader = this.options.router.leaderOf(located.state);
    return typeof leader === "number" ? null : leader;
  }

  /**
   * A new producer id with epoch 0, or the next epoch of one that the caller has: batches of older epochs are then refused by every
   * partition that has seen the new one. @throws VarveError.
   */
  async initProducer(known: { readonly producerId: number; readonly epoch: number } | null, context: CallContext) {
    if (known !== null && known.epoch < PRODUCER_EPOCH_MAX)
      return { producerId: known.producerId, epoch: known.epoch + 1 };
    while (this.nextProducerId >= this.producerIdEnd) await this.refillProducerIds(context);
    return { producerId: this.nextProducerId++, epoch: 0 };
  }

  private refillProducerIds(context: CallContext): Promise<void> {
    this.refill ??= this.options.access
      .execute({ kind: "allocateProducerIds", count: PRODUCER_ID_BLOCK }, context)
      .then((result) => {
        const { first, count } = expectValue(result, "producerIds");
        this.nextProducerId = first;
        this.producerIdEnd = first + count;
      })
      .finally(() => {
        this.refill = null;
      });
    return this.refill;
  }

  private async forwardProduce(
    to: BrokerId,
    ref: PartitionRef,
    request: ProduceRequest,
    context: CallContext,
  ): Promise<ProduceResult> {
    const { traffic, forwarding } = this.options;
    const timeoutMs = Math.min(this.leftMs(context), request.timeoutMs + FORWARD_SLACK_MS);
    const bytes = request.batch.length;
    if (!traffic.takeForwarded(bytes))
      throw overloaded(nameOf(ref), "produced bytes in flight on the broker", traffic.inFlightBytesMax);
    try {
      return await forwarding.call(to, PRODUCE, { ref, request }, { timeoutMs, signal: context.signal });
    } finally {
      traffic.releaseForwarded(bytes);
    }
  }

  /** The peer link's deadline is on this broker's monotonic clock already. */
  private forwarded(context: { readonly deadlineMs: number; readonly signal: AbortSignal }): CallContext {
    return { deadlineAtMs: context.deadlineMs, signal: context.signal, forwarded: true };
  }

  private leftMs(context: CallContext): number {
    const leftMs = context.deadlineAtMs - this.options.clock.monotonicMs();
    if (leftMs > 0) return leftMs;
    throw new VarveError("TIMEOUT", {
      message: "the deadline passed before the call could be sent; nothing was written",
      effect: "NOT_APPLIED",
    });
  }
}
