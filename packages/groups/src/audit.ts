/**
 * audit.ts: what time and the cluster's metadata have made overdue in a shard: members that do not give up partitions, topics that are other
 * than their groups know. Reads only; the coordinator turns findings into commands.
 */
import type { TopicId } from "@varve/base";
import type { TopicMetadata, TopicsChangedCommand } from "./commands.js";
import type { Group, Shard } from "./model.js";
import { compareText } from "./partition-map.js";

/** The cluster's topics at one version of its metadata. */
export interface TopicCatalogue {
  readonly version: number;
  byName(topic: string): TopicMetadata | null;
  hasId(topicId: TopicId): boolean;
}

export type TopicFinding = Pick<TopicsChangedCommand, "group" | "topics" | "deletedTopicIds">;

/** Members of a group that were asked to give up partitions longer ago than their rebalance timeout. */
export interface OverdueMembers {
  readonly group: string;
  readonly memberIds: readonly string[];
}

export function overdueMembers(shard: Shard, nowMs: number): OverdueMembers[] {
  const overdue: OverdueMembers[] = [];
  for (const group of shard.groups.values()) {
    const memberIds: string[] = [];
    for (const { memberId, revokingSinceMs, rebalanceTimeoutMs } of group.members.values())
      if (revokingSinceMs !== null && nowMs - revokingSinceMs > rebalanceTimeoutMs) memberIds.push(memberId);
    if (memberIds.length > 0) overdue.push({ group: group.name, memberIds });
  }
  return overdue;
}

/**
 * What the groups do not know yet. A topic that the catalogue lacks counts as deleted: the caller makes sure that the catalogue is not
 * older than the shard before it acts on `deletedTopicIds`.
 */
export function topicFindings(shard: Shard, catalogue: TopicCatalogue): TopicFinding[] {
  return [...shard.groups.values()].flatMap((group) => findingOf(group, catalogue) ?? []);
}

function findingOf(group: Group, catalogue: TopicCatalogue): TopicFinding | null {
  const wanted = new Set(group.topics.keys());
  for (const member of group.members.values()) for (const topic of member.topics) wanted.add(topic);
  const topics: TopicsChangedCommand["topics"][number][] = [];
  for (const topic of [...wanted].sort(compareText)) {
    const known = group.topics.get(topic);
    const found = catalogue.byName(topic);
    const isSame = known?.topicId === found?.topicId && (known?.partitions ?? 0) >= (found?.partitions ?? 0);
    if (!isSame) topics.push({ topic, topicId: found?.topicId ?? null, partitions: found?.partitions ?? 0 });
  }
  const deletedTopicIds = [...group.offsets.keys()].filter((topicId) => !catalogue.hasId(topicId)).sort(compareText);
  return topics.length + deletedTopicIds.length === 0 ? null : { group: group.name, topics, deletedTopicIds };
}
