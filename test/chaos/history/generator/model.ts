/**
 * model.ts: a cluster that breaks no promise, as lists in memory: what generated histories are drawn from.
 *
 * It does what it is told at once; who asks decides when an operation takes effect between its begin and its end, and who is told.
 */
import { assertDefined } from "@varve/base";
import type { AssignedPartition, PolledRecord, SeenRecord } from "../events.js";

/** One committed record. */
export interface ModelRecord {
  readonly key: string | null;
  readonly value: string;
}

/** Where an append went. */
export interface Appended {
  readonly partition: number;
  readonly offset: number;
  readonly epoch: number;
}

interface ModelPartition {
  readonly log: ModelRecord[];
  epoch: number;
}

/** Who owns a partition of a group, since which epoch, and what is committed. */
interface Ownership {
  owner: string;
  epoch: number;
  committed: number | null;
}

/** A topic of some partitions, and a group that reads it. */
export class ModelTopic {
  private partitions: ModelPartition[];
  private readonly owned: Ownership[];
  private groupEpoch = 0;
  /** Counts the times that it was made. */
  life = 1;

  constructor(
    readonly topic: string,
    private readonly partitionCount: number,
  ) {
    this.partitions = this.emptyPartitions();
    this.owned = this.partitions.map(() => ({ owner: "", epoch: 0, committed: null }));
  }

  get topicId(): string {
    return `${this.topic}-${this.life}`;
  }

  /** Deletes it and makes it again. */
  recreate(): void {
    this.life++;
    this.partitions = this.emptyPartitions();
    for (const ownership of this.owned) ownership.committed = null;
  }

  append(record: ModelRecord, partition: number): Appended {
    const { log, epoch } = this.partition(partition);
    log.push(record);
    return { partition, offset: log.length - 1, epoch };
  }

  /** A new leader. */
  elect(partition: number): void {
    this.partition(partition).epoch++;
  }

  end(partition: number): number {
    return this.partition(partition).log.length;
  }

  read(partition: number, offset: number, recordsMax: number): PolledRecord[] {
    const { log } = this.partition(partition);
    return log
      .slice(offset, offset + recordsMax)
      .map((record, at) => ({ topic: this.topic, partition, offset: offset + at, ...record }));
  }

  dump(partition: number): SeenRecord[] {
    return this.partition(partition).log.map((record, offset) => ({ offset, ...record }));
  }

  /** Gives a partition to a member, in a new epoch. */
  give(partition: number, owner: string): AssignedPartition {
    const ownership = this.ownership(partition);
    ownership.owner = owner;
    ownership.epoch = ++this.groupEpoch;
    return { topic: this.topic, partition, epoch: ownership.epoch, startOffset: ownership.committed ?? 0 };
  }

  /** @returns whether it was accepted. */
  commit(partition: number, owner: string, offset: number): boolean {
    const ownership = this.ownership(partition);
    if (ownership.owner !== owner) return false;
    ownership.committed = offset;
    return true;
  }

  /** What is committed, by partition; null: nothing. */
  committed(): readonly (number | null)[] {
    return this.owned.map(({ committed }) => committed);
  }

  private emptyPartitions(): ModelPartition[] {
    return Array.from({ length: this.partitionCount }, () => ({ log: [], epoch: 1 }));
  }

  private partition(partition: number): ModelPartition {
    return assertDefined(this.partitions[partition], "the model has the partition");
  }

  private ownership(partition: number): Ownership {
    return assertDefined(this.owned[partition], "the model has the partition");
  }
}
