/**
 * broker-report.ts: what this broker leads, from the replicas that lead it. Everything is at hand: nobody is asked.
 *
 * Invariant B1: a follower counts as in sync when, within `LOOKS_MAX` looks, it answers and has all that was committed at the first one.
 * One look alone would deceive: a follower lacks what is on its way to it at that moment, and a leader takes everyone for silent for a
 * heartbeat after each check of its quorum (Raft thesis 6.2).
 */
import { type BrokerId, type Clock, delay, type GroupId, type RaftIndex, type ReplicaId } from "@varve/base";
import type { Partition as PartitionState, Topic } from "@varve/cluster";
import { type GroupStatus, groupStatus } from "../duties/status.js";
import type { Replica } from "../replica/replica.js";
import { internalLast } from "./cluster-status.js";
import { type PartitionReport, type ReplicaRow, STATUS_LIMITS } from "./status.js";

/** Together half a second: five heartbeats of the default. */
const LOOKS_MAX = 6;
const LOOK_AGAIN_MS = 100;

/** A replica that leads, as far as a report needs it; its answers are of the moment. */
export interface LeadingReplica {
  readonly status: GroupStatus;
  readonly replicaId: ReplicaId;
  readonly commit: RaftIndex;
  readonly sizeBytes: number;
  /** A follower, as its leader knows it; null: it is no member, or this leads no more. */
  follower(replicaId: ReplicaId): { readonly match: RaftIndex; readonly answers: boolean } | null;
}

export interface LedOptions {
  readonly brokerId: BrokerId;
  readonly clock: Clock;
  readonly topics: readonly Topic[];
  /** null: this broker does not lead the group. */
  readonly leading: (groupId: GroupId) => LeadingReplica | null;
}

export interface LedPartitions {
  readonly led: readonly PartitionReport[];
  /** How many more there are. */
  readonly omitted: number;
}

/** A follower, and whether it is in sync as far as was seen. */
interface Follower {
  readonly broker: BrokerId;
  readonly replicaId: ReplicaId;
  inSync: boolean;
}

interface Look {
  readonly replica: LeadingReplica;
  readonly name: Pick<PartitionReport, "topic" | "partition">;
  readonly followers: readonly Follower[];
}

/** Partitions that this broker leads, by topic and partition, internal ones last; at most `STATUS_LIMITS.partitionsMax`. */
export async function ledPartitions(options: LedOptions): Promise<LedPartitions> {
  const { looks, omitted } = firstLooks(options);
  for (let look = 1; look < LOOKS_MAX && looks.some(isDoubtful); look++) {
    await delay(options.clock, LOOK_AGAIN_MS);
    for (const doubtful of looks.filter(isDoubtful)) lookAgain(doubtful);
  }
  return { led: looks.map((look) => reportOf(options.brokerId, look)), omitted };
}

/** null: the replica does not lead, or does not serve yet. */
export function leadingReplica(replica: Replica, brokerId: BrokerId): LeadingReplica | null {
  const status = groupStatus(replica, brokerId);
  if (status === null) return null;
  return {
    status,
    replicaId: replica.id,
    commit: replica.node.commit,
    sizeBytes: replica.log.diskBytes(),
    follower: (replicaId) => {
      const progress = replica.isReadyLeader() ? replica.node.progress(replicaId) : null;
      return progress && { match: progress.match, answers: progress.isAnswering && progress.state === "replicate" };
    },
  };
}

function firstLooks({ topics, leading }: LedOptions): { readonly looks: readonly Look[]; readonly omitted: number } {
  const looks: Look[] = [];
  let omitted = 0;
  for (const { topic, partitions } of internalLast(topics)) {
    for (const partition of partitions) {
      const replica = leading(partition.groupId);
      if (replica === null) continue;
      if (looks.length < STATUS_LIMITS.partitionsMax) looks.push(firstLook(replica, topic, partition));
      else omitted++;
    }
  }
  return { looks, omitted };
}

function firstLook(replica: LeadingReplica, topic: string, { partition, replicas }: PartitionState): Look {
  const followers = replicas
    .filter(({ replicaId }) => replicaId !== replica.replicaId)
    .map(({ brokerId, replicaId }) => ({
      broker: brokerId,
      replicaId,
      inSync: replica.status.inSync.includes(replicaId),
    }));
  return { replica, name: { topic, partition }, followers };
}

function isDoubtful({ followers }: Look): boolean {
  return followers.some(({ inSync }) => !inSync);
}

function lookAgain({ replica, followers }: Look): void {
  for (const follower of followers) {
    const known = replica.follower(follower.replicaId);
    if (known?.answers === true && known.match >= replica.commit) follower.inSync = true;
  }
}

function reportOf(brokerId: BrokerId, { replica, name, followers }: Look): PartitionReport {
  const { commit, sizeBytes } = replica;
  const { groupId, epoch, logStart, highWatermark } = replica.status;
  const rows = followers.map(({ broker, replicaId, inSync }): ReplicaRow => {
    const match = inSync ? commit : replica.follower(replicaId)?.match;
    return { broker, inSync, lagEntries: match === undefined ? null : Math.max(0, commit - match) };
  });
  const replicas = [{ broker: brokerId, inSync: true, lagEntries: 0 }, ...rows];
  return { ...name, groupId, epoch, logStart, highWatermark, sizeBytes, replicas };
}
