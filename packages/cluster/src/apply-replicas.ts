/**
 * apply-replicas.ts: the commands about who holds replicas: moves, renewals, departures, and brokers that are drained, decommissioned or
 * replaced.
 *
 * Only what is wanted changes here. Each group's leader brings its configuration there, by changes that Raft makes safe, and says when a
 * replica is out; not before then is it forgotten, and its directory may delete it.
 * Invariants:
 *   R1  a replica id is minted once per group; a directory that lost a replica gets another id, never the old one
 *   R2  a replica leaves the tables only by `replicasLeft` or `controllerReplicasLeft`, or with its topic
 *   R3  a repeat of a command changes nothing
 */
import { assertDefined, type BrokerId, LIMITS } from "@varve/base";
import { unknownTopic } from "./apply-topics.js";
import type {
  ControllerReplicasLeftCommand,
  DecommissionBrokerCommand,
  DrainBrokerCommand,
  RenewControllerReplicaCommand,
  RenewReplicaCommand,
  ReplaceBrokerCommand,
  ReplicasLeftCommand,
  SetReplicasCommand,
} from "./commands.js";
import { INTERNAL_MOVES_LEVEL } from "./feature-levels.js";
import { isInternalTopic } from "./internal-topics.js";
import { type Broker, CLUSTER_LIMITS, type DirectoryRecord, type GroupReplica, type Partition } from "./model.js";
import { changed, DONE, type Outcome, refused, unchanged } from "./outcome.js";
import { placeReplacements } from "./placement.js";
import { type Refusal, refuse } from "./result.js";
import { partitionOfGroup, putPartition, type Tables, topicByName } from "./tables.js";

export function applySetReplicas(tables: Tables, command: SetReplicasCommand): Outcome {
  const topic = topicByName(tables, command.topic);
  if (topic === null || !isMovable(tables, topic.topic)) return refused(unknownTopic(command.topic));
  if (command.topicId !== null && command.topicId !== topic.topicId)
    return refused(refuse("UNKNOWN_TOPIC_ID", `topic ${topic.topic} was deleted and recreated; nothing was moved`));
  const partition = topic.partitions[command.partition];
  if (partition === undefined) {
    const last = topic.partitions.length - 1;
    return refused(
      refuse("UNKNOWN_PARTITION", `topic ${topic.topic} has partitions 0 .. ${last}, not ${command.partition}`),
    );
  }
  const problem = brokersProblem(tables, command.brokers);
  if (problem !== null) return refused(problem);
  const moved = retarget(tables, partition, command.brokers);
  if (moved === partition) return unchanged({ kind: "topic", topic, created: false });
  const tooMany = leavingProblem(moved);
  if (tooMany !== null) return refused(tooMany);
  return changed({ kind: "topic", topic: putPartition(tables, topic, moved), created: false });
}

/** Software from before the level refuses to move internal topics, and all brokers have to come to the same answer. */
function isMovable({ featureLevel }: Tables, topic: string): boolean {
  return featureLevel >= INTERNAL_MOVES_LEVEL || !isInternalTopic(topic);
}

function brokersProblem(tables: Tables, brokers: readonly BrokerId[]): Refusal | null {
  const problems: string[] = [];
  if (brokers.length < 1 || brokers.length > LIMITS.replicasMax)
    problems.push(`a partition has 1 .. ${LIMITS.replicasMax} replicas, not ${brokers.length}`);
  if (new Set(brokers).size < brokers.length) problems.push("a broker is named twice");
  for (const brokerId of brokers) {
    const broker = tables.brokers.get(brokerId);
    if (broker === undefined) problems.push(`there is no broker ${brokerId}`);
    else if (broker.leaving) problems.push(`broker ${brokerId} is being decommissioned`);
  }
  if (problems.length === 0) return null;
  return refuse("INVALID_REPLICATION", `nothing was moved: ${problems.join("; ")}`, { brokers: brokers.join(",") });
}

function leavingProblem({ partition, leaving }: Partition): Refusal | null {
  if (leaving.length <= CLUSTER_LIMITS.leavingReplicasMax) return null;
  return refuse(
    "INVALID_REPLICATION",
    `nothing was moved: ${leaving.length - 1} earlier replicas of partition ${partition} have not left yet; wait for them`,
  );
}

/** The partition with its replicas on these brokers: kept where they are, taken back where they were leaving, else new ones. */
function retarget(tables: Tables, partition: Partition, brokers: readonly BrokerId[]): Partition {
  let { nextReplicaId } = partition;
  const replicas = brokers.map((brokerId): GroupReplica => {
    const { directoryId } = assertDefined(tables.brokers.get(brokerId), "the brokers were checked");
    const isHere = (replica: GroupReplica): boolean => replica.directoryId === directoryId;
    const known = partition.replicas.find(isHere) ?? [...partition.leaving].reverse().find(isHere);
    return known ?? { brokerId, directoryId, replicaId: nextReplicaId++ };
  });
  return withReplicas(partition, replicas, nextReplicaId);
}

function withReplicas(partition: Partition, replicas: readonly GroupReplica[], nextReplicaId: number): Partition {
  if (
    replicas.length === partition.replicas.length &&
    replicas.every((replica, at) => replica === partition.replicas[at])
  )
    return partition;
  const leaving = [...partition.leaving, ...partition.replicas]
    .filter((replica) => !replicas.includes(replica))
    .sort((left, right) => left.replicaId - right.replicaId);
  return { ...partition, replicas, leaving, nextReplicaId };
}

export function applyRenewReplica(tables: Tables, { groupId, replicaId }: RenewReplicaCommand): Outcome {
  const found = partitionOfGroup(tables, groupId);
  const lost = found?.partition.replicas.find((replica) => replica.replicaId === replicaId);
  if (found === null || lost === undefined) return unchanged(DONE);
  const renewed = renew(found.partition, lost, lost.directoryId);
  const tooMany = leavingProblem(renewed);
  if (tooMany !== null) return refused(tooMany);
  putPartition(tables, found.topic, renewed);
  return changed(DONE);
}

function renew(partition: Partition, lost: GroupReplica, directoryId: string): Partition {
  const fresh = { brokerId: lost.brokerId, directoryId, replicaId: partition.nextReplicaId };
  const replicas = partition.replicas.map((replica) => (replica === lost ? fresh : replica));
  return withReplicas(partition, replicas, partition.nextReplicaId + 1);
}

/** A broker has come with another directory: what it held on the one before is made anew on this one. */
export function renewOnDirectory(tables: Tables, brokerId: BrokerId, directoryId: string): boolean {
  let isRenewed = false;
  for (const topic of tables.topics.values()) {
    let now = topic;
    for (const partition of topic.partitions) {
      const lost = partition.replicas.find((replica) => replica.brokerId === brokerId);
      if (lost === undefined || lost.directoryId === directoryId) continue;
      now = putPartition(tables, now, renew(partition, lost, directoryId));
      isRenewed = true;
    }
  }
  return isRenewed;
}

export function applyReplicasLeft(tables: Tables, { groupId, replicaIds }: ReplicasLeftCommand): Outcome {
  const found = partitionOfGroup(tables, groupId);
  if (found === null) return unchanged(DONE);
  const { topic, partition } = found;
  const leaving = partition.leaving.filter(({ replicaId }) => !replicaIds.includes(replicaId));
  if (leaving.length === partition.leaving.length) return unchanged(DONE);
  putPartition(tables, topic, { ...partition, leaving });
  releaseEmptied(tables);
  return changed(DONE);
}

export function applyDecommissionBroker(tables: Tables, command: DecommissionBrokerCommand): Outcome {
  const broker = tables.brokers.get(command.brokerId);
  if (broker === undefined) return refused(unknownBroker(command.brokerId));
  if (command.cancel) return stay(tables, broker);
  if (broker.leaving) return unchanged(DONE);
  const moved = replacements(tables, broker, new Set(command.avoidBrokers));
  if (!Array.isArray(moved)) return refused(moved);
  tables.brokers.set(broker.brokerId, { ...broker, leaving: true });
  for (const { groupId, partition } of moved) {
    const { topic } = assertDefined(partitionOfGroup(tables, groupId), "a partition that moves is there");
    putPartition(tables, topic, partition);
  }
  releaseEmptied(tables);
  return changed(DONE);
}

/** What has moved stays moved; the broker may get replicas again. */
function stay(tables: Tables, broker: Broker): Outcome {
  if (!broker.leaving) return unchanged(DONE);
  tables.brokers.set(broker.brokerId, { ...broker, leaving: false });
  tables.controllerReplicas = tables.controllerReplicas.map((replica) =>
    replica.directoryId === broker.directoryId ? { ...replica, leaving: false } : replica,
  );
  return changed(DONE);
}

interface Replacement {
  readonly groupId: number;
  readonly partition: Partition;
}

function replacements(tables: Tables, broker: Broker, avoid: ReadonlySet<BrokerId>): Replacement[] | Refusal {
  const partitions = [...tables.topics.values()].flatMap((topic) => topic.partitions);
  const placed = placeReplacements({
    brokers: [...tables.brokers.values()].filter(({ brokerId, leaving }) => brokerId !== broker.brokerId && !leaving),
    avoidBrokers: avoid,
    from: broker.brokerId,
    partitions: partitions.map(({ groupId, replicas }) => ({
      groupId,
      brokers: replicas.map(({ brokerId }) => brokerId),
    })),
  });
  if (placed === null) {
    const most = Math.max(...partitions.map(({ replicas }) => replicas.length));
    return refuse(
      "INVALID_REPLICATION",
      `broker ${broker.brokerId} cannot go: there are partitions with ${most} replicas, and without it too few brokers are left that are up and stay; add a broker first`,
      { brokerId: broker.brokerId, replicas: most },
    );
  }
  const moved = partitions.flatMap((partition) => {
    const brokers = placed.get(partition.groupId);
    return brokers === undefined
      ? []
      : [{ groupId: partition.groupId, partition: retarget(tables, partition, brokers) }];
  });
  for (const { partition } of moved) {
    const tooMany = leavingProblem(partition);
    if (tooMany !== null) return tooMany;
  }
  return moved;
}

export function applyDrainBroker(tables: Tables, { brokerId, drained }: DrainBrokerCommand): Outcome {
  const broker = tables.brokers.get(brokerId);
  if (broker === undefined) return refused(unknownBroker(brokerId));
  if (broker.drained === drained) return unchanged(DONE);
  tables.brokers.set(brokerId, { ...broker, drained });
  return changed(DONE);
}

export function applyReplaceBroker(tables: Tables, { brokerId }: ReplaceBrokerCommand): Outcome {
  const directory = liveDirectoryOf(tables, brokerId);
  const seats = tables.controllerReplicas.filter((replica) => replica.brokerId === brokerId && !replica.leaving);
  if (directory === null && seats.length === 0)
    return tables.brokers.has(brokerId) ? unchanged(DONE) : refused(unknownBroker(brokerId));
  retire(tables, brokerId, directory?.directoryId ?? seats[0]?.directoryId ?? "", null);
  return changed(DONE);
}

/** The directory is never accepted again, and the controller's replica on it goes. */
function retire(tables: Tables, brokerId: BrokerId, directoryId: string, decommissionedFrom: string | null): void {
  const known = tables.directories.get(directoryId) ?? { directoryId, brokerId, bootIds: [], refusedBootIds: [] };
  tables.directories.set(directoryId, { ...known, retired: true, decommissionedFrom });
  markLeaving(tables, directoryId);
}

function markLeaving(tables: Tables, directoryId: string): void {
  tables.controllerReplicas = tables.controllerReplicas.map((replica) =>
    replica.directoryId === directoryId ? { ...replica, leaving: true } : replica,
  );
}

function liveDirectoryOf(tables: Tables, brokerId: BrokerId): DirectoryRecord | null {
  for (const record of tables.directories.values()) if (record.brokerId === brokerId && !record.retired) return record;
  return null;
}

export function applyControllerReplicasLeft(tables: Tables, { replicaIds }: ControllerReplicasLeftCommand): Outcome {
  const gone = tables.controllerReplicas.filter(({ leaving, replicaId }) => leaving && replicaIds.includes(replicaId));
  if (gone.length === 0) return unchanged(DONE);
  tables.controllerReplicas = tables.controllerReplicas.filter((replica) => !gone.includes(replica));
  for (const { brokerId, directoryId } of gone) {
    const broker = tables.brokers.get(brokerId);
    if (broker?.leaving !== true || broker.directoryId !== directoryId) continue;
    tables.brokers.delete(brokerId);
    retire(tables, brokerId, directoryId, broker.peerAddress);
  }
  return changed(DONE);
}

export function applyRenewControllerReplica(tables: Tables, { replicaId }: RenewControllerReplicaCommand): Outcome {
  const lost = tables.controllerReplicas.find((replica) => replica.replicaId === replicaId && !replica.leaving);
  if (lost === undefined) return unchanged(DONE);
  const fresh = { ...lost, replicaId: tables.nextControllerReplicaId++ };
  tables.controllerReplicas = [
    ...tables.controllerReplicas.map((replica) => (replica === lost ? { ...lost, leaving: true } : replica)),
    fresh,
  ];
  return changed(DONE);
}

/** A broker that is being decommissioned and has no replica of a partition any more leaves the controller's group, too. */
function releaseEmptied(tables: Tables): void {
  for (const broker of tables.brokers.values()) {
    if (!broker.leaving || holdsReplicas(tables, broker.brokerId)) continue;
    markLeaving(tables, broker.directoryId);
  }
}

function holdsReplicas(tables: Tables, brokerId: BrokerId): boolean {
  for (const { partitions } of tables.topics.values()) {
    for (const { replicas, leaving } of partitions) {
      if (replicas.some((replica) => replica.brokerId === brokerId)) return true;
      if (leaving.some((replica) => replica.brokerId === brokerId)) return true;
    }
  }
  return false;
}

function unknownBroker(brokerId: BrokerId): Refusal {
  return refuse("INVALID_ARGUMENT", `there is no broker ${brokerId}; "varve cluster describe" lists them`, {
    brokerId: String(brokerId),
  });
}
