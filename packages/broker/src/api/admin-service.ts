/**
 * admin-service.ts: AdminService of the public API on any broker: changes go to the controller's leader, descriptions are gathered.
 */
import { type BrokerId, delay, isVarveError, type PartitionId, type Random, randomUuid, VarveError } from "@varve/base";
import {
  type ControllerCommand,
  type ControllerState,
  effectiveTopicConfig,
  expectValue,
  isInternalTopic,
  type Partition,
  refusalError,
  type Topic,
} from "@varve/cluster";
import type {
  AdminServiceHandlers,
  DescribeTopicResponse,
  Init,
  MetadataRequest,
  MetadataResponse,
  PartitionDescription,
  TopicMetadata,
} from "@varve/rpc";
import { METHODS, toErrorStatus } from "@varve/rpc";
import type { Broker } from "../broker.js";
import { type BrokerConfig, checkPartitions, completeTopicShape } from "../config/index.js";
import type { CommandAnswer } from "../controller/access.js";
import { type GroupStatus, newestStatuses } from "../duties/status.js";
import type { CallContext } from "../routing/router.js";
import { clusterHealth } from "./cluster-health.js";
import { replicaAdmin } from "./replica-admin.js";
import { callContext, checkTopicRef, configPatch, invalidArgument } from "./requests.js";

export interface AdminServiceOptions {
  readonly broker: Broker;
  readonly random: Random;
  readonly topicPolicy: Pick<BrokerConfig, "limits" | "topicDefaults">;
}

/** How long other brokers may take to say what they lead. */
const GATHER_MS = 2_000;
const METADATA_TOPICS_MAX = 1_000;
const LOOK_AGAIN_MS = 20;
/** A transfer that has not happened after this time is asked for again. */
const TRANSFER_AGAIN_MS = 1_000;

export function adminService(options: AdminServiceOptions): AdminServiceHandlers {
  const admin = new Admin(options);
  return {
    createTopic: (request, call) => admin.createTopic(request, admin.context(call)),
    deleteTopic: async (request, call) => {
      checkTopicRef(request);
      const topicId = request.topicId === "" ? null : request.topicId;
      const command = { kind: "deleteTopic", topic: request.topic, topicId } as const;
      const { result, version: metadataVersion } = await admin.command(command, admin.context(call));
      // Who had asked before, and had no answer, learns from which version on the topic is gone.
      if (!result.ok) throw refusalError({ ...result, details: { ...result.details, metadataVersion } });
      return { metadataVersion };
    },
    alterTopic: async (request, call) => {
      const config = configPatch(request.config, request.resetConfig);
      const command = { kind: "alterTopic", topic: request.topic, config } as const;
      const { result, version: metadataVersion } = await admin.command(command, admin.context(call));
      return { config: configText(expectValue(result, "topic").topic), metadataVersion };
    },
    addPartitions: async (request, call) => {
      checkPartitions(options.topicPolicy, request.partitions);
      const { topic, partitions } = request;
      const command = { kind: "addPartitions", topic, partitions, avoidBrokers: admin.down() } as const;
      const { result, version: metadataVersion } = await admin.command(command, admin.context(call));
      return { partitions: expectValue(result, "topic").topic.partitions.length, metadataVersion };
    },
    listTopics: async (request, call) => {
      const state = await admin.stateAt(request.minMetadataVersion, admin.context(call));
      const topics = publicTopics(state).map(({ topic, topicId, partitions, replicas }) => ({
        topic,
        topicId,
        partitions: partitions.length,
        replicas,
      }));
      return { topics, metadataVersion: state.metadataVersion };
    },
    describeTopic: (request, call) => admin.describeTopic(request, admin.context(call)),
    describeCluster: async (request, call) => {
      const state = await admin.stateAt(request.minMetadataVersion, admin.context(call));
      const statuses = await options.broker.statuses.gather([NO_GROUP], GATHER_MS);
      const holds = state.replicaCounts();
      const leads = countLed(options.broker, state);
      const brokers = state.brokers().map(({ brokerId, grpcAddress, rack, version, drained, leaving, ...rest }) => ({
        id: brokerId,
        address: grpcAddress,
        peerAddress: rest.peerAddress,
        opsAddress: rest.opsAddress,
        rack,
        ready: statuses.some((status) => status.brokerId === brokerId && status.ready),
        version,
        drained,
        leaving,
        replicas: holds.get(brokerId) ?? 0,
        leads: leads.get(brokerId)?.all ?? 0,
        leadsAlone: leads.get(brokerId)?.alone ?? 0,
        featureLevelMin: rest.formatVersionMin,
        featureLevelMax: rest.formatVersion,
      }));
      return {
        clusterId: state.clusterId ?? "",
        controller: options.broker.access.leader(),
        brokers,
        metadataVersion: state.metadataVersion,
        featureLevel: state.featureLevel,
      };
    },
    transferLeadership: (request, call) => admin.transferLeadership(request, admin.context(call)),
    metadata: (request, call) => admin.metadata(request, admin.context(call)),
    clusterHealth: () => clusterHealth(options.broker),
    ...replicaAdmin({
      broker: options.broker,
      context: (call) => admin.context(call),
      stateAt: (version, context) => admin.stateAt(version, context),
      down: () => admin.down(),
    }),
  };
}

/** Partitions per broker that leads them, as far as is known here; `alone`: those of them that have no other replica. */
function countLed({ leaders }: Broker, state: ControllerState): Map<BrokerId, { all: number; alone: number }> {
  const counts = new Map<BrokerId, { all: number; alone: number }>();
  for (const { partitions } of state.topics()) {
    for (const { groupId, replicas } of partitions) {
      const leader = leaders.get(groupId)?.broker;
      if (leader === undefined) continue;
      const count = counts.get(leader) ?? { all: 0, alone: 0 };
      count.all++;
      if (replicas.length === 1) count.alone++;
      counts.set(leader, count);
    }
  }
  return counts;
}

/** Without those that the cluster keeps for itself. */
function publicTopics(state: ControllerState): Topic[] {
  return state.topics().filter((topic) => publicTopic(topic) !== null);
}

function publicTopic(topic: Topic | null): Topic | null {
  return topic === null || isInternalTopic(topic.topic) ? null : topic;
}

function reservedName(topic: string): VarveError {
  return new VarveError("INVALID_TOPIC_NAME", {
    message: `topic name ${JSON.stringify(topic)} starts with __, which is reserved; nothing was created; choose another`,
    details: { topic },
  });
}

/** No group has this id: a status without groups. */
const NO_GROUP = -1;

class Admin {
  private readonly options: AdminServiceOptions;

  constructor(options: AdminServiceOptions) {
    this.options = options;
  }

  get version(): number {
    return this.options.broker.state().metadataVersion;
  }

  context(call: { readonly deadlineMs: number; readonly signal: AbortSignal }): CallContext {
    const { broker, topicPolicy } = this.options;
    return callContext(broker.ports.clock.monotonicMs(), topicPolicy.limits.requestDeadlineMs, call);
  }

  command(command: ControllerCommand, context: CallContext): Promise<CommandAnswer> {
    return this.options.broker.access.command(command, context);
  }

  /** Registered brokers that cannot be reached from here. */
  down(): BrokerId[] {
    const { broker } = this.options;
    return broker
      .state()
      .brokers()
      .map(({ brokerId }) => brokerId)
      .filter((id) => id !== broker.settings.brokerId && !broker.hub.isConnected(id));
  }

  async stateAt(version: number, context: CallContext): Promise<ControllerState> {
    const { broker } = this.options;
    if (version > broker.state().metadataVersion) {
      const leftMs = context.deadlineAtMs - broker.ports.clock.monotonicMs();
      if (!(await broker.controller?.waitVersion(version, Math.max(0, leftMs)))) {
        throw new VarveError("TIMEOUT", {
          message: `this broker has not reached metadata version ${version} in time; it is at ${this.version}; ask again or ask another`,
          effect: "NONE",
        });
      }
    }
    return broker.state();
  }

  async createTopic(
    request: Parameters<AdminServiceHandlers["createTopic"]>[0],
    context: CallContext,
  ): Promise<{ topicId: string; created: boolean; partitions: number; replicas: number; metadataVersion: number }> {
    if (request.topicId !== "") checkTopicRef(request);
    if (isInternalTopic(request.topic)) throw reservedName(request.topic);
    const { partitions, replicas } = request;
    const shape = completeTopicShape(this.options.topicPolicy, {
      partitions,
      replicas,
      config: configPatch(request.config),
    });
    const { result, version: metadataVersion } = await this.command(
      {
        kind: "createTopic",
        topic: request.topic,
        topicId: request.topicId === "" ? randomUuid(this.options.random) : request.topicId,
        ...shape,
        ifNotExists: request.ifNotExists,
        avoidBrokers: this.down(),
      },
      context,
    );
    const { topic, created } = expectValue(result, "topic");
    await this.waitLed(topic, context);
    return {
      topicId: topic.topicId,
      created,
      partitions: topic.partitions.length,
      replicas: topic.replicas,
      metadataVersion,
    };
  }

  /** A new topic is answered when its partitions have leaders, so that the next call finds them; not a promise, only a courtesy. */
  private async waitLed(topic: Topic, context: CallContext): Promise<void> {
    const { clock } = this.options.broker.ports;
    const untilMs = Math.min(context.deadlineAtMs, clock.monotonicMs() + GATHER_MS);
    const led = (): boolean => topic.partitions.every((partition) => this.leaderOf(partition) !== null);
    while (!led() && clock.monotonicMs() < untilMs && !context.signal.aborted) await delay(clock, LOOK_AGAIN_MS);
  }

  private leaderOf({ groupId }: Partition): BrokerId | null {
    const { broker } = this.options;
    const here = broker.partitions.get(groupId);
    if (here?.servingEpoch() != null) return broker.settings.brokerId;
    return broker.leaders.get(groupId)?.broker ?? null;
  }

  async describeTopic(
    request: { readonly topic: string; readonly topicId: string; readonly minMetadataVersion: number },
    context: CallContext,
  ): Promise<Init<DescribeTopicResponse>> {
    checkTopicRef(request);
    const state = await this.stateAt(request.minMetadataVersion, context);
    const topic = await this.options.broker.router.locateTopic(request, context);
    const statuses = await this.gather(topic);
    return {
      topic: topic.topic,
      topicId: topic.topicId,
      replicas: topic.replicas,
      config: configText(topic),
      partitions: topic.partitions.map((partition) => describePartition(partition, statuses.get(partition.groupId))),
      metadataVersion: state.metadataVersion,
    };
  }

  private async gather(topic: Topic): Promise<Map<number, GroupStatus>> {
    const answers = await this.options.broker.statuses.gather(
      topic.partitions.map(({ groupId }) => groupId),
      GATHER_MS,
    );
    return newestStatuses(answers);
  }

  async transferLeadership(
    request: {
      readonly topic: string;
      readonly topicId: string;
      readonly partition: PartitionId;
      readonly to: BrokerId;
    },
    context: CallContext,
  ): Promise<{ leader: BrokerId; leaderEpoch: number }> {
    checkTopicRef(request);
    const { broker } = this.options;
    const { clock } = broker.ports;
    const located = await broker.router.locate(request, request.partition, context);
    const target = located.state.replicas.find(({ brokerId }) => brokerId === request.to);
    if (target === undefined) {
      const holders = located.state.replicas.map(({ brokerId }) => brokerId).join(", ");
      throw invalidArgument(
        `broker ${request.to} holds no replica of ${located.topic.topic}/${request.partition}, brokers ${holders} do`,
      );
    }
    let askedAtMs = Number.NEGATIVE_INFINITY;
    while (clock.monotonicMs() < context.deadlineAtMs && !context.signal.aborted) {
      const known = broker.leaders.get(located.state.groupId);
      if (known?.broker === request.to) return { leader: known.broker, leaderEpoch: known.term };
      if (clock.monotonicMs() - askedAtMs > TRANSFER_AGAIN_MS) {
        askedAtMs = clock.monotonicMs();
        await broker.statuses.askTransfer(located.state.groupId, target.replicaId).catch((error: unknown) => {
          if (!isVarveError(error)) throw error;
        });
      }
      await delay(clock, LOOK_AGAIN_MS);
    }
    throw new VarveError("TIMEOUT", {
      message: `broker ${request.to} does not lead ${located.topic.topic}/${request.partition} yet: it may be down, behind, or have a slow disk; a transfer that has begun may still happen`,
    });
  }

  async metadata(request: MetadataRequest, context: CallContext): Promise<Init<MetadataResponse>> {
    if (request.topics.length + request.topicIds.length > METADATA_TOPICS_MAX) {
      throw invalidArgument(`metadata of at most ${METADATA_TOPICS_MAX} topics may be asked for at once`);
    }
    const authoritative = request.authoritative ? await this.options.broker.access.refresh(context) : false;
    const state = await this.stateAt(request.minMetadataVersion, context);
    return {
      clusterId: state.clusterId ?? "",
      brokers: state.brokers().map(({ brokerId, grpcAddress }) => ({ id: brokerId, address: grpcAddress })),
      topics: [
        ...request.topics.map((name) => this.topicMetadata(publicTopic(state.topicByName(name)), name, "")),
        ...request.topicIds.map((id) => this.topicMetadata(publicTopic(state.topicById(id)), "", id)),
      ],
      metadataVersion: state.metadataVersion,
      authoritative,
    };
  }

  private topicMetadata(topic: Topic | null, name: string, topicId: string): Init<TopicMetadata> {
    if (topic === null) {
      const code = name === "" ? "UNKNOWN_TOPIC_ID" : "UNKNOWN_TOPIC";
      const message =
        name === ""
          ? `no topic has the id ${topicId}`
          : `topic ${JSON.stringify(name)} does not exist; create it with: varve topic create ${name}`;
      return {
        topic: name,
        topicId,
        error: toErrorStatus(new VarveError(code, { message, details: { topic: name, topicId } }), METHODS.metadata),
      };
    }
    return {
      topic: topic.topic,
      topicId: topic.topicId,
      error: null,
      batchBytesMax: Math.min(
        this.options.topicPolicy.limits.batchBytesMax,
        effectiveTopicConfig(topic.config).batchBytesMax,
      ),
      partitions: topic.partitions.map((partition) => {
        const known = this.options.broker.leaders.get(partition.groupId);
        return {
          partition: partition.partition,
          leader: known?.broker ?? null,
          leaderEpoch: known?.term ?? 0,
          hashStart: partition.hashStart,
          hashEnd: partition.hashEnd,
        };
      }),
    };
  }
}

function describePartition(partition: Partition, status: GroupStatus | undefined): Init<PartitionDescription> {
  const held = [...partition.replicas, ...partition.leaving];
  const brokers = (ids: readonly number[]): number[] => [
    ...new Set(held.filter(({ replicaId }) => ids.includes(replicaId)).map(({ brokerId }) => brokerId)),
  ];
  return {
    partition: partition.partition,
    leader: status?.leader ?? null,
    leaderEpoch: status?.epoch ?? 0,
    replicas: partition.replicas.map(({ brokerId }) => brokerId),
    voters: brokers(status?.voters ?? partition.replicas.map(({ replicaId }) => replicaId)),
    inSync: brokers(status?.inSync ?? []),
    leaving: partition.leaving.map(({ brokerId }) => brokerId),
    logStart: status?.logStart ?? -1,
    highWatermark: status?.highWatermark ?? -1,
  };
}

function configText(topic: Topic): Record<string, string> {
  return Object.fromEntries(
    Object.entries(effectiveTopicConfig(topic.config)).map(([key, value]) => [key, String(value)]),
  );
}
