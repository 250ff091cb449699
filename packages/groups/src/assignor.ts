/**
 * assignor.ts: decides who shall own which partition: balanced, sticky, the same on every replica.
 *
 * Invariants:
 *   A1  every partition of a topic that someone subscribes to has exactly one owner, who subscribes to it
 *   A2  whoever could take a partition from its owner has at most one partition less: with equal subscriptions, counts differ by
 *       at most 1
 *   A3  with equal subscriptions no balanced assignment keeps more partitions where they are; with any, a balanced assignment
 *       of the same members and topics stays as it is
 *   A4  the result depends on the arguments' values alone, not on the order of the members
 *
 * Partitions whose owner is gone go to whoever has least; then, while A2 does not hold, one goes from the most to the least
 * loaded of the pair that differs most. Each such step lowers the sum of the squared counts, so it ends.
 */
import { assert, assertDefined, type PartitionId, type TopicId } from "@varve/base";
import {
  addPartition,
  compareText,
  hasPartition,
  type PartitionSet,
  type ReadonlyPartitionSet,
} from "./partition-map.js";

export interface AssignorMember {
  readonly memberId: string;
  /** The topics that it subscribes to and that exist. */
  readonly topicIds: ReadonlySet<TopicId>;
  /** What it should own until now. */
  readonly current: ReadonlyPartitionSet;
}

export interface AssignorTopic {
  readonly topicId: TopicId;
  readonly partitions: number;
}

interface Worker {
  readonly memberId: string;
  readonly owned: PartitionSet;
  load: number;
}

interface TopicWork {
  readonly topicId: TopicId;
  readonly partitions: number;
  /** Sorted by member id. */
  readonly subscribers: readonly Worker[];
}

/** The partitions that each member shall own. `topics` in an order that all replicas agree on. */
export function assignPartitions(
  members: readonly AssignorMember[],
  topics: readonly AssignorTopic[],
): Map<string, PartitionSet> {
  const sorted = [...members].sort((left, right) => compareText(left.memberId, right.memberId));
  const workers = new Map(sorted.map(({ memberId }) => [memberId, { memberId, owned: new Map(), load: 0 } as Worker]));
  assert(workers.size === members.length, "a member is listed once");
  const works = topics.map((topic) => topicWork(topic, sorted, workers)).filter((work) => work.subscribers.length > 0);
  const free = keepCurrent(sorted, workers, works);
  for (const { work, partition } of free) give(leastLoaded(work.subscribers), work.topicId, partition);
  balance(works);
  return new Map([...workers.values()].map(({ memberId, owned }) => [memberId, owned]));
}

function topicWork(
  { topicId, partitions }: AssignorTopic,
  members: readonly AssignorMember[],
  workers: ReadonlyMap<string, Worker>,
): TopicWork {
  const subscribers = members
    .filter(({ topicIds }) => topicIds.has(topicId))
    .map(({ memberId }) => assertDefined(workers.get(memberId), "a member has a worker"));
  return { topicId, partitions, subscribers };
}

/** Leaves partitions with those who have them; lists the others, scarce topics first, so that balance can be reached. */
function keepCurrent(
  members: readonly AssignorMember[],
  workers: ReadonlyMap<string, Worker>,
  works: readonly TopicWork[],
): { readonly work: TopicWork; readonly partition: PartitionId }[] {
  const owners = new Map<TopicId, Map<PartitionId, Worker>>(works.map(({ topicId }) => [topicId, new Map()]));
  for (const { memberId, topicIds, current } of members) {
    const worker = assertDefined(workers.get(memberId), "a member has a worker");
    for (const [topicId, partitions] of current) {
      const known = topicIds.has(topicId) ? owners.get(topicId) : undefined;
      for (const partition of partitions) if (known?.has(partition) === false) known.set(partition, worker);
    }
  }
  const free: { work: TopicWork; partition: PartitionId }[] = [];
  for (const work of [...works].sort((left, right) => left.subscribers.length - right.subscribers.length)) {
    for (let partition = 0; partition < work.partitions; partition++) {
      const owner = owners.get(work.topicId)?.get(partition);
      if (owner === undefined) free.push({ work, partition });
      else give(owner, work.topicId, partition);
    }
  }
  return free;
}

function give(worker: Worker, topicId: TopicId, partition: PartitionId): void {
  assert(!hasPartition(worker.owned, topicId, partition), "A1: a partition is given once");
  addPartition(worker.owned, topicId, partition);
  worker.load += 1;
}

/** The first with the fewest partitions. */
function leastLoaded(workers: readonly Worker[]): Worker {
  let least = workers[0];
  for (const worker of workers) if (least === undefined || worker.load < least.load) least = worker;
  return assertDefined(least, "a topic at work has a subscriber");
}

/** The first with the most partitions among those who own one of the topic's; null when nobody does. */
function mostLoadedOwner({ topicId, subscribers }: TopicWork): Worker | null {
  let most: Worker | null = null;
  for (const worker of subscribers) {
    if (worker.owned.has(topicId) && (most === null || worker.load > most.load)) most = worker;
  }
  return most;
}

function balance(works: readonly TopicWork[]): void {
  for (let next = widestGap(works); next !== null; next = widestGap(works)) {
    const { topicId, from, to } = next;
    const partitions = assertDefined(from.owned.get(topicId), "the most loaded owner owns one of the topic's");
    const partition = Math.max(...partitions);
    partitions.delete(partition);
    if (partitions.size === 0) from.owned.delete(topicId);
    from.load -= 1;
    give(to, topicId, partition);
  }
}

/** The move that evens out the largest difference; null when A2 holds. */
function widestGap(works: readonly TopicWork[]): { topicId: TopicId; from: Worker; to: Worker } | null {
  let widest: { topicId: TopicId; from: Worker; to: Worker } | null = null;
  let gap = 1;
  for (const work of works) {
    const from = mostLoadedOwner(work);
    const to = leastLoaded(work.subscribers);
    if (from === null || from.load - to.load <= gap) continue;
    gap = from.load - to.load;
    widest = { topicId: work.topicId, from, to };
  }
  return widest;
}
