/**
 * events.ts: what a consumer tells its listeners.
 */
import type { VarveError } from "@varve/base";
import type { VarveRecord } from "../records/output.js";
import type { TopicPartition } from "./options.js";
import type { PartitionWork } from "./partition-work.js";
import type { StalledEvent } from "./stall-finder.js";

/** A partition that the member works on now. */
export interface AssignedTopicPartition extends TopicPartition {
  /** Names this assignment. */
  readonly epoch: number;
  /** Offset of its first record. */
  readonly startOffset: number;
  /** The member had it already, and the group was moved. */
  readonly seeked: boolean;
}

/** Events of a consumer with what listeners get. */
export interface ConsumerEvents<T = Buffer> {
  /** Partitions were given to this member, or moved by a seek; it begins. `epoch` is the member's. */
  readonly assigned: readonly [
    event: { readonly partitions: readonly AssignedTopicPartition[]; readonly epoch: number },
  ];
  /** Partitions were let go of in order: everything finished is committed. */
  readonly revoked: readonly [event: { readonly partitions: readonly TopicPartition[] }];
  /** No progress although there are records; said again every `stallTimeoutMs` while it lasts. */
  readonly stalled: readonly [event: StalledEvent];
  /** The coordinator took the member for dead, or fenced it: another may have its partitions. It joins again by itself. */
  readonly lost: readonly [event: { readonly partitions: readonly TopicPartition[]; readonly error: VarveError }];
  /** A handler failed (then with its record), or something in the background did; most is tried again. */
  readonly error: readonly [error: unknown, record: VarveRecord<T> | null];
}

/** As listeners see it. */
export function nameOf({ topic, partition }: PartitionWork): TopicPartition {
  return { topic, partition };
}

/** As listeners see it, with where it began. */
export function assignedOf(work: PartitionWork): AssignedTopicPartition {
  const { topic, partition, assignmentEpoch: epoch, cursor, seeked } = work;
  return { topic, partition, epoch, startOffset: cursor.start, seeked };
}
