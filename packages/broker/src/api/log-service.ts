/**
 * log-service.ts: LogService of the public API: messages in and out, the work itself is log-api.ts.
 *
 * A produce becomes durable three steps from here: log-api.ts -> partition/partition.ts -> the write-ahead log of storage.
 */
import { type Clock, type Codec, type ErrorCode, MIB, toVarveError, VarveError } from "@varve/base";
import { decodeRecords } from "@varve/records";
import {
  type Init,
  type LogRecord,
  type LogServiceHandlers,
  METHODS,
  type ProduceRequest as ProduceMessage,
  type ProduceResponse,
  type ProduceStreamRequest,
  type ProduceStreamResponse,
  type ReadRequest as ReadMessage,
  type ReadResponse,
  type CallContext as RpcCallContext,
  type ServerStream,
  type SubscribeRequest,
  type SubscribeResponse,
  toErrorStatus,
} from "@varve/rpc";
import type { BrokerConfig } from "../config/index.js";
import { overloaded } from "../partition/errors.js";
import type { ProduceRequest, ProduceResult, ReadAnswer, ReadRequest } from "../partition/partition.js";
import { detach } from "../replica/detach.js";
import type { CallContext, Router } from "../routing/router.js";
import { type LogApi, nameOf, type PartitionRef } from "./log-api.js";
import {
  acksOf,
  callContext,
  checkTopicRef,
  invalidArgument,
  offsetOf,
  offsetPoint,
  partitionRef,
} from "./requests.js";
import { Subscriptions } from "./subscriptions.js";
import type { Traffic } from "./traffic.js";

export interface LogServiceOptions {
  readonly api: LogApi;
  readonly router: Router;
  readonly clock: Clock;
  readonly codec: Codec;
  readonly limits: Pick<BrokerConfig["limits"], "fetchBytesMax" | "requestDeadlineMs">;
  readonly traffic: Traffic;
  /** Counts failures; for metrics. */
  readonly failed: (kind: "produce" | "fetch", code: ErrorCode) => void;
}

/** Bytes of a read whose caller does not say. */
const READ_BYTES_DEFAULT = MIB;
/** Longest long poll; a caller that wants more asks again. */
const READ_WAIT_MAX_MS = 60_000;

export function logService(options: LogServiceOptions): LogServiceHandlers {
  const { api, clock, failed } = options;
  const context = (call: { readonly deadlineMs: number; readonly signal: AbortSignal }): CallContext =>
    callContext(clock.monotonicMs(), options.limits.requestDeadlineMs, call);
  return {
    initProducer: (request, call) =>
      api
        .initProducer(
          request.producerId === null ? null : { producerId: request.producerId, epoch: request.producerEpoch },
          context(call),
        )
        .then(({ producerId, epoch }) => ({ producerId, producerEpoch: epoch })),
    produce: (request, call) =>
      counted("produce", failed, async () => {
        const limits = context(call);
        const ref = partitionRef(request);
        const wanted = produceRequest(request, limits, clock);
        const result = await withinConnection(options.traffic, call.peer, ref, wanted, () =>
          api.produce(ref, wanted, limits, call.peer),
        );
        return produceResponse(request.partition, result);
      }),
    produceStream: (stream, call) => serveProduceStream(options, stream, call),
    read: (request, call) => counted("fetch", failed, () => serveRead(options, request, call, context(call))),
    subscribe: (stream, call) => serveSubscribe(options, stream, call),
    listOffsets: async (request, call) => {
      checkTopicRef(request);
      const at = offsetPoint(request.at, request.timeMs);
      const limits = context(call);
      const topic = await options.router.locateTopic(request, limits);
      const partitions =
        request.partitions.length > 0 ? request.partitions : topic.partitions.map(({ partition }) => partition);
      const offsets = await Promise.all(
        partitions.map(async (partition) => {
          const ref = partitionRef({ topic: topic.topic, topicId: topic.topicId, partition });
          const { offset, epoch } = await api.listOffset(ref, at, limits);
          return { partition, offset, leaderEpoch: epoch };
        }),
      );
      return { topicId: topic.topicId, offsets };
    },
  };
}

function produceRequest(message: ProduceMessage, limits: CallContext, clock: Clock): ProduceRequest {
  if (message.timeoutMs < 0) throw invalidArgument(`timeout_ms ${message.timeoutMs} is negative`);
  if (message.leaderEpoch < 0) throw invalidArgument(`leader_epoch ${message.leaderEpoch} is negative`);
  const leftMs = Math.max(1, limits.deadlineAtMs - clock.monotonicMs());
  return {
    batch: detach(message.batch),
    acks: acksOf(message.acks),
    epoch: message.leaderEpoch,
    timeoutMs: message.timeoutMs === 0 ? leftMs : Math.min(message.timeoutMs, leftMs),
  };
}

function produceResponse(partition: number, result: ProduceResult): Init<ProduceResponse> {
  return {
    partition,
    baseOffset: result.baseOffset,
    leaderEpoch: result.epoch,
    appendTimeMs: result.appendTimeMs,
    duplicate: result.duplicate,
    committed: result.committed,
  };
}

async function serveProduceStream(
  options: LogServiceOptions,
  stream: ServerStream<ProduceStreamRequest, ProduceStreamResponse>,
  { signal, peer }: { readonly signal: AbortSignal; readonly peer: string },
): Promise<void> {
  const open = new Set<Promise<void>>();
  const { connections, requests } = options.traffic;
  for await (const { correlationId, produce } of stream.requests) {
    requests.add(peer, 1);
    const answer = answerProduce(options, produce, peer, signal)
      .then((outcome) => stream.write({ correlationId, ...outcome }))
      // The client is gone: nobody is left to tell.
      .catch(() => {})
      .finally(() => {
        open.delete(answer);
        requests.release(peer, 1);
      });
    open.add(answer);
    await Promise.all([connections.room(peer), requests.room(peer)]);
  }
  await Promise.all(open);
}

/** Runs a unary produce within what its connection may have in flight. @throws VarveError BROKER_OVERLOADED. */
async function withinConnection(
  { connections, requests }: Traffic,
  peer: string,
  ref: PartitionRef,
  { batch: { length: bytes } }: ProduceRequest,
  produce: () => Promise<ProduceResult>,
): Promise<ProduceResult> {
  if (!requests.take(peer, 1))
    throw overloaded(nameOf(ref), "what is in flight on the connection", requests.max, "requests");
  try {
    if (!connections.take(peer, bytes))
      throw overloaded(nameOf(ref), "produced bytes in flight on the connection", connections.max);
    try {
      return await produce();
    } finally {
      connections.release(peer, bytes);
    }
  } finally {
    requests.release(peer, 1);
  }
}

async function answerProduce(
  options: LogServiceOptions,
  message: ProduceMessage | null,
  peer: string,
  signal: AbortSignal,
): Promise<Init<Omit<ProduceStreamResponse, "correlationId">>> {
  try {
    if (message === null) throw invalidArgument("produce is missing");
    const { requestDeadlineMs } = options.limits;
    const limits = callContext(options.clock.monotonicMs(), requestDeadlineMs, {
      deadlineMs: message.timeoutMs > 0 ? message.timeoutMs : requestDeadlineMs,
      signal,
    });
    const ref = partitionRef(message);
    const wanted = produceRequest(message, limits, options.clock);
    options.traffic.connections.add(peer, wanted.batch.length);
    try {
      return { result: produceResponse(ref.partition, await options.api.produce(ref, wanted, limits, peer)) };
    } finally {
      options.traffic.connections.release(peer, wanted.batch.length);
    }
  } catch (thrown) {
    const error = toVarveError(thrown);
    options.failed("produce", error.code);
    return { error: toErrorStatus(error, METHODS.produceStream) };
  }
}

async function serveRead(
  options: LogServiceOptions,
  request: ReadMessage,
  call: RpcCallContext,
  limits: CallContext,
): Promise<Init<ReadResponse>> {
  const ref = partitionRef(request);
  const offset = offsetOf(request.offset);
  if (request.maxBytes < 0 || request.minBytes < 0 || request.maxWaitMs < 0) {
    throw new VarveError("INVALID_ARGUMENT", {
      message: "max_bytes, min_bytes and max_wait_ms must not be negative",
      effect: "NONE",
    });
  }
  const bytesMax = Math.min(
    request.maxBytes === 0 ? READ_BYTES_DEFAULT : request.maxBytes,
    options.limits.fetchBytesMax,
  );
  const leftMs = limits.deadlineAtMs - options.clock.monotonicMs();
  const wanted = {
    offset,
    bytesMax,
    bytesMin: Math.min(request.minBytes, bytesMax),
    epoch: request.leaderEpoch,
    lastFetchedEpoch: request.lastFetchedEpoch,
    signal: limits.signal,
  };
  const waitMs = Math.max(0, Math.min(request.maxWaitMs, READ_WAIT_MAX_MS, leftMs - LONG_POLL_SLACK_MS));
  const near = await readWithin(options, ref, wanted, call, limits);
  const isEnough = waitMs === 0 || bytesOf(near) >= Math.max(1, wanted.bytesMin);
  // What a long poll waits for is new, and mostly in memory for others anyway.
  const answer = isEnough ? near : await options.api.read(ref, { ...wanted, waitMs }, limits);
  return {
    batches: request.decoded ? [] : answer.batches,
    records: request.decoded ? decoded(answer, offset, options.codec) : [],
    nextOffset: answer.nextOffset,
    highWatermark: answer.highWatermark,
    logStart: answer.logStart,
    lastStableOffset: answer.highWatermark,
    leaderEpoch: answer.epoch,
  };
}

/** Reads what is there, in the share of the caller's connection: one that takes no answers must not have more read for it. */
async function readWithin(
  { api, traffic }: LogServiceOptions,
  ref: PartitionRef,
  wanted: Omit<ReadRequest, "waitMs">,
  { peer, hasRoom }: RpcCallContext,
  limits: CallContext,
): Promise<ReadAnswer> {
  // Of the many that one connection may have waiting, none is read any more when it is gone: all at once they would be.
  if (!(await traffic.reads.take(peer, wanted.bytesMax, limits.signal))) throw gone(peer);
  try {
    if (!hasRoom(wanted.bytesMax)) throw untaken(peer);
    return await api.read(ref, { ...wanted, waitMs: 0 }, limits);
  } finally {
    traffic.reads.release(peer, wanted.bytesMax);
  }
}

function gone(peer: string): VarveError {
  return new VarveError("ABORTED", { message: `${peer} gave up or is gone; nothing was read`, effect: "NONE" });
}

function untaken(peer: string): VarveError {
  return new VarveError("BROKER_OVERLOADED", {
    message: `${peer} has not taken the answers to its earlier reads; take them, then ask again`,
    effect: "NONE",
    retryAfterMs: 100,
  });
}

function bytesOf({ batches }: ReadAnswer): number {
  return batches.reduce((sum, batch) => sum + batch.length, 0);
}

/** A long poll answers this long before its caller's deadline, milliseconds, so that the answer arrives in time. */
const LONG_POLL_SLACK_MS = 50;

function decoded(answer: ReadAnswer, fromOffset: number, codec: Codec): Init<LogRecord>[] {
  const records: Init<LogRecord>[] = [];
  for (const batch of answer.batches) {
    for (const record of decodeRecords(batch, codec, { fromOffset, checkCrc: false })) {
      records.push({
        offset: record.offset,
        timestampMs: record.timestampMs,
        key: record.key,
        value: record.value,
        headers: record.headers.map(([name, value]) => ({ name, value })),
      });
    }
  }
  return records;
}

async function serveSubscribe(
  options: LogServiceOptions,
  stream: ServerStream<SubscribeRequest, SubscribeResponse>,
  { peer, signal }: RpcCallContext,
): Promise<void> {
  const place = ({ nextOffset, highWatermark, logStart, epoch }: ReadAnswer) => ({
    nextOffset,
    highWatermark,
    logStart,
    leaderEpoch: epoch,
  });
  const subscriptions = new Subscriptions(
    options.api,
    options.clock,
    options.limits,
    { peer, share: options.traffic.reads },
    {
      batches: (subscriptionId, answer) =>
        stream.write({ batches: { subscriptionId, batches: answer.batches, ...place(answer) } }),
      progress: (subscriptionId, answer) => stream.write({ progress: { subscriptionId, ...place(answer) } }),
      error: (subscriptionId, error) => {
        options.failed("fetch", error.code);
        return stream.write({ error: { subscriptionId, error: toErrorStatus(error, METHODS.subscribe) } });
      },
    },
  );
  options.traffic.subscriptions.add(subscriptions);
  signal.addEventListener("abort", () => subscriptions.close(), { once: true });
  try {
    for await (const { add, remove, grant } of stream.requests) {
      if (add !== null) {
        const { subscriptionId: id, leaderEpoch: epoch, lastFetchedEpoch } = add;
        subscriptions.add({ id, ref: partitionRef(add), offset: offsetOf(add.offset), epoch, lastFetchedEpoch });
      } else if (remove !== null) subscriptions.remove(remove.subscriptionId);
      else if (grant !== null) subscriptions.grant(grant.bytes);
      else throw invalidArgument("a message on Subscribe has no action");
    }
  } finally {
    subscriptions.close();
    options.traffic.subscriptions.delete(subscriptions);
  }
}

async function counted<T>(
  kind: "produce" | "fetch",
  failed: LogServiceOptions["failed"],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    failed(kind, toVarveError(thrown).code);
    throw thrown;
  }
}
