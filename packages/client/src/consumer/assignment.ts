/**
 * assignment.ts: what an answer of the coordinator changes for a member.
 *
 * Invariants:
 *   A1  a partition is in at most one of the three lists
 *   A2  an answer that repeats what is held changes nothing
 *   A3  a partition that was let go of is taken back only by an answer to a message in which it was no longer owned: an earlier
 *       answer carries a start offset from before its last commit
 */
import type { PartitionId, TopicId } from "@varve/base";
import type { AssignedPartition, GroupTopicPartitions, SessionResponse } from "@varve/rpc";

/** Names one partition in maps. */
export function partitionKey(topicId: TopicId, partition: PartitionId): string {
  return `${topicId}/${partition}`;
}

/** A partition as a member holds it. */
export interface HeldPartition {
  readonly topicId: TopicId;
  readonly partition: PartitionId;
  readonly assignmentEpoch: number;
  /** Being let go of: it is neither revoked again nor moved. */
  readonly isReleasing: boolean;
}

export interface AssignmentChange<H> {
  readonly assign: readonly AssignedPartition[];
  readonly revoke: readonly H[];
  /** Held, and to be begun anew at another place: a live seek. */
  readonly reset: readonly AssignedPartition[];
}

/**
 * @param held what the member holds, by partitionKey.
 * @param releasedAt sequence of the first message without a partition that was let go of, by partitionKey.
 */
export function assignmentChange<H extends HeldPartition>(
  held: ReadonlyMap<string, H>,
  releasedAt: ReadonlyMap<string, number>,
  answer: Pick<SessionResponse, "assigned" | "sequence">,
): AssignmentChange<H> {
  const assign: AssignedPartition[] = [];
  const reset: AssignedPartition[] = [];
  const wanted = new Set<string>();
  for (const each of answer.assigned) {
    const key = partitionKey(each.topicId, each.partition);
    wanted.add(key);
    const present = held.get(key);
    if (present === undefined) {
      if (answer.sequence >= (releasedAt.get(key) ?? 0)) assign.push(each); // A3
    } else if (!present.isReleasing && present.assignmentEpoch !== each.assignmentEpoch) {
      reset.push(each);
    }
  }
  const revoke = [...held].filter(([key, each]) => !wanted.has(key) && !each.isReleasing).map(([, each]) => each);
  return { assign, revoke, reset };
}

/** Partitions by topic, as messages carry them; ascending. */
export function groupByTopic(
  partitions: Iterable<Pick<HeldPartition, "topicId" | "partition">>,
): readonly GroupTopicPartitions[] {
  const byTopic = new Map<TopicId, PartitionId[]>();
  for (const { topicId, partition } of partitions) {
    const list = byTopic.get(topicId);
    if (list === undefined) byTopic.set(topicId, [partition]);
    else list.push(partition);
  }
  return [...byTopic].map(([topicId, list]) => ({ topicId, partitions: list.sort((left, right) => left - right) }));
}
