/**
 * topics.ts: which topics a group knows: created, grown, deleted, recreated.
 *
 * Invariants:
 *   M1  metadata older than what the group has seen changes nothing: not after a change of the coordinator either
 *   M2  a topic never loses partitions; a recreated one is another topic: owners, epochs and offsets start anew
 *   M3  a partition that came after the group knew its topic, or waited for it, starts at its first record, whatever `startFrom` says
 */
import type { TopicId } from "@varve/base";
import type { TopicMetadata, TopicsChangedCommand } from "./commands.js";
import { dropOffsets } from "./model.js";
import { retarget } from "./reconcile.js";
import { DONE, type GroupResult } from "./result.js";
import type { Step } from "./step.js";

/** Takes over topics as a member's proposer sees them; says whether anything is new. Call it before the subscription changes. */
export function learnTopics(step: Step, topics: readonly TopicMetadata[], metadataVersion: number): boolean {
  if (!sees(step, metadataVersion)) return false;
  let changed = false;
  for (const topic of topics) if (learnTopic(step, topic)) changed = true;
  return changed;
}

/** Whether metadata of this version may be believed; remembers it if so. */
function sees(step: Step, metadataVersion: number): boolean {
  const { group } = step;
  if (metadataVersion < group.metadataVersion) return false;
  if (metadataVersion > group.metadataVersion) step.touchGroup();
  group.metadataVersion = metadataVersion;
  return true;
}

function learnTopic(step: Step, { topic, topicId, partitions }: TopicMetadata): boolean {
  const { group } = step;
  const known = group.topics.get(topic);
  if (known?.topicId === topicId && known.partitions >= partitions) return false;
  const awaited = known !== undefined || isAwaited(step, topic);
  const initialPartitions = known?.topicId === topicId ? known.initialPartitions : awaited ? 0 : partitions;
  if (known !== undefined && known.topicId !== topicId) dropOffsets(step.shard, group, known.topicId);
  group.topics.set(topic, { topicId, partitions, initialPartitions });
  step.touchGroup();
  return true;
}

function isAwaited({ group }: Step, topic: string): boolean {
  for (const member of group.members.values()) if (member.topics.includes(topic)) return true;
  return false;
}

export function applyTopicsChanged(step: Step, command: TopicsChangedCommand): GroupResult {
  const { group } = step;
  for (const topicId of command.deletedTopicIds) forgetTopic(step, topicId);
  if (sees(step, command.metadataVersion)) {
    for (const { topic, topicId, partitions } of command.topics) {
      const known = group.topics.get(topic);
      if (topicId === null && known !== undefined) forgetTopic(step, known.topicId);
      if (topicId !== null && (known !== undefined || isAwaited(step, topic)))
        learnTopic(step, { topic, topicId, partitions });
    }
  }
  if (group.members.size > 0) retarget(step);
  step.settleIfEmpty();
  return DONE;
}

/** A topic id never comes back: what was committed under it goes, whatever the version of the metadata. */
function forgetTopic(step: Step, topicId: TopicId): void {
  dropOffsets(step.shard, step.group, topicId);
  for (const [topic, known] of step.group.topics) {
    if (known.topicId !== topicId) continue;
    step.group.topics.delete(topic);
    step.touchGroup();
  }
}
