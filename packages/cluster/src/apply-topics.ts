/**
 * apply-topics.ts: the commands about topics: create, delete, alter, add partitions. Each checks everything first, then changes
 * everything; a refusal leaves the tables as they were.
 */
import {
  assert,
  assertDefined,
  type BrokerId,
  type HashRange,
  initialRanges,
  LIMITS,
  nameProblem,
  type TopicId,
} from "@varve/base";
import type { AddPartitionsCommand, AlterTopicCommand, CreateTopicCommand, DeleteTopicCommand } from "./commands.js";
import { growRanges } from "./grow-ranges.js";
import { isInternalTopic } from "./internal-topics.js";
import { CLUSTER_LIMITS, type Partition, rangesOf, type Topic } from "./model.js";
import { type ApplyContext, changed, DONE, type Outcome, refused, unchanged } from "./outcome.js";
import { type PlacedReplicas, placePartitions } from "./placement.js";
import { type Refusal, refuse } from "./result.js";
import { putTopic, removeTopic, type Tables, topicByName } from "./tables.js";
import { patchTopicConfig, type TopicConfigPatch, topicConfigProblems } from "./topic-config.js";

/** What a topic gets when its creator does not say. */
export const TOPIC_DEFAULTS = { partitions: 6, replicas: 3 } as const;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function applyCreateTopic(tables: Tables, command: CreateTopicCommand, context: ApplyContext): Outcome {
  const existing = topicByName(tables, command.topic);
  const repeated = existing !== null && existing.topicId === command.topicId;
  if (existing !== null && (repeated || command.ifNotExists)) {
    return unchanged({ kind: "topic", topic: existing, created: repeated });
  }
  const partitions = command.partitions ?? TOPIC_DEFAULTS.partitions;
  const replicas = command.replicas ?? Math.max(1, Math.min(TOPIC_DEFAULTS.replicas, stayingBrokers(tables)));
  const problem =
    (isInternalTopic(command.topic) ? null : nameRefusal(command.topic)) ??
    (existing === null ? null : topicExists(existing)) ??
    topicIdRefusal(tables, command.topicId) ??
    partitionsRefusal(tables, command.topic, partitions, 0) ??
    replicationRefusal(tables, command.topic, replicas) ??
    configRefusal(command.topic, command.config);
  if (problem !== null) return refused(problem);
  const topic: Topic = {
    topic: command.topic,
    topicId: command.topicId,
    createdIndex: context.index,
    createdMs: context.appendTimeMs,
    replicas,
    config: patchTopicConfig({}, command.config),
    partitions: [],
  };
  const grown = grow(tables, topic, initialRanges(partitions), command.avoidBrokers);
  putTopic(tables, grown);
  return changed({ kind: "topic", topic: grown, created: true });
}

export function applyDeleteTopic(tables: Tables, command: DeleteTopicCommand): Outcome {
  const topic = topicByName(tables, command.topic);
  if (topic === null) return refused(unknownTopic(command.topic));
  if (isInternalTopic(topic.topic)) return refused(internalTopic(topic.topic));
  if (command.topicId !== null && command.topicId !== topic.topicId) {
    return refused(
      refuse(
        "UNKNOWN_TOPIC_ID",
        `topic ${JSON.stringify(topic.topic)} has id ${topic.topicId} now, not ${command.topicId}: it was deleted and recreated; nothing was deleted`,
        { topic: topic.topic, topicId: topic.topicId },
      ),
    );
  }
  removeTopic(tables, topic);
  tables.deletedTopicIds = [...tables.deletedTopicIds, topic.topicId].slice(-CLUSTER_LIMITS.deletedTopicIdsMax);
  return changed(DONE);
}

export function applyAlterTopic(tables: Tables, command: AlterTopicCommand): Outcome {
  const topic = topicByName(tables, command.topic);
  if (topic === null) return refused(unknownTopic(command.topic));
  if (isInternalTopic(topic.topic)) return refused(internalTopic(topic.topic));
  const problem = configRefusal(command.topic, command.config);
  if (problem !== null) return refused(problem);
  const config = patchTopicConfig(topic.config, command.config);
  if (JSON.stringify(config) === JSON.stringify(topic.config))
    return unchanged({ kind: "topic", topic, created: false });
  const altered: Topic = { ...topic, config };
  putTopic(tables, altered);
  return changed({ kind: "topic", topic: altered, created: false });
}

export function applyAddPartitions(tables: Tables, command: AddPartitionsCommand): Outcome {
  const topic = topicByName(tables, command.topic);
  if (topic === null) return refused(unknownTopic(command.topic));
  if (isInternalTopic(topic.topic)) return refused(internalTopic(topic.topic));
  if (command.partitions === topic.partitions.length) return unchanged({ kind: "topic", topic, created: false });
  const problem =
    partitionsRefusal(tables, topic.topic, command.partitions, topic.partitions.length) ??
    replicationRefusal(tables, topic.topic, topic.replicas);
  if (problem !== null) return refused(problem);
  const ranges = growRanges(rangesOf(topic), topic.partitions.length, command.partitions);
  const grown = grow(tables, topic, ranges, command.avoidBrokers);
  putTopic(tables, grown);
  return changed({ kind: "topic", topic: grown, created: false });
}

/** The topic with these ranges: partitions that exist keep their groups and replicas, the others get new ones. */
function grow(tables: Tables, topic: Topic, ranges: readonly HashRange[], avoidBrokers: readonly BrokerId[]): Topic {
  const groupIds = Array.from({ length: ranges.length - topic.partitions.length }, () => tables.nextGroupId++);
  const placed = placePartitions({
    brokers: [...tables.brokers.values()].filter(({ leaving }) => !leaving),
    replicas: topic.replicas,
    groupIds,
    avoidBrokers: new Set(avoidBrokers),
    ownPartitions: placedReplicas([topic]),
    otherPartitions: placedReplicas([...tables.topics.values()].filter(({ topicId }) => topicId !== topic.topicId)),
  });
  const partitions = [...ranges]
    .sort((left, right) => left.partition - right.partition)
    .map(({ partition, start, end }): Partition => {
      const existing = topic.partitions[partition];
      if (existing !== undefined) return { ...existing, hashStart: start, hashEnd: end };
      const at = partition - topic.partitions.length;
      const groupId = assertDefined(groupIds[at], "each new partition has a group");
      const brokerIds = assertDefined(placed[at], "each new partition is placed");
      return newPartition(tables, { partition, groupId, hashStart: start, hashEnd: end }, brokerIds);
    });
  return { ...topic, partitions };
}

function newPartition(
  tables: Tables,
  fields: Pick<Partition, "partition" | "groupId" | "hashStart" | "hashEnd">,
  brokerIds: readonly BrokerId[],
): Partition {
  assert(new Set(brokerIds).size === brokerIds.length, "P1: replicas are on distinct brokers");
  const replicas = brokerIds.map((brokerId, at) => {
    const broker = assertDefined(tables.brokers.get(brokerId), "replicas are placed on registered brokers");
    return { brokerId, directoryId: broker.directoryId, replicaId: at + 1 };
  });
  return {
    ...fields,
    initialVoters: replicas.map(({ replicaId }) => replicaId),
    replicas,
    leaving: [],
    nextReplicaId: replicas.length + 1,
  };
}

function* placedReplicas(topics: Iterable<Topic>): Generator<PlacedReplicas> {
  for (const { partitions } of topics) {
    for (const { replicas } of partitions) yield replicas.map(({ brokerId }) => brokerId);
  }
}

export function unknownTopic(topic: string): Refusal {
  return refuse(
    "UNKNOWN_TOPIC",
    `topic ${JSON.stringify(topic)} does not exist; create it with: varve topic create ${topic}`,
    { topic },
  );
}

function nameRefusal(topic: string): Refusal | null {
  const problem = nameProblem(topic);
  if (problem === null) return null;
  const shown = topic.length > 300 ? `${topic.slice(0, 300)}...` : topic;
  return refuse(
    "INVALID_TOPIC_NAME",
    `topic name ${JSON.stringify(shown)} ${problem}; a name has 1 to 249 of the characters A-Z a-z 0-9 . _ -`,
    { topic: shown },
  );
}

function internalTopic(topic: string): Refusal {
  return refuse(
    "INVALID_TOPIC_NAME",
    `topic ${JSON.stringify(topic)} belongs to the cluster itself and is not changed by hand`,
    { topic },
  );
}

function topicExists({ topic, topicId }: Topic): Refusal {
  return refuse("TOPIC_EXISTS", `topic ${JSON.stringify(topic)} exists already, with id ${topicId}`, {
    topic,
    topicId,
  });
}

function topicIdRefusal(tables: Tables, topicId: TopicId): Refusal | null {
  if (!UUID.test(topicId)) return refuse("INVALID_ARGUMENT", `topic id ${JSON.stringify(topicId)} is not a UUID`);
  if (!tables.topics.has(topicId) && !tables.deletedTopicIds.includes(topicId)) return null;
  return refuse("INVALID_ARGUMENT", `topic id ${topicId} has been used before`, { topicId });
}

function partitionsRefusal(tables: Tables, topic: string, partitions: number, present: number): Refusal | null {
  const details = {
    topic,
    partitions: Number.isFinite(partitions) ? partitions : String(partitions),
    partitionsMax: LIMITS.partitionsPerTopicMax,
  };
  const max = LIMITS.partitionsPerTopicMax;
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > max) {
    const message = `topic ${JSON.stringify(topic)} cannot have ${partitions} partitions; 1 .. ${max} are possible`;
    return refuse("INVALID_PARTITIONS", message, details);
  }
  if (partitions < present) {
    const message = `topic ${JSON.stringify(topic)} has ${present} partitions; their number can grow but not shrink to ${partitions}`;
    return refuse("INVALID_PARTITIONS", message, { ...details, partitions, present });
  }
  if (tables.groups.size + partitions - present > CLUSTER_LIMITS.partitionsMax) {
    const message = `the cluster has ${tables.groups.size} partitions of the ${CLUSTER_LIMITS.partitionsMax} that it can have; ${partitions - present} more do not fit`;
    return refuse("INVALID_PARTITIONS", message, { ...details, partitions, present: tables.groups.size });
  }
  return null;
}

/** Brokers that may get replicas. */
function stayingBrokers(tables: Tables): number {
  let count = 0;
  for (const { leaving } of tables.brokers.values()) if (!leaving) count++;
  return count;
}

function replicationRefusal(tables: Tables, topic: string, replicas: number): Refusal | null {
  const brokers = stayingBrokers(tables);
  const max = LIMITS.replicasMax;
  if (Number.isInteger(replicas) && replicas >= 1 && replicas <= max && replicas <= brokers) return null;
  return refuse(
    "INVALID_REPLICATION",
    `topic ${JSON.stringify(topic)} cannot have ${replicas} replicas: 1 .. ${max} are possible, each on a broker of its own, and the cluster has ${brokers}`,
    { topic, replicas: Number.isFinite(replicas) ? replicas : String(replicas), brokers, replicasMax: max },
  );
}

function configRefusal(topic: string, patch: TopicConfigPatch): Refusal | null {
  const problems = topicConfigProblems(patch);
  if (problems.length === 0) return null;
  return refuse("INVALID_CONFIG", `configuration of topic ${JSON.stringify(topic)}: ${problems.join("; ")}`, {
    topic,
    problems,
  });
}
