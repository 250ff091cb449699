/**
 * stop-risk.ts: whether a group would lose its quorum if this broker stopped now. Pure.
 *
 * A voter counts as staying when its broker is up, its leader says that it answers and lacks few entries, and it is not about to stop itself.
 * Rules:
 *   K1  groups that no wait can help are passed over: of one or two voters every one is needed, whenever this broker leaves
 *   K2  when all others that are up are about to stop, too, there is nobody left to wait for: a cluster is uninstalled or scaled to none
 *   K3  of brokers that wait to stop at the same time the lowest id goes first; those above it count as staying meanwhile, since they wait for it
 *   K4  while a configuration is joint, both of its halves keep their majority
 */
import type { BrokerId, GroupId, ReplicaId } from "@varve/base";

/** A broker that said that it is about to stop: it waits for its turn, or it goes. */
export type Stopping = "waiting" | "leaving";

/** A group with a replica on this broker. */
export interface GroupAtStop {
  readonly groupId: GroupId;
  /** For people: `orders/3`. */
  readonly name: string;
  /** The replica here. */
  readonly own: ReplicaId;
  readonly voters: readonly ReplicaId[];
  /** Voters of the configuration before, while it is joint; else empty. */
  readonly votersOutgoing: readonly ReplicaId[];
  /** Replicas that answer the leader and lack few entries; null: no leader answers. */
  readonly following: readonly ReplicaId[] | null;
}

/** What this broker knows of the others. */
export interface Others {
  readonly self: BrokerId;
  brokerOf(groupId: GroupId, replicaId: ReplicaId): BrokerId | null;
  isUp(broker: BrokerId): boolean;
  /** null: it is not about to stop, as far as is known. */
  stopping(broker: BrokerId): Stopping | null;
}

/** A group that would lose its quorum, and by how much. */
export interface StopRisk {
  readonly name: string;
  /** Voters that would stay, and how many a majority is. */
  readonly staying: number;
  readonly needed: number;
}

/** null: this broker may go, as far as this group is concerned. */
export function stopRisk(group: GroupAtStop, others: Others): StopRisk | null {
  return majorityRisk(group, group.voters, others) ?? majorityRisk(group, group.votersOutgoing, others); // K4
}

function majorityRisk(group: GroupAtStop, voters: readonly ReplicaId[], others: Others): StopRisk | null {
  if (!voters.includes(group.own)) return null;
  const needed = Math.floor(voters.length / 2) + 1;
  if (voters.length - 1 < needed) return null; // K1
  const peers = voters
    .filter((id) => id !== group.own)
    .map((id) => ({ id, broker: others.brokerOf(group.groupId, id) }));
  const brokers = peers.flatMap(({ broker }) => (broker === null ? [] : [broker]));
  if (areAllStopping(brokers, others)) return null; // K2
  const staying = peers.filter(
    ({ id, broker }) => broker !== null && group.following?.includes(id) === true && stays(broker, others),
  ).length;
  return staying >= needed ? null : { name: group.name, staying, needed };
}

function areAllStopping(brokers: readonly BrokerId[], { isUp, stopping }: Others): boolean {
  return brokers.some((id) => stopping(id) !== null) && brokers.every((id) => stopping(id) !== null || !isUp(id));
}

function stays(broker: BrokerId, { self, isUp, stopping }: Others): boolean {
  if (!isUp(broker)) return false;
  const state = stopping(broker);
  return state === null || (state === "waiting" && broker > self); // K3
}
