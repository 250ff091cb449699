/**
 * reader-places.ts: every partition that a group has a part in, subscribed to or committed, and where its reader goes on.
 */
import type { Offset, PartitionId, TopicId } from "@varve/base";
import type { CommittedOffset, GroupDescription } from "@varve/groups";

/** Where a reader of a partition goes on; null: it has not begun. */
export interface ReaderPlace {
  readonly topicId: TopicId;
  readonly partition: PartitionId;
  readonly from: Offset | null;
}

export interface NamedPlace extends ReaderPlace {
  readonly topic: string;
}

/** By topic name and partition. `nameOf`: how a topic is called. */
export function readerPlaces(
  { topics, offsets }: Pick<GroupDescription, "topics"> & { readonly offsets: readonly CommittedOffset[] },
  nameOf: (topicId: TopicId) => string,
): NamedPlace[] {
  const places = new Map<string, ReaderPlace>();
  for (const { topicId, partitions } of topics) {
    if (topicId === null) continue;
    for (let partition = 0; partition < partitions; partition++)
      places.set(`${topicId}/${partition}`, { topicId, partition, from: null });
  }
  for (const { topicId, partition, offset } of offsets)
    places.set(`${topicId}/${partition}`, { topicId, partition, from: offset });
  return [...places.values()]
    .map((place) => ({ ...place, topic: nameOf(place.topicId) }))
    .sort((left, right) => compare(left.topic, right.topic) || left.partition - right.partition);
}

function compare(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
