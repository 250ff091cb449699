/**
 * internal-topics.ts: topics that the cluster keeps for itself: their partitions are logs of commands, without records.
 *
 * They are made with createTopic like others, by brokers only, and never altered, grown or deleted; the public API neither lists nor serves
 * them. The prefix is reserved (`nameProblem` of base), so no user's topic has such a name.
 */

/** Consumer groups, see the broker's coordinators. */
export const GROUPS_TOPIC = "__groups";

const INTERNAL_TOPICS: ReadonlySet<string> = new Set([GROUPS_TOPIC]);

export function isInternalTopic(topic: string): boolean {
  return INTERNAL_TOPICS.has(topic);
}
