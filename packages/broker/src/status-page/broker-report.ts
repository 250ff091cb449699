/**
 * broker-report.ts: what this broker leads, from the replicas that lead it. Everything is at hand: nobody is asked.
 */
import type { BrokerId } from "@varve/base";
import type { Partition as PartitionState, Topic } from "@varve/cluster";
import type { Broker } from "../broker.js";
import { groupStatus } from "../duties/status.js";
import type { Replica } from "../replica/replica.js";
import { internalLast } from "./cluster-status.js";
import { type PartitionReport, type ReplicaRow, STATUS_LIMITS } from "./status.js";

/** Partitions that this broker leads, by topic and partition, internal ones last; at most `STATUS_LIMITS.partitionsMax`. */
export function ledPartitions(broker: Broker): { readonly led: readonly PartitionReport[]; readonly omitted: number } {
  const led: PartitionReport[] = [];
  let omitted = 0;
  if (broker.controller === null) return { led, omitted };
  for (const topic of internalLast(broker.state().topics())) {
    for (const partition of topic.partitions) {
      const replica = broker.host.get(partition.groupId);
      const report = replica === null ? null : partitionReport(broker.settings.brokerId, replica, topic, partition);
      if (report === null) continue;
      if (led.length < STATUS_LIMITS.partitionsMax) led.push(report);
      else omitted++;
    }
  }
  return { led, omitted };
}

function partitionReport(
  brokerId: BrokerId,
  replica: Replica,
  { topic }: Topic,
  { partition, replicas }: PartitionState,
): PartitionReport | null {
  const status = groupStatus(replica, brokerId);
  if (status === null) return null;
  const { groupId, epoch, logStart, highWatermark, inSync } = status;
  const rows = replicas.map(({ brokerId: holder, replicaId }): ReplicaRow => {
    const lagEntries = replicaId === replica.id ? 0 : lagOf(replica, replicaId);
    return { broker: holder, inSync: inSync.includes(replicaId), lagEntries };
  });
  rows.sort((left, right) => Number(right.broker === brokerId) - Number(left.broker === brokerId));
  return {
    groupId,
    topic,
    partition,
    epoch,
    logStart,
    highWatermark,
    sizeBytes: replica.log.diskBytes(),
    replicas: rows,
  };
}

/** null: the replica is not part of the group's configuration. */
function lagOf(leader: Replica, replicaId: number): number | null {
  const progress = leader.node.progress(replicaId);
  return progress == null ? null : Math.max(0, leader.node.commit - progress.match);
}
