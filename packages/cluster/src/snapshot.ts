/**
 * snapshot.ts: the whole state as bytes: one section of the controller group's checkpoints. JSON in UTF-8, version 3 from feature level
 * 2 on; below it version 2, as brokers of level 1 know no other, and may be sent it. Versions 1 and 2 are read as well.
 *
 * Invariants:
 *   C1  equal states give equal bytes: every list is sorted, every object has its fields in one order
 *   C2  decodeTables(encodeTables(tables)) gives the same state; decoding anything else throws VarveError, nothing else
 */
import { hashRangesProblem, shape, VarveError } from "@varve/base";
import { SNAPSHOT_3_LEVEL } from "./feature-levels.js";
import {
  type Broker,
  CLUSTER_LIMITS,
  type ControllerReplica,
  type DirectoryRecord,
  type GroupReplica,
  type Partition,
  rangesOf,
  type Topic,
} from "./model.js";
import { fromVersion1 } from "./snapshot-v1.js";
import { fromVersion2, toVersion2 } from "./snapshot-v2.js";
import { emptyTables, putTopic, type Tables } from "./tables.js";
import { patchTopicConfig, type TopicConfigOverrides } from "./topic-config.js";

const { ShapeError, bool, count, dictionary, integer, list, nullable, object, text } = shape;

/** Newest version of the section's format. */
export const SNAPSHOT_VERSION = 3;

const TEXT_LENGTH_MAX = 1_024;
const CONFIG_KEYS_MAX = 256;

/** The section's content. */
interface SnapshotV3 {
  readonly version: number;
  readonly clusterId: string | null;
  readonly metadataVersion: number;
  readonly featureLevel: number;
  readonly nextGroupId: number;
  readonly nextProducerId: number;
  readonly nextControllerReplicaId: number;
  readonly controllerReplicas: readonly ControllerReplica[];
  readonly directories: readonly DirectoryRecord[];
  readonly brokers: readonly Broker[];
  readonly topics: readonly Topic[];
  readonly deletedTopicIds: readonly string[];
}

const words = text(TEXT_LENGTH_MAX);
const bootIds = list(words, CLUSTER_LIMITS.bootIdsMax);
const replicaFields = { brokerId: count, directoryId: words, replicaId: count };
const settings = dictionary(integer, CONFIG_KEYS_MAX);
const config = (value: unknown, path: string): TopicConfigOverrides => patchTopicConfig({}, settings(value, path));

const partition = object<Partition>({
  partition: count,
  groupId: count,
  hashStart: count,
  hashEnd: count,
  initialVoters: list(count, CLUSTER_LIMITS.brokersMax),
  replicas: list(object<GroupReplica>(replicaFields), CLUSTER_LIMITS.brokersMax),
  leaving: list(object<GroupReplica>(replicaFields), CLUSTER_LIMITS.brokersMax),
  nextReplicaId: count,
});

const topic = object<Topic>({
  topic: words,
  topicId: words,
  createdIndex: count,
  createdMs: integer,
  replicas: count,
  config,
  partitions: list(partition, CLUSTER_LIMITS.partitionsMax),
});

const broker = object<Broker>({
  brokerId: count,
  directoryId: words,
  grpcAddress: words,
  peerAddress: words,
  opsAddress: words,
  rack: nullable(words),
  host: words,
  version: words,
  formatVersion: integer,
  formatVersionMin: integer,
  drained: bool,
  leaving: bool,
});

const snapshotV3 = object<SnapshotV3>({
  version: count,
  clusterId: nullable(words),
  metadataVersion: count,
  featureLevel: count,
  nextGroupId: count,
  nextProducerId: count,
  nextControllerReplicaId: count,
  controllerReplicas: list(
    object<ControllerReplica>({ ...replicaFields, peerAddress: words, leaving: bool }),
    CLUSTER_LIMITS.brokersMax,
  ),
  directories: list(
    object<DirectoryRecord>({
      directoryId: words,
      brokerId: count,
      bootIds,
      refusedBootIds: bootIds,
      retired: bool,
      decommissionedFrom: nullable(words),
    }),
    CLUSTER_LIMITS.directoriesMax,
  ),
  brokers: list(broker, CLUSTER_LIMITS.brokersMax),
  topics: list(topic, CLUSTER_LIMITS.partitionsMax),
  deletedTopicIds: list(words, CLUSTER_LIMITS.deletedTopicIdsMax),
});

/** The state as bytes, canonical (C1). */
export function encodeTables(tables: Tables): Uint8Array {
  const snapshot: SnapshotV3 = {
    version: SNAPSHOT_VERSION,
    clusterId: tables.clusterId,
    metadataVersion: tables.metadataVersion,
    featureLevel: tables.featureLevel,
    nextGroupId: tables.nextGroupId,
    nextProducerId: tables.nextProducerId,
    nextControllerReplicaId: tables.nextControllerReplicaId,
    controllerReplicas: tables.controllerReplicas,
    directories: [...tables.directories.values()].sort(
      (left, right) => left.brokerId - right.brokerId || (left.directoryId < right.directoryId ? -1 : 1),
    ),
    brokers: [...tables.brokers.values()].sort((left, right) => left.brokerId - right.brokerId),
    topics: [...tables.topics.values()].sort((left, right) => left.createdIndex - right.createdIndex),
    deletedTopicIds: tables.deletedTopicIds,
  };
  const written = tables.featureLevel < SNAPSHOT_3_LEVEL ? toVersion2(snapshot) : snapshot;
  return new TextEncoder().encode(JSON.stringify(written));
}

/** @throws VarveError DATA_DIR_UNUSABLE when the bytes are damaged or of a version that is not known here. */
export function decodeTables(bytes: Uint8Array): Tables {
  const snapshot = parse(bytes);
  const tables = emptyTables();
  tables.clusterId = snapshot.clusterId;
  tables.metadataVersion = snapshot.metadataVersion;
  tables.featureLevel = snapshot.featureLevel;
  tables.nextGroupId = snapshot.nextGroupId;
  tables.nextProducerId = snapshot.nextProducerId;
  tables.nextControllerReplicaId = snapshot.nextControllerReplicaId;
  tables.controllerReplicas = snapshot.controllerReplicas;
  tables.deletedTopicIds = snapshot.deletedTopicIds;
  for (const directory of snapshot.directories) tables.directories.set(directory.directoryId, directory);
  for (const registered of snapshot.brokers) tables.brokers.set(registered.brokerId, registered);
  for (const owner of snapshot.topics) addTopic(tables, owner);
  return tables;
}

function parse(bytes: Uint8Array): SnapshotV3 {
  try {
    const raw: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    const version = typeof raw === "object" && raw !== null && "version" in raw ? raw.version : undefined;
    if (version === 1) return snapshotV3(fromVersion2(fromVersion1(raw)), "state");
    if (version === 2) return snapshotV3(fromVersion2(raw), "state");
    if (version === SNAPSHOT_VERSION) return snapshotV3(raw, "state");
    throw unusable(`has format version ${shape.shown(version)}; upgrade this broker`);
  } catch (error) {
    if (error instanceof ShapeError) throw unusable(`is damaged: ${error.message}`);
    if (error instanceof SyntaxError || error instanceof TypeError) throw unusable("is not JSON in UTF-8");
    throw error;
  }
}

function addTopic(tables: Tables, owner: Topic): void {
  const problem = hashRangesProblem(rangesOf(owner));
  if (problem !== null) throw unusable(`is damaged: topic ${owner.topic}: ${problem}`);
  if (tables.topicIds.has(owner.topic)) throw unusable(`is damaged: topic ${owner.topic} is there twice`);
  const misplaced = owner.partitions.some((known, at) => known.partition !== at || known.replicas.length === 0);
  if (misplaced) throw unusable(`is damaged: the partitions of topic ${owner.topic} are not dense`);
  for (const { groupId } of owner.partitions) {
    if (groupId >= tables.nextGroupId || tables.groups.has(groupId)) {
      throw unusable(`is damaged: group ${groupId} of topic ${owner.topic} was not handed out, or twice`);
    }
  }
  putTopic(tables, owner);
}

function unusable(problem: string): VarveError {
  return new VarveError("DATA_DIR_UNUSABLE", {
    message: `the controller's checkpoint ${problem}; nothing was changed`,
  });
}
