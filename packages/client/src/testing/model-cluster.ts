/**
 * model-cluster.ts: a whole cluster as one object that answers the public API: for tests of the client, over a simulated
 * network or real sockets. Commits at once; what goes wrong is what a test asks for.
 */
import { type Clock, delay, initialRanges, LIMITS, VarveError } from "@varve/base";
import { batchLastOffset } from "@varve/records";
import {
  Acks,
  type AddPartitionsRequest,
  type AdminServiceHandlers,
  type CreateTopicRequest,
  type Init,
  type LogServiceHandlers,
  METHODS,
  type MetadataResponse,
  OffsetPosition,
  type ProduceRequest,
  type ProduceResponse,
  type ServerStream,
  type SubscribeAdd,
  type SubscribeRequest,
  type SubscribeResponse,
  toErrorStatus,
} from "@varve/rpc";
import { ModelPartition } from "./model-partition.js";

/** What becomes of one produce request: as usual; refused before the append; appended and then answered with an error. */
export type ProduceFate =
  | { readonly kind: "pass" }
  | { readonly kind: "refuse"; readonly error: VarveError }
  | { readonly kind: "applyAndFail"; readonly error: VarveError };

interface ModelTopic {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: ModelPartition[];
  config: Record<string, string>;
}

export interface ModelClusterOptions {
  readonly clock: Clock;
  /** Addresses of brokers 1, 2, ... */
  readonly addresses: readonly string[];
  /** False: a broker that does not lead answers NOT_LEADER instead of forwarding. Default true. */
  readonly forwards?: boolean;
  readonly produceFate?: (request: ProduceRequest, broker: number) => ProduceFate;
  /** Time from the arrival of a produce request to its answer. Default 0. */
  readonly produceMs?: () => number;
  /** Time from the arrival of a request for an id or a later epoch to its answer. Default 0. */
  readonly initProducerMs?: number;
}

const PASS: ProduceFate = { kind: "pass" };

export class ModelCluster {
  readonly topics = new Map<string, ModelTopic>();
  /** Whether the controller's leader can be asked about unknown topics. */
  controllerReachable = true;
  /** How long a broker waits for the controller's leader, when its word is asked for. */
  controllerMs = 0;
  /** So many subscriptions, those that have something to send next, fall silent for ever. */
  subscriptionsToHang = 0;
  /** Epochs and ids handed out; produced batches seen, for assertions. */
  readonly counts = {
    initProducer: 0,
    raised: 0,
    produced: 0,
    metadata: 0,
    subscribed: 0,
    grantedBytes: 0,
    sentBytes: 0,
  };
  /** Of the metadata. */
  version = 1;
  /** The oldest metadata that the last list of topics was content with. */
  versionListed = 0;
  private readonly options: ModelClusterOptions;
  /** What cut-off brokers believe: the leaders and epochs of that time, by partition. */
  private readonly cutOff = new Map<number, ReadonlyMap<string, { readonly leader: number; readonly epoch: number }>>();
  private nextProducerId = 1;
  private nextTopic = 1;

  constructor(options: ModelClusterOptions) {
    this.options = options;
  }

  createTopic(
    topic: string,
    partitions: number,
    topicId = `00000000-0000-4000-8000-${String(this.nextTopic++).padStart(12, "0")}`,
  ): ModelTopic {
    const brokers = this.options.addresses.length;
    const made: ModelTopic = {
      topic,
      topicId,
      config: {},
      partitions: Array.from(
        { length: partitions },
        (_, at) => new ModelPartition(`${topic}/${at}`, (at % brokers) + 1),
      ),
    };
    this.topics.set(topic, made);
    this.version++;
    return made;
  }

  partition(topic: string, partition: number): ModelPartition {
    const found = this.topics.get(topic)?.partitions[partition];
    if (found === undefined)
      throw new VarveError("UNKNOWN_PARTITION", { message: `no partition ${topic}/${partition}` });
    return found;
  }

  /** Cuts a broker off from the others: clients reach it, but it knows nothing new and its writes are never answered. */
  isolate(broker: number): void {
    const partitions = [...this.topics.values()].flatMap((topic) => topic.partitions);
    this.cutOff.set(broker, new Map(partitions.map(({ name, leader, epoch }) => [name, { leader, epoch }])));
  }

  log(broker: number): LogServiceHandlers {
    return {
      initProducer: async ({ producerId, producerEpoch }) => {
        this.counts.initProducer++;
        const { clock, initProducerMs = 0 } = this.options;
        if (initProducerMs > 0) await delay(clock, initProducerMs);
        if (producerId === null) return { producerId: this.nextProducerId++, producerEpoch: 0 };
        this.counts.raised++;
        return { producerId, producerEpoch: producerEpoch + 1 };
      },
      produce: (request) => this.produce(request, broker),
      produceStream: async (stream, { signal }) => {
        for await (const { correlationId, produce } of stream.requests) {
          const answer = this.produce(produce ?? noRequest(), broker).then(
            (result) => ({ correlationId, result }),
            (error: unknown) => ({ correlationId, error: toErrorStatus(error, METHODS.produceStream) }),
          );
          answer.then((response) => (signal.aborted ? undefined : stream.write(response))).catch(() => {});
        }
      },
      read: async ({ topic, partition, offset, maxBytes }) => {
        const log = this.partition(topic, partition);
        return { batches: log.read(offset, maxBytes), highWatermark: log.nextOffset, logStart: log.logStart };
      },
      subscribe: (stream, { signal }) => this.subscribe(stream, signal, broker),
      listOffsets: async ({ topic, topicId, partitions, at, timeMs }) => {
        const found = this.find(topic, topicId);
        const wanted = partitions.length > 0 ? partitions : found.partitions.map((_, partition) => partition);
        const offsets = wanted.map((partition) => {
          const log = this.partition(found.topic, partition);
          const offset =
            at === OffsetPosition.EARLIEST || (at === OffsetPosition.TIME && timeMs === 0)
              ? log.logStart
              : log.nextOffset;
          return { partition, offset, leaderEpoch: log.epoch };
        });
        return { topicId: found.topicId, offsets };
      },
    };
  }

  admin(broker = 1): AdminServiceHandlers {
    return {
      createTopic: async (request) => this.create(request),
      deleteTopic: async ({ topic, topicId }) => {
        const found = this.find(topic, "");
        if (topicId !== "" && found.topicId !== topicId)
          throw new VarveError("UNKNOWN_TOPIC_ID", { message: "another topic now" });
        this.topics.delete(topic);
        return { metadataVersion: ++this.version };
      },
      alterTopic: async ({ topic, config, resetConfig }) => {
        const found = this.find(topic, "");
        found.config = { ...found.config, ...config };
        for (const key of resetConfig) delete found.config[key];
        return { config: found.config, metadataVersion: ++this.version };
      },
      addPartitions: async (request) => this.addPartitions(request),
      listTopics: async ({ minMetadataVersion }) => {
        this.versionListed = minMetadataVersion;
        const topics = [...this.topics.values()].map(({ topic, topicId, partitions }) => ({
          topic,
          topicId,
          partitions: partitions.length,
          replicas: 1,
        }));
        return { topics, metadataVersion: this.version };
      },
      describeTopic: async ({ topic, topicId }) => {
        const found = this.find(topic, topicId);
        const partitions = found.partitions.map(({ leader, epoch, logStart, nextOffset }, partition) => ({
          partition,
          leader,
          leaderEpoch: epoch,
          replicas: [leader],
          voters: [leader],
          inSync: [leader],
          logStart,
          highWatermark: nextOffset,
        }));
        return { ...found, replicas: 1, partitions, metadataVersion: this.version };
      },
      describeCluster: async () => ({
        clusterId: "model",
        controller: 1,
        brokers: this.options.addresses.map((address, at) => ({
          id: at + 1,
          address,
          rack: null,
          ready: true,
          version: "model",
        })),
        metadataVersion: this.version,
      }),
      transferLeadership: async ({ topic, topicId, partition, to }) => {
        const log = this.partition(this.find(topic, topicId).topic, partition);
        log.moveTo(to);
        return { leader: to, leaderEpoch: log.epoch };
      },
      metadata: async ({ topics, authoritative }) => {
        if (authoritative && this.controllerMs > 0) await delay(this.options.clock, this.controllerMs);
        return this.metadata(topics, broker);
      },
      clusterHealth: async () => ({ healthy: true, brokersReady: 1, brokersExpected: 1 }),
      movePartition: async () => ({ metadataVersion: this.version }),
      listMoves: async () => ({ moves: [], metadataVersion: this.version }),
      planRebalance: async () => ({ moves: [], complete: true, metadataVersion: this.version }),
      finalizeFeatureLevel: async ({ level }) => ({ level, metadataVersion: this.version }),
      decommissionBroker: async () => ({ metadataVersion: this.version }),
      drainBroker: async () => ({ metadataVersion: this.version }),
      replaceBroker: async () => ({ metadataVersion: this.version }),
    };
  }

  private create(request: CreateTopicRequest): ReturnType<AdminServiceHandlers["createTopic"]> {
    const existing = this.topics.get(request.topic);
    if (existing !== undefined && existing.topicId !== request.topicId && !request.ifNotExists) {
      throw new VarveError("TOPIC_EXISTS", { message: `topic ${request.topic} exists` });
    }
    const made = existing ?? this.createTopic(request.topic, request.partitions ?? 6, request.topicId);
    made.config = { ...made.config, ...request.config };
    const { topicId, partitions } = made;
    const created = existing === undefined || topicId === request.topicId;
    return Promise.resolve({
      topicId,
      created,
      partitions: partitions.length,
      replicas: request.replicas ?? 1,
      metadataVersion: this.version,
    });
  }

  private addPartitions({
    topic,
    partitions,
  }: AddPartitionsRequest): ReturnType<AdminServiceHandlers["addPartitions"]> {
    const found = this.find(topic, "");
    while (found.partitions.length < partitions) {
      const at = found.partitions.length;
      found.partitions.push(new ModelPartition(`${topic}/${at}`, (at % this.options.addresses.length) + 1));
    }
    return Promise.resolve({ partitions: found.partitions.length, metadataVersion: ++this.version });
  }

  private metadata(topics: readonly string[], broker: number): Init<MetadataResponse> {
    const believed = this.cutOff.get(broker);
    this.counts.metadata++;
    return {
      clusterId: "model",
      brokers: this.options.addresses.map((address, at) => ({ id: at + 1, address })),
      topics: topics.map((topic) => {
        const found = this.topics.get(topic);
        if (found === undefined) {
          return {
            topic,
            error: toErrorStatus(new VarveError("UNKNOWN_TOPIC", { message: `no topic ${topic}` }), METHODS.metadata),
          };
        }
        const ranges = initialRanges(found.partitions.length);
        const partitions = found.partitions.map((log, partition) => ({
          partition,
          leader: (believed?.get(log.name) ?? log).leader,
          leaderEpoch: (believed?.get(log.name) ?? log).epoch,
          hashStart: ranges[partition]?.start ?? 0,
          hashEnd: ranges[partition]?.end ?? 0,
        }));
        return { topic, topicId: found.topicId, partitions, batchBytesMax: LIMITS.batchBytesMax };
      }),
      metadataVersion: this.version,
      authoritative: this.controllerReachable,
    };
  }

  private find(topic: string, topicId: string): ModelTopic {
    const found =
      topicId === "" ? this.topics.get(topic) : [...this.topics.values()].find((each) => each.topicId === topicId);
    if (found !== undefined) return found;
    throw new VarveError(topicId === "" ? "UNKNOWN_TOPIC" : "UNKNOWN_TOPIC_ID", {
      message: `no topic ${topic}${topicId}`,
      details: { metadataVersion: this.version },
    });
  }

  private async produce(request: ProduceRequest, broker: number): Promise<Init<ProduceResponse>> {
    this.counts.produced++;
    if (this.cutOff.has(broker)) return new Promise(() => {});
    const { partition, acks } = request;
    const log = this.partition(this.find(request.topic, request.topicId).topic, partition);
    this.checkLeader(log, broker);
    const fate = this.options.produceFate?.(request, broker) ?? PASS;
    if (fate.kind === "refuse") throw fate.error;
    const { baseOffset, duplicate, leaderEpoch } = log.append(request.batch);
    const tookMs = this.options.produceMs?.() ?? 0;
    if (tookMs > 0) await delay(this.options.clock, tookMs);
    if (fate.kind === "applyAndFail") throw fate.error;
    return { partition, baseOffset: acks === Acks.NONE ? -1 : baseOffset, duplicate, leaderEpoch, committed: true };
  }

  private checkLeader(log: ModelPartition, broker: number): void {
    if (this.options.forwards === false && log.leader !== broker) {
      const { leader, epoch } = log;
      throw new VarveError("NOT_LEADER", { message: `broker ${leader} leads ${log.name}`, details: { leader, epoch } });
    }
  }

  private async subscribe(
    stream: ServerStream<SubscribeRequest, SubscribeResponse>,
    signal: AbortSignal,
    broker: number,
  ): Promise<void> {
    const credit = { bytes: 0 };
    const removed = new Set<number>();
    signal.addEventListener("abort", () => this.wakeAll());
    for await (const { add, remove, grant } of stream.requests) {
      if (grant !== null) {
        credit.bytes += grant.bytes;
        this.counts.grantedBytes += grant.bytes;
      }
      if (remove !== null) removed.add(remove.subscriptionId);
      if (add !== null) {
        this.counts.subscribed++;
        this.follow(add, stream, credit, () => signal.aborted || removed.has(add.subscriptionId), broker).catch(
          (error: unknown) => {
            const { subscriptionId } = add;
            return signal.aborted
              ? undefined
              : stream
                  .write({ error: { subscriptionId, error: toErrorStatus(error, METHODS.subscribe) } })
                  .catch(() => {});
          },
        );
      }
      this.wakeAll();
    }
  }

  private async follow(
    add: SubscribeAdd,
    stream: ServerStream<SubscribeRequest, SubscribeResponse>,
    credit: { bytes: number },
    isOver: () => boolean,
    broker: number,
  ): Promise<void> {
    const { subscriptionId, partition } = add;
    let { offset } = add;
    const log = this.partition(this.find(add.topic, add.topicId).topic, partition);
    const { epoch } = log;
    while (!isOver()) {
      if (this.cutOff.has(broker)) await new Promise(() => {});
      this.checkLeader(log, broker);
      if (log.epoch !== epoch)
        throw new VarveError("NOT_LEADER", {
          message: `${log.name} moved`,
          details: { leader: log.leader, epoch: log.epoch },
        });
      const { logStart, nextOffset: highWatermark } = log;
      if (offset < logStart || offset > highWatermark) throw outOfRange(log, offset);
      if (offset === highWatermark || credit.bytes <= 0) {
        await log.changed();
        continue;
      }
      if (this.subscriptionsToHang > 0) {
        this.subscriptionsToHang--;
        await new Promise(() => {});
      }
      const batches = log.read(offset, Math.min(credit.bytes, 256 * 1024));
      const bytes = batches.reduce((sum, batch) => sum + batch.length, 0);
      credit.bytes -= bytes;
      this.counts.sentBytes += bytes;
      offset = batches.reduce((next, batch) => Math.max(next, batchLastOffset(batch) + 1), offset);
      await stream.write({
        batches: { subscriptionId, batches, nextOffset: offset, highWatermark, logStart, leaderEpoch: log.epoch },
      });
    }
  }

  private wakeAll(): void {
    for (const { partitions } of this.topics.values()) for (const log of partitions) log.wake();
  }
}

function outOfRange(log: ModelPartition, offset: number): VarveError {
  const { logStart, nextOffset: highWatermark } = log;
  return new VarveError("OFFSET_OUT_OF_RANGE", {
    message: `offset ${offset} of ${log.name}`,
    details: { logStart, highWatermark, safeOffset: offset < logStart ? logStart : highWatermark },
  });
}

function noRequest(): never {
  throw new VarveError("INVALID_ARGUMENT", { message: "no request" });
}
