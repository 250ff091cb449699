/**
 * replica-health.ts: how the replicas on this broker are, as readiness judges them: of partitions, and of coordinators of groups.
 */
import type { BrokerId, GroupId } from "@varve/base";
import { GROUPS_TOPIC } from "@varve/cluster";
import type { GroupLog } from "@varve/storage";
import type { BrokerFacts } from "../ops/index.js";
import type { PartitionSet } from "../partition/partition-set.js";

/** A replica as its health is judged. */
export interface HealthOfReplica {
  readonly name: string;
  readonly log: GroupLog;
  leader(): BrokerId | null;
}

export type ReplicaHealth = Pick<
  BrokerFacts,
  "replicaCount" | "replicasMissing" | "replicasLeaderless" | "replicasQuarantined"
>;

/** `wanted`: replicas that the controller wants here; `announced`: the leader of a group as others tell it. */
export function replicaHealth(
  partitions: PartitionSet,
  wanted: number,
  announced: (groupId: GroupId) => BrokerId | null,
): ReplicaHealth {
  const replicas = [...hostedReplicas(partitions)];
  return {
    replicaCount: replicas.length,
    replicasMissing: Math.max(0, wanted - replicas.length),
    replicasLeaderless: replicas.filter(({ log, leader }) => (leader() ?? announced(log.spec.groupId)) === null).length,
    replicasQuarantined: replicas.flatMap(({ log, name }) => (log.quarantine === null ? [] : [name])),
  };
}

/** Every replica on this broker but the controller's, quarantined ones too. */
export function* hostedReplicas(partitions: PartitionSet): Generator<HealthOfReplica> {
  for (const partition of partitions.all()) {
    const { topic, partition: number } = partition.name;
    yield { name: `${topic}/${number}`, log: partition.log, leader: () => partition.leader() };
  }
  for (const coordinator of partitions.allCoordinators()) {
    yield {
      name: `${GROUPS_TOPIC}/${coordinator.shard}`,
      log: coordinator.log,
      leader: () => coordinator.leader(),
    };
  }
}
