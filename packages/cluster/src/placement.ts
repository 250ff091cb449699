/**
 * placement.ts: which brokers hold the replicas of new partitions, and who is their preferred leader.
 *
 * A greedy choice, replica after replica, by the first of these that tells two brokers apart:
 *   the leader: not to be avoided; fewest leaderships of this topic, then of the cluster; fewest replicas of each
 *   a follower: not to be avoided; fewest replicas of this partition in its rack, then on its host; fewest followers,
 *   then replicas of this topic; fewest replicas in the cluster
 * and last by a hash of group and broker, so that the sets differ and a dead broker's load spreads over all others.
 * Invariants:
 *   P1  the replicas of a partition are on distinct brokers
 *   P2  no other choice of as many brokers covers more racks, and none loads the fullest rack less, unless brokers are avoided
 *   P3  within one call, the preferred leaders per broker that is not avoided differ by at most 1 beyond what was there
 *   P4  the answer depends on the arguments only
 */
import { assert, type BrokerId, type GroupId } from "@varve/base";

/** What placement needs to know of a broker. */
export interface PlacementBroker {
  readonly brokerId: BrokerId;
  readonly rack: string | null;
  readonly host: string;
}

/** Replicas of one existing partition; the first is the preferred leader. */
export type PlacedReplicas = readonly BrokerId[];

export interface PlacementRequest {
  readonly brokers: readonly PlacementBroker[];
  /** Replicas per partition, at most the number of brokers. */
  readonly replicas: number;
  /** One new partition for each of these groups. */
  readonly groupIds: readonly GroupId[];
  readonly avoidBrokers: ReadonlySet<BrokerId>;
  /** What this topic has already. */
  readonly ownPartitions: Iterable<PlacedReplicas>;
  /** What all other topics have. */
  readonly otherPartitions: Iterable<PlacedReplicas>;
}

interface Candidate {
  readonly broker: PlacementBroker;
  readonly rack: string;
  /** Rack and host: a host name counts within its rack. */
  readonly host: string;
  readonly avoided: number;
  topicLeaders: number;
  topicReplicas: number;
  leaders: number;
  replicas: number;
  /** Differs per partition; the last tie-break. */
  shuffle: number;
}

/** Replicas of the partition at hand, per rack and per host. */
interface Spread {
  readonly racks: Map<string, number>;
  readonly hosts: Map<string, number>;
}

/** The brokers of each new partition, preferred leader first. */
export function placePartitions(request: PlacementRequest): BrokerId[][] {
  assert(request.replicas >= 1, "a partition has at least one replica");
  assert(request.replicas <= request.brokers.length, "there are as many brokers as replicas");
  const candidates = request.brokers.map((broker) => candidateOf(broker, request.avoidBrokers));
  countExisting(candidates, request);
  return request.groupIds.map((groupId) => placeOne(candidates, groupId, request.replicas));
}

export interface ReplacementRequest {
  /** Those that may take replicas. */
  readonly brokers: readonly PlacementBroker[];
  /** They get nothing, as they are down. */
  readonly avoidBrokers: ReadonlySet<BrokerId>;
  /** The broker that gives up what it has. */
  readonly from: BrokerId;
  /** All partitions of the cluster. */
  readonly partitions: readonly { readonly groupId: GroupId; readonly brokers: PlacedReplicas }[];
}

/**
 * For each partition with a replica on `from`, its brokers afterwards: another one at that place, by the rule for followers. Null when
 * a partition finds none.
 */
export function placeReplacements(request: ReplacementRequest): Map<GroupId, BrokerId[]> | null {
  const candidates = request.brokers
    .filter(({ brokerId }) => !request.avoidBrokers.has(brokerId))
    .map((broker) => candidateOf(broker, new Set()));
  const known = new Map(request.brokers.map((broker) => [broker.brokerId, candidateOf(broker, new Set())]));
  const otherPartitions = request.partitions.map(({ brokers }) => brokers);
  countExisting(candidates, { ownPartitions: [], otherPartitions });
  const placed = new Map<GroupId, BrokerId[]>();
  for (const { groupId, brokers } of request.partitions) {
    const at = brokers.indexOf(request.from);
    if (at < 0) continue;
    for (const candidate of candidates) candidate.shuffle = mix(groupId, candidate.broker.brokerId);
    const spread: Spread = { racks: new Map(), hosts: new Map() };
    for (const brokerId of brokers) {
      const kept = known.get(brokerId);
      if (kept !== undefined) occupy(spread, kept);
    }
    const free = candidates.filter(({ broker }) => !brokers.includes(broker.brokerId));
    if (free.length === 0) return null;
    const chosen = best(free, (left, right) => compareFollowers(left, right, spread));
    take(chosen, at === 0 ? 1 : 0, 0);
    placed.set(groupId, brokers.with(at, chosen.broker.brokerId));
  }
  return placed;
}

function candidateOf(broker: PlacementBroker, avoidBrokers: ReadonlySet<BrokerId>): Candidate {
  const rack = JSON.stringify(broker.rack);
  return {
    broker,
    rack,
    host: `${rack}${broker.host}`,
    avoided: avoidBrokers.has(broker.brokerId) ? 1 : 0,
    topicLeaders: 0,
    topicReplicas: 0,
    leaders: 0,
    replicas: 0,
    shuffle: 0,
  };
}

function countExisting(
  candidates: readonly Candidate[],
  request: Pick<PlacementRequest, "ownPartitions" | "otherPartitions">,
): void {
  const byId = new Map(candidates.map((candidate) => [candidate.broker.brokerId, candidate]));
  const count = (partitions: Iterable<PlacedReplicas>, own: number): void => {
    for (const brokerIds of partitions) {
      brokerIds.forEach((brokerId, position) => {
        const candidate = byId.get(brokerId);
        if (candidate !== undefined) take(candidate, position === 0 ? 1 : 0, own);
      });
    }
  };
  count(request.ownPartitions, 1);
  count(request.otherPartitions, 0);
}

function take(candidate: Candidate, leads: number, own: number): void {
  candidate.replicas += 1;
  candidate.leaders += leads;
  candidate.topicReplicas += own;
  candidate.topicLeaders += own * leads;
}

function placeOne(candidates: readonly Candidate[], groupId: GroupId, replicaCount: number): BrokerId[] {
  for (const candidate of candidates) candidate.shuffle = mix(groupId, candidate.broker.brokerId);
  const spread: Spread = { racks: new Map(), hosts: new Map() };
  const leader = best(candidates, compareLeaders);
  const chosen = new Set([leader]);
  occupy(spread, leader);
  while (chosen.size < replicaCount) {
    const free = candidates.filter((candidate) => !chosen.has(candidate));
    const follower = best(free, (left, right) => compareFollowers(left, right, spread));
    chosen.add(follower);
    occupy(spread, follower);
  }
  for (const candidate of chosen) take(candidate, candidate === leader ? 1 : 0, 1);
  return Array.from(chosen, ({ broker }) => broker.brokerId);
}

function occupy(spread: Spread, { rack, host }: Candidate): void {
  spread.racks.set(rack, (spread.racks.get(rack) ?? 0) + 1);
  spread.hosts.set(host, (spread.hosts.get(host) ?? 0) + 1);
}

function best(candidates: readonly Candidate[], compare: (left: Candidate, right: Candidate) => number): Candidate {
  return candidates.reduce((first, other) => (compare(other, first) < 0 ? other : first));
}

function compareLeaders(left: Candidate, right: Candidate): number {
  return (
    left.avoided - right.avoided ||
    left.topicLeaders - right.topicLeaders ||
    left.leaders - right.leaders ||
    left.topicReplicas - right.topicReplicas ||
    left.replicas - right.replicas ||
    compareLast(left, right)
  );
}

function compareFollowers(left: Candidate, right: Candidate, { racks, hosts }: Spread): number {
  return (
    left.avoided - right.avoided ||
    (racks.get(left.rack) ?? 0) - (racks.get(right.rack) ?? 0) ||
    (hosts.get(left.host) ?? 0) - (hosts.get(right.host) ?? 0) ||
    left.topicReplicas - left.topicLeaders - (right.topicReplicas - right.topicLeaders) ||
    left.topicReplicas - right.topicReplicas ||
    left.replicas - right.replicas ||
    compareLast(left, right)
  );
}

function compareLast(left: Candidate, right: Candidate): number {
  return left.shuffle - right.shuffle || left.broker.brokerId - right.broker.brokerId;
}

/** A well-mixed 32-bit hash of two numbers (the finaliser of MurmurHash3, public domain). */
function mix(groupId: GroupId, brokerId: BrokerId): number {
  let hash = Math.imul(groupId | 0, 0x9e3779b1) ^ Math.imul(brokerId | 0, 0x85ebca77);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
