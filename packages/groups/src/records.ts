/**
 * records.ts: the parts of a shard as values of a key-value store: JSON in UTF-8, one value for the shard, each group, each member,
 * each committed offset, so that a commit rewrites one small value.
 *
 * Invariants:
 *   R1  equal parts give equal bytes: lists are sorted, objects have their fields in one order
 *   R2  decoding is total: a value, or ShapeError says at which path it is not one
 */
import { shape, type TopicId } from "@varve/base";
import type { TopicPartitions } from "./commands.js";
import { isMemberId, isTopicId, PARTITION_MAX } from "./keys.js";
import { REPLACED_IDS_MAX } from "./limits.js";
import type { Committed, Group, GroupTopic, Member, Shard } from "./model.js";
import { compareText, listPartitions, type PartitionMap, partitionSetOf } from "./partition-map.js";

const { ShapeError, bool, count, list, matching, nullable, object, oneOf, text, wholeUpTo } = shape;
type Reader<T> = shape.Reader<T>;

/** Version of the values' format. */
export const RECORDS_VERSION = 1;

/** The parts of a shard that stand in its own value. */
export interface ShardRecord {
  readonly version: number;
  readonly appliedIndex: number;
  readonly epochFloor: number;
}

interface NamedTopic extends GroupTopic {
  readonly topic: string;
}

export interface GroupRecord {
  readonly epoch: number;
  readonly metadataVersion: number;
  readonly emptySinceMs: number | null;
  readonly topics: readonly NamedTopic[];
}

/** Partitions of a topic with the epochs at which they were given, sorted by partition. */
interface GivenPartitions {
  readonly topicId: TopicId;
  readonly partitions: readonly number[];
  readonly epochs: readonly number[];
}

interface MemberRecord extends Omit<Member, "memberId" | "target" | "assigned" | "revoking"> {
  readonly target: readonly TopicPartitions[];
  readonly assigned: readonly GivenPartitions[];
  readonly revoking: readonly GivenPartitions[];
}

const TEXT_LENGTH_MAX = 65_536;
const LIST_LENGTH_MAX = 1_000_000;

const words = text(TEXT_LENGTH_MAX);
export const topicId = matching(isTopicId, "a topic id");
export const partitionList = list(wholeUpTo(PARTITION_MAX), PARTITION_MAX + 1);

export const shardRecord = object<ShardRecord>({ version: count, appliedIndex: count, epochFloor: count });

export const groupRecord = object<GroupRecord>({
  epoch: count,
  metadataVersion: count,
  emptySinceMs: nullable(count),
  topics: list(
    object<NamedTopic>({ topic: words, topicId, partitions: wholeUpTo(PARTITION_MAX + 1), initialPartitions: count }),
    LIST_LENGTH_MAX,
  ),
});

export const committedRecord: Reader<Committed> = object<Committed>({
  offset: count,
  leaderEpoch: nullable(count),
  metadata: words,
  committedMs: count,
});

const given = list(
  object<GivenPartitions>({ topicId, partitions: partitionList, epochs: list(count, PARTITION_MAX + 1) }),
  LIST_LENGTH_MAX,
);

const memberRecord = object<MemberRecord>({
  staticId: nullable(words),
  clientId: words,
  host: words,
  sessionTimeoutMs: count,
  rebalanceTimeoutMs: count,
  topics: list(words, LIST_LENGTH_MAX),
  startFrom: oneOf("earliest", "latest"),
  joinedMs: count,
  away: bool,
  revokingSinceMs: nullable(count),
  memberEpoch: count,
  previousEpoch: count,
  target: list(object<TopicPartitions>({ topicId, partitions: partitionList }), LIST_LENGTH_MAX),
  assigned: given,
  revoking: given,
  replacedIds: list(matching(isMemberId, "a member id"), REPLACED_IDS_MAX),
});

export function shardToRecord({ appliedIndex, epochFloor }: Shard): ShardRecord {
  return { version: RECORDS_VERSION, appliedIndex, epochFloor };
}

export function groupToRecord({ epoch, metadataVersion, emptySinceMs, topics }: Group): GroupRecord {
  const named = [...topics].map(
    ([topic, known]): NamedTopic => ({
      topic,
      topicId: known.topicId,
      partitions: known.partitions,
      initialPartitions: known.initialPartitions,
    }),
  );
  named.sort((left, right) => compareText(left.topic, right.topic));
  return { epoch, metadataVersion, emptySinceMs, topics: named };
}

export function memberToRecord(member: Member): MemberRecord {
  return {
    staticId: member.staticId,
    clientId: member.clientId,
    host: member.host,
    sessionTimeoutMs: member.sessionTimeoutMs,
    rebalanceTimeoutMs: member.rebalanceTimeoutMs,
    topics: member.topics,
    startFrom: member.startFrom,
    joinedMs: member.joinedMs,
    away: member.away,
    revokingSinceMs: member.revokingSinceMs,
    memberEpoch: member.memberEpoch,
    previousEpoch: member.previousEpoch,
    target: listPartitions(member.target),
    assigned: givenToRecord(member.assigned),
    revoking: givenToRecord(member.revoking),
    replacedIds: member.replacedIds,
  };
}

export function memberFromRecord(memberId: string, value: unknown, path: string): Member {
  const record = memberRecord(value, path);
  return {
    ...record,
    memberId,
    target: partitionSetOf(record.target),
    assigned: givenFromRecord(record.assigned, `${path}.assigned`),
    revoking: givenFromRecord(record.revoking, `${path}.revoking`),
  };
}

export function committedToRecord({ offset, leaderEpoch, metadata, committedMs }: Committed): Committed {
  return { offset, leaderEpoch, metadata, committedMs };
}

function givenToRecord(map: PartitionMap<number>): GivenPartitions[] {
  return [...map]
    .map(([id, epochs]): GivenPartitions => {
      const sorted = [...epochs].sort(([left], [right]) => left - right);
      return { topicId: id, partitions: sorted.map(([at]) => at), epochs: sorted.map(([, epoch]) => epoch) };
    })
    .sort((left, right) => compareText(left.topicId, right.topicId));
}

function givenFromRecord(records: readonly GivenPartitions[], path: string): PartitionMap<number> {
  const map: PartitionMap<number> = new Map();
  for (const { topicId: id, partitions, epochs } of records) {
    const entries = partitions.map((partition, at): [number, number] => [partition, epochs[at] ?? 0]);
    const good = partitions.length > 0 && partitions.length === epochs.length && !map.has(id);
    if (!good) throw new ShapeError(`${path}: topic ${id} is there twice, or has not one epoch for each partition`);
    map.set(id, new Map(entries));
  }
  return map;
}
