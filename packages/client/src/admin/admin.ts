/**
 * admin.ts: topics, offsets, groups and the cluster. Every change is one whose repeat is recognised, so each call is tried to its deadline.
 */
import { LIMITS, NUMBER_MAX, nameProblem, randomUuid, toVarveError, VarveError } from "@varve/base";
import { type Init, METHODS, type PartitionDescription, type UnaryMethod } from "@varve/rpc";
import type { Cluster } from "../cluster/cluster.js";
import { reading, unknownTopic } from "../errors.js";
import { integerIn, type WaitOptions } from "../options.js";
import {
  GroupAdmin,
  type GroupDescription,
  type GroupListing,
  type SeekGroupInput,
  type SeekGroupResult,
} from "./groups.js";
import { listOffsets } from "./list-offsets.js";
import type {
  ClusterDescription,
  ClusterHealth,
  CreatedTopic,
  CreateTopicInput,
  OffsetPoint,
  PartitionDetails,
  PartitionMove,
  PartitionOffset,
  RebalancePlan,
  TopicConfig,
  TopicDescription,
  TopicListing,
  TopicSettings,
} from "./shapes.js";

function brokerId(value: number): number {
  return integerIn("broker", value, 1, 2 ** 31 - 1);
}

/** Longest wait for the answer about the cluster's health; the broker itself answers within 5 s. */
const HEALTH_DEADLINE_MS = 5_000;

export class Admin {
  private readonly cluster: Cluster;
  private readonly groups: GroupAdmin;

  /** @internal Use `varve.admin`. */
  constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.groups = new GroupAdmin(cluster);
  }

  /**
   * Creates a topic; resolves when it exists, before all its leaders are elected.
   * @throws VarveError TOPIC_EXISTS, INVALID_TOPIC_NAME, INVALID_PARTITIONS, INVALID_REPLICATION, INVALID_CONFIG.
   */
  async createTopic(input: CreateTopicInput, wait: WaitOptions = {}): Promise<CreatedTopic> {
    const { topic, partitions, replicas, ifNotExists = false } = input;
    checkName(topic);
    const { set, reset } = configTexts(topic, input.config ?? {});
    if (reset.length > 0) throw invalidConfig(topic, `${reset.join(", ")}: null has no meaning for a new topic`);
    const request = {
      topic,
      partitions: count("INVALID_PARTITIONS", topic, "partitions", partitions),
      replicas: count("INVALID_REPLICATION", topic, "replicas", replicas),
      config: set,
      ifNotExists,
      topicId: randomUuid(this.cluster.ports.random),
    };
    const made = await this.write(METHODS.createTopic, request, `createTopic ${JSON.stringify(topic)}`, wait);
    this.cluster.metadata.noteVersion(made.metadataVersion);
    return {
      topic,
      topicId: made.topicId,
      partitions: made.partitions,
      replicas: made.replicas,
      created: made.created,
    };
  }

  /** All topics, sorted by name. */
  async listTopics(wait: WaitOptions = {}): Promise<TopicListing[]> {
    const answer = await this.read(METHODS.listTopics, this.atLeast(), "listTopics", wait);
    this.cluster.metadata.noteVersion(answer.metadataVersion);
    return answer.topics.map(({ topic, topicId, partitions, replicas }) => ({ topic, topicId, partitions, replicas }));
  }

  /** @throws VarveError UNKNOWN_TOPIC. */
  async describeTopic(topic: string, wait: WaitOptions = {}): Promise<TopicDescription> {
    const what = `describeTopic ${JSON.stringify(topic)}`;
    const answer = await this.read(METHODS.describeTopic, { topic, ...this.atLeast() }, what, wait);
    this.cluster.metadata.noteVersion(answer.metadataVersion);
    return {
      topic: answer.topic,
      topicId: answer.topicId,
      config: configNumbers(answer.config),
      partitions: answer.partitions.map(partitionDetails),
    };
  }

  /** Changes the settings that are named. Answers all of them. @throws VarveError UNKNOWN_TOPIC, INVALID_CONFIG. */
  async alterTopic(
    input: { readonly topic: string; readonly config: TopicSettings },
    wait: WaitOptions = {},
  ): Promise<TopicConfig> {
    const { topic } = input;
    const { set, reset } = configTexts(topic, input.config);
    const what = `alterTopic ${JSON.stringify(topic)}`;
    const answer = await this.write(METHODS.alterTopic, { topic, config: set, resetConfig: reset }, what, wait);
    this.cluster.metadata.noteVersion(answer.metadataVersion);
    return configNumbers(answer.config);
  }

  /**
   * Raises the number of partitions to `partitions`; the present number is no error. Keys of the halved ranges move.
   * @throws VarveError UNKNOWN_TOPIC, INVALID_PARTITIONS.
   */
  async addPartitions(
    input: { readonly topic: string; readonly partitions: number },
    wait: WaitOptions = {},
  ): Promise<void> {
    const { topic } = input;
    const partitions = count("INVALID_PARTITIONS", topic, "partitions", input.partitions);
    const what = `addPartitions ${JSON.stringify(topic)}`;
    const answer = await this.write(METHODS.addPartitions, { topic, partitions: partitions ?? 0 }, what, wait);
    this.cluster.metadata.noteVersion(answer.metadataVersion);
    await this.cluster.metadata.refresh(topic).catch(() => {});
  }

  /** Deletes a topic with its records, for good. @throws VarveError UNKNOWN_TOPIC. */
  async deleteTopic(topic: string, wait: WaitOptions = {}): Promise<void> {
    const what = `deleteTopic ${JSON.stringify(topic)}`;
    const { topicId } = await this.cluster.metadata.refresh(topic).catch((thrown: unknown) => {
      const error = toVarveError(thrown);
      throw error.code === "UNKNOWN_TOPIC" ? unknownTopic(topic) : error.withEffect("NOT_APPLIED");
    });
    const answer = await this.cluster.call(
      METHODS.deleteTopic,
      { topic, topicId },
      {
        what,
        kind: "write",
        signal: wait.signal,
        doneBefore: ({ code, details }) =>
          code === "UNKNOWN_TOPIC" || code === "UNKNOWN_TOPIC_ID"
            ? { metadataVersion: Number(details["metadataVersion"] ?? 0) }
            : null,
      },
    );
    this.cluster.metadata.noteVersion(answer.metadataVersion);
    this.cluster.metadata.forget(topic);
  }

  /** An offset of every partition, in order of partition. `latest` is never below a record acknowledged before the call. */
  async listOffsets(
    input: { readonly topic: string; readonly at: OffsetPoint; readonly partitions?: readonly number[] | undefined },
    wait: WaitOptions = {},
  ): Promise<PartitionOffset[]> {
    const offsets = await reading(() => listOffsets(this.cluster, input, wait));
    return offsets.map(({ partition, offset }) => ({ partition, offset }));
  }

  async describeCluster(wait: WaitOptions = {}): Promise<ClusterDescription> {
    const answer = await this.read(METHODS.describeCluster, this.atLeast(), "describeCluster", wait);
    const brokers = answer.brokers.map((broker) => ({ ...broker }));
    const { clusterId, controller, featureLevel } = answer;
    return { clusterId, controller, brokers, featureLevel };
  }

  /**
   * Makes the replica on broker `to` the leader of a partition; resolves when it leads.
   * @throws VarveError UNKNOWN_TOPIC, UNKNOWN_PARTITION, INVALID_ARGUMENT (no replica there).
   */
  async transferLeadership(
    input: { readonly topic: string; readonly partition: number; readonly to: number },
    wait: WaitOptions = {},
  ): Promise<void> {
    const { topic } = input;
    const partition = integerIn("partition", input.partition, 0, LIMITS.partitionsPerTopicMax - 1);
    const to = integerIn("to", input.to, 1, 2 ** 31 - 1);
    const what = `transferLeadership of ${topic}/${partition} to broker ${to}`;
    const answer = await this.write(METHODS.transferLeadership, { topic, partition, to }, what, wait);
    this.cluster.metadata.noteLeader(topic, partition, answer.leader, answer.leaderEpoch);
  }

  /**
   * Moves the replicas of a partition to `brokers`, the first of which is the preferred leader. Resolves when that is decided; `listMoves`
   * shows how far it is. Reads and writes go on. @throws VarveError UNKNOWN_TOPIC, UNKNOWN_PARTITION, INVALID_REPLICATION.
   */
  async movePartition(
    input: {
      readonly topic: string;
      /** When given, only the topic with this id is meant, not one that was made again under its name. */
      readonly topicId?: string;
      readonly partition: number;
      readonly brokers: readonly number[];
    },
    wait: WaitOptions = {},
  ): Promise<void> {
    const { topic, topicId = "" } = input;
    const partition = integerIn("partition", input.partition, 0, LIMITS.partitionsPerTopicMax - 1);
    const brokers = input.brokers.map((broker) => brokerId(broker));
    const what = `movePartition ${topic}/${partition} to brokers ${brokers.join(", ")}`;
    const answer = await this.write(METHODS.movePartition, { topic, topicId, partition, brokers }, what, wait);
    this.cluster.metadata.noteVersion(answer.metadataVersion);
  }

  /** Partitions whose replicas are being moved or made anew. */
  async listMoves(wait: WaitOptions = {}): Promise<PartitionMove[]> {
    const answer = await this.read(METHODS.listMoves, this.atLeast(), "listMoves", wait);
    return answer.moves.map(({ topic, partition, brokers, leaving, joining, entriesBehind }) => ({
      topic,
      partition,
      brokers: [...brokers],
      leaving: [...leaving],
      joining: [...joining],
      entriesBehind: entriesBehind < 0 ? null : entriesBehind,
    }));
  }

  /**
   * A plan for an even load: which replicas and preferred leaderships to move where. Changes nothing; `movePartition` with `to` carries a
   * move out.
   */
  async planRebalance(wait: WaitOptions = {}): Promise<RebalancePlan> {
    const { moves, complete, brokers } = await this.read(METHODS.planRebalance, this.atLeast(), "planRebalance", wait);
    return {
      moves: moves.map((move) => ({ ...move, from: [...move.from], to: [...move.to] })),
      complete,
      brokers: brokers.map((broker) => ({ ...broker })),
    };
  }

  /**
   * Lets the cluster write the formats of a feature level from now on; brokers that do not support it are refused for ever after.
   * @throws VarveError INVALID_ARGUMENT (a broker does not support it, or the level is lower than the present one).
   */
  async finalizeFeatureLevel(input: { readonly level: number }, wait: WaitOptions = {}): Promise<void> {
    const level = integerIn("level", input.level, 1, 2 ** 31 - 1);
    const what = `finalizeFeatureLevel ${level}`;
    const answer = await this.write(METHODS.finalizeFeatureLevel, { level }, what, wait);
    this.cluster.metadata.noteVersion(answer.metadataVersion);
  }

  /**
   * Moves all replicas of a broker to the others and then removes it for good; `cancel` lets it stay after all. Resolves when that is
   * decided. @throws VarveError INVALID_ARGUMENT (no such broker), INVALID_REPLICATION (too few would be left).
   */
  async decommissionBroker(
    input: { readonly broker: number; readonly cancel?: boolean },
    wait: WaitOptions = {},
  ): Promise<void> {
    const { cancel = false } = input;
    const broker = brokerId(input.broker);
    const what = `decommissionBroker ${broker}`;
    const answer = await this.write(METHODS.decommissionBroker, { broker, cancel }, what, wait);
    this.cluster.metadata.noteVersion(answer.metadataVersion);
  }

  /** Moves the leaderships of a broker away, until its next start or until `undo`. @throws VarveError INVALID_ARGUMENT. */
  async drainBroker(
    input: { readonly broker: number; readonly undo?: boolean },
    wait: WaitOptions = {},
  ): Promise<void> {
    const { undo = false } = input;
    const broker = brokerId(input.broker);
    const answer = await this.write(METHODS.drainBroker, { broker, undo }, `drainBroker ${broker}`, wait);
    this.cluster.metadata.noteVersion(answer.metadataVersion);
  }

  /**
   * Says that the data of a broker is gone for ever: it may come back with an empty directory, on which its replicas are made anew.
   * @throws VarveError INVALID_ARGUMENT (no such broker, or it is up).
   */
  async replaceBroker(input: { readonly broker: number }, wait: WaitOptions = {}): Promise<void> {
    const broker = brokerId(input.broker);
    const answer = await this.write(METHODS.replaceBroker, { broker }, `replaceBroker ${broker}`, wait);
    this.cluster.metadata.noteVersion(answer.metadataVersion);
  }

  /** Whether everything is well, and what is not. Tries for 5 s at most. */
  async clusterHealth(wait: WaitOptions = {}): Promise<ClusterHealth> {
    const answer = await this.cluster.caller.call(
      METHODS.clusterHealth,
      {},
      { what: "clusterHealth", kind: "read", deadlineMs: HEALTH_DEADLINE_MS, signal: wait.signal },
    );
    const problems = answer.problems.map(({ broker, topic, partition, message }) => ({
      broker,
      topic: topic === "" ? null : topic,
      partition,
      message,
    }));
    return { ...answer, problems };
  }

  /** All groups of the cluster, by name. */
  listGroups(wait: WaitOptions = {}): Promise<GroupListing[]> {
    return this.groups.list(wait);
  }

  /** Members, what they work on, stored offsets and lag. @throws VarveError UNKNOWN_GROUP, INVALID_GROUP_NAME. */
  describeGroup(group: string, wait: WaitOptions = {}): Promise<GroupDescription> {
    return reading(() => this.groups.describe(group, wait));
  }

  /**
   * Moves a group, also while its members work: they go on from there. A group that does not exist is refused (UNKNOWN_GROUP).
   * @throws VarveError OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC, UNKNOWN_PARTITION, INVALID_ARGUMENT, INVALID_GROUP_NAME.
   */
  seekGroup(input: SeekGroupInput, wait: WaitOptions = {}): Promise<SeekGroupResult> {
    return this.groups.seek(input, wait);
  }

  /** Forgets a group and its offsets. @throws VarveError UNKNOWN_GROUP, GROUP_NOT_EMPTY (it has members), INVALID_GROUP_NAME. */
  deleteGroup(group: string, wait: WaitOptions = {}): Promise<void> {
    return this.groups.delete(group, wait);
  }

  private atLeast(): { readonly minMetadataVersion: number } {
    return { minMetadataVersion: this.cluster.metadata.minVersion };
  }

  private read<Q, R>(method: UnaryMethod<Q, R>, request: Init<Q>, what: string, wait: WaitOptions): Promise<R> {
    return this.cluster.call(method, request, { what, kind: "read", signal: wait.signal });
  }

  private write<Q, R>(method: UnaryMethod<Q, R>, request: Init<Q>, what: string, wait: WaitOptions): Promise<R> {
    return this.cluster.call(method, request, { what, kind: "write", signal: wait.signal });
  }
}

function partitionDetails(partition: PartitionDescription): PartitionDetails {
  const { leaderEpoch, replicas, voters, inSync, leaving, ...rest } = partition;
  const lists = { replicas: [...replicas], voters: [...voters], inSync: [...inSync], leaving: [...leaving] };
  return { ...rest, epoch: leaderEpoch, ...lists };
}

function checkName(topic: string): void {
  const problem = typeof topic === "string" ? nameProblem(topic) : "is not text";
  if (problem === null) return;
  const shown = JSON.stringify(String(topic).slice(0, 300));
  throw new VarveError("INVALID_TOPIC_NAME", {
    message: `topic name ${shown} ${problem}; a name has 1 to 249 of the characters A-Z a-z 0-9 . _ -; nothing was created`,
    details: { topic: String(topic).slice(0, 300) },
  });
}

/** What does not travel as an integer of 32 bits is refused here, in the broker's words; its range is the broker's business. */
function count(
  code: "INVALID_PARTITIONS" | "INVALID_REPLICATION",
  topic: string,
  name: string,
  value: number | undefined,
): number | undefined {
  if (value === undefined || (Number.isInteger(value) && Math.abs(value) < 2 ** 31)) return value;
  throw new VarveError(code, {
    message: `topic ${JSON.stringify(topic)} cannot have ${String(value)} ${name}: a whole number is needed; nothing was changed`,
    details: { topic, [name]: String(value) },
  });
}

/** Settings as the wire has them. Values that are no safe integers travel as they are: the broker reports all problems at once. */
function configTexts(topic: string, config: TopicSettings): { set: Record<string, string>; reset: string[] } {
  if (typeof config !== "object" || config === null) throw invalidConfig(topic, "config must be an object");
  const set: Record<string, string> = Object.create(null);
  const reset: string[] = [];
  for (const [key, value] of Object.entries(config)) {
    if (value === null) reset.push(key);
    else if (value !== undefined) set[key] = String(value);
  }
  return { set, reset };
}

function configNumbers(texts: Readonly<Record<string, string>>): TopicConfig {
  return Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, Math.min(Number(text), NUMBER_MAX)]));
}

function invalidConfig(topic: string, problem: string): VarveError {
  return new VarveError("INVALID_CONFIG", {
    message: `configuration of topic ${JSON.stringify(topic)}: ${problem}; nothing was changed`,
    details: { topic },
  });
}
