/**
 * topic-lanes.ts: chooses the partition of each record of one topic and holds the partitions' lanes.
 *
 * Records with a key go where its hash belongs; those without stick to one partition until its batch leaves, then move on.
 */
import { assertDefined, type PartitionId } from "@varve/base";
import { keyHash, nextStickyPartition, partitionForHash } from "@varve/records";
import type { TopicView } from "../cluster/topic-view.js";
import { unknownPartition } from "../errors.js";
import type { EncodedRecord } from "./encoded-record.js";
import { Lane, type LaneOptions } from "./lane.js";
import type { SendResult } from "./options.js";
import type { SendTerms } from "./send-terms.js";

export class TopicLanes {
  private readonly options: Omit<LaneOptions, "partition">;
  private readonly lanes: Lane[] = [];
  private sticky: PartitionId | null = null;

  constructor(options: Omit<LaneOptions, "partition">) {
    this.options = options;
  }

  /** @throws VarveError RECORD_TOO_LARGE, UNKNOWN_PARTITION; nothing happened. */
  append(view: TopicView, record: EncodedRecord, terms: SendTerms): Promise<SendResult> {
    const lane = this.lane(this.partitionOf(view, record), view.partitions.length);
    return lane.append(record, terms, view.batchBytesMax);
  }

  all(): readonly Lane[] {
    return this.lanes;
  }

  private partitionOf(view: TopicView, record: EncodedRecord): PartitionId {
    const count = view.partitions.length;
    if (record.partition !== null) {
      if (record.partition < count) return record.partition;
      throw unknownPartition(view.topic, record.partition, count);
    }
    if (count === 1) return 0;
    if (record.key === null) return this.stickyPartition(view);
    const hash = keyHash(record.key);
    return this.options.settings.partitioner === "modulo" ? hash % count : partitionForHash(hash, view.ranges);
  }

  private stickyPartition(view: TopicView): PartitionId {
    if (this.sticky !== null && this.lanes[this.sticky]?.isFilling === true) return this.sticky;
    const partitions = view.partitions.map(({ partition }) => partition);
    this.sticky = nextStickyPartition(partitions, this.sticky, this.options.cluster.ports.random.uint32());
    return this.sticky;
  }

  private lane(partition: PartitionId, count: number): Lane {
    while (this.lanes.length < count) this.lanes.push(new Lane({ ...this.options, partition: this.lanes.length }));
    return assertDefined(this.lanes[partition], "there is a lane per partition");
  }
}
