/**
 * wanted-replica.ts: what the controller's assignment of a replica means for the broker that runs it.
 */
import { effectiveTopicConfig, isInternalTopic, type ReplicaAssignment } from "@varve/cluster";
import type { WantedReplica } from "./partition-set.js";

/** The replica with the topic's settings as they are now. */
export function wantedReplica(assignment: ReplicaAssignment): WantedReplica {
  const config = effectiveTopicConfig(assignment.owner.config);
  return {
    groupId: assignment.groupId,
    replicaId: assignment.replicaId,
    topicId: assignment.topicId,
    topic: assignment.topic,
    partition: assignment.partition,
    voters: assignment.initialVoters,
    config,
    batchBytesMax: config.batchBytesMax,
    coordinates: isInternalTopic(assignment.topic),
    preferred: assignment.preferred,
  };
}
