/**
 * tables.ts: the controller's state in memory, as the appliers change it. Nobody outside this package sees it.
 *
 * Invariants:
 *   T1  `topicIds` and `groups` say the same as `topics`
 *   T2  a group id, a producer id, and a replica id within its group are handed out once, for ever
 *   T3  the hash ranges of each topic cover the hash space without gap or overlap (H1, H2 of hash-ranges.ts in base)
 *   T4  a directory belongs to one broker id for ever; a broker id to one directory at a time, and to another only when that is retired
 */
import { assert, type BrokerId, type ClusterId, type DirectoryId, type GroupId, type TopicId } from "@varve/base";
import type { Broker, ControllerReplica, DirectoryRecord, Partition, Topic } from "./model.js";

/** Where a group is found. */
export interface GroupPlace {
  readonly topicId: TopicId;
  readonly partition: number;
}

export interface Tables {
  clusterId: ClusterId | null;
  metadataVersion: number;
  /** Finalised; see `feature-levels.ts`. */
  featureLevel: number;
  nextGroupId: GroupId;
  nextProducerId: number;
  nextControllerReplicaId: number;
  /** Sorted by replica id. */
  controllerReplicas: readonly ControllerReplica[];
  readonly directories: Map<DirectoryId, DirectoryRecord>;
  readonly brokers: Map<BrokerId, Broker>;
  readonly topics: Map<TopicId, Topic>;
  readonly topicIds: Map<string, TopicId>;
  readonly groups: Map<GroupId, GroupPlace>;
  /** Oldest first, bounded. */
  deletedTopicIds: readonly TopicId[];
}

export function emptyTables(): Tables {
  return {
    clusterId: null,
    metadataVersion: 0,
    featureLevel: 1,
    nextGroupId: 1,
    nextProducerId: 1,
    nextControllerReplicaId: 1,
    controllerReplicas: [],
    directories: new Map(),
    brokers: new Map(),
    topics: new Map(),
    topicIds: new Map(),
    groups: new Map(),
    deletedTopicIds: [],
  };
}

export function topicByName(tables: Tables, topic: string): Topic | null {
  const topicId = tables.topicIds.get(topic);
  return topicId === undefined ? null : (tables.topics.get(topicId) ?? null);
}

/** Adds a topic, or replaces it by a later state of itself. */
export function putTopic(tables: Tables, topic: Topic): void {
  const known = tables.topicIds.get(topic.topic);
  assert(known === undefined || known === topic.topicId, "T1: a name belongs to one topic");
  tables.topics.set(topic.topicId, topic);
  tables.topicIds.set(topic.topic, topic.topicId);
  for (const { groupId, partition } of topic.partitions)
    tables.groups.set(groupId, { topicId: topic.topicId, partition });
}

/** Replaces one partition of a topic; the topic as it is then. */
export function putPartition(tables: Tables, topic: Topic, partition: Partition): Topic {
  const partitions = topic.partitions.map((known) => (known.groupId === partition.groupId ? partition : known));
  const now = { ...topic, partitions };
  putTopic(tables, now);
  return now;
}

export function removeTopic(tables: Tables, topic: Topic): void {
  tables.topics.delete(topic.topicId);
  tables.topicIds.delete(topic.topic);
  for (const { groupId } of topic.partitions) tables.groups.delete(groupId);
}

export function partitionOfGroup(tables: Tables, groupId: GroupId): { topic: Topic; partition: Partition } | null {
  const place = tables.groups.get(groupId);
  if (place === undefined) return null;
  const topic = tables.topics.get(place.topicId);
  assert(topic !== undefined, "T1: a group's topic exists");
  const partition = topic.partitions[place.partition];
  assert(partition !== undefined, "T1: a group's partition exists");
  assert(partition.groupId === groupId, "T1: a group's place is its own");
  return { topic, partition };
}
