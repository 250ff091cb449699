/**
 * keys.ts: the keys under which a shard's parts are kept in a key-value store. At most 380 bytes, all ASCII; neither group names nor
 * member ids nor topic ids have a slash.
 *
 * `s` the shard, `g/GROUP`, `m/GROUP/MEMBER-ID`, `o/GROUP/TOPIC-ID/PARTITION`.
 */
import { nameProblem, type PartitionId, type TopicId } from "@varve/base";

export const SHARD_KEY = "s";
/** Longest member id, characters. */
export const MEMBER_ID_LENGTH_MAX = 128;
/** Longest topic id, characters. */
export const TOPIC_ID_LENGTH_MAX = 64;
/** Highest partition number that a topic may have. */
export const PARTITION_MAX = 999_999;

const MEMBER_ID = /^[A-Za-z0-9._:-]+$/;
const TOPIC_ID = /^[A-Za-z0-9-]+$/;
const PARTITION = /^(?:0|[1-9][0-9]{0,5})$/;

export function isMemberId(text: string): boolean {
  return text.length <= MEMBER_ID_LENGTH_MAX && MEMBER_ID.test(text);
}

export function isTopicId(text: string): boolean {
  return text.length <= TOPIC_ID_LENGTH_MAX && TOPIC_ID.test(text);
}

export function groupKey(group: string): string {
  return `g/${group}`;
}

export function memberKey(group: string, memberId: string): string {
  return `m/${group}/${memberId}`;
}

export function offsetKey(group: string, topicId: TopicId, partition: PartitionId): string {
  return `o/${group}/${topicId}/${partition}`;
}

export type EntryKey =
  | { readonly kind: "shard" }
  | { readonly kind: "group"; readonly group: string }
  | { readonly kind: "member"; readonly group: string; readonly memberId: string }
  | { readonly kind: "offset"; readonly group: string; readonly topicId: TopicId; readonly partition: PartitionId };

/** What a key stands for; null when it is none of ours. */
export function parseKey(key: string): EntryKey | null {
  if (key === SHARD_KEY) return { kind: "shard" };
  const [kind, group = "", id = "", partition = "", ...rest] = key.split("/");
  if (rest.length > 0 || nameProblem(group) !== null) return null;
  if (kind === "g" && key === groupKey(group)) return { kind: "group", group };
  if (kind === "m" && isMemberId(id) && key === memberKey(group, id)) return { kind: "member", group, memberId: id };
  if (kind === "o" && isTopicId(id) && PARTITION.test(partition))
    return { kind: "offset", group, topicId: id, partition: Number(partition) };
  return null;
}
