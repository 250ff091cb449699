/**
 * partition-work.ts: one partition under one assignment: where reading stands, what is in work, what may be committed. A seek or a new
 * assignment makes a new one; what the old one's handlers still do no longer counts.
 */
import type { Offset, PartitionId, TopicId } from "@varve/base";
import { type AssignedPartition, StartFrom } from "@varve/rpc";
import { PartitionCursor } from "../reader/cursor.js";
import { type HeldPartition, partitionKey } from "./assignment.js";
import { FinishedPrefix } from "./finished-prefix.js";

/** `starting`: its first offset is being found. `releasing`: what is in work is finished, nothing new begun. */
export type WorkState = "starting" | "working" | "releasing" | "gone";

export class PartitionWork implements HeldPartition {
  readonly key: string;
  readonly topicId: TopicId;
  readonly topic: string;
  readonly partition: PartitionId;
  readonly assignmentEpoch: number;
  /** Stored by the group when the partition was given; null: nothing. */
  readonly committedAtStart: Offset | null;
  /** It was held already, and the group was moved. */
  readonly seeked: boolean;
  state: WorkState = "starting";
  /** Where to begin when nothing is committed. */
  readonly startFrom: "earliest" | "latest";
  cursor: PartitionCursor;
  prefix: FinishedPrefix;
  /** Last acknowledged commit of this assignment; null: none. */
  committed: Offset | null = null;
  /** A commit was refused as stale: no more until the coordinator says what is assigned now. */
  commitRefused = false;
  /** Resolves when the user's onAssign has answered for it. */
  assigning: Promise<void> = Promise.resolve();
  /** One past the last record that a handler was given; before the first, where the work began. */
  givenTo: Offset = 0;
  /** Records that a handler works on now. */
  inWork = 0;
  /** Records taken and not started, and their bytes. */
  waiting = 0;
  waitingBytes = 0;
  /** Leader epoch of the newest record taken. */
  lastEpoch = 0;
  /** Aborted when results no longer count. */
  readonly over = new AbortController();
  /** When a record was last finished or begun with, or there was nothing to do. */
  progressAtMs = 0;
  private idle: (() => void) | null = null;

  constructor(given: AssignedPartition, seeked: boolean) {
    this.topicId = given.topicId;
    this.topic = given.topic;
    this.partition = given.partition;
    this.key = partitionKey(given.topicId, given.partition);
    this.assignmentEpoch = given.assignmentEpoch;
    this.committedAtStart = given.startOffset < 0 ? null : given.startOffset;
    this.startFrom = given.startFrom === StartFrom.LATEST ? "latest" : "earliest";
    this.seeked = seeked;
    this.committed = this.committedAtStart;
    this.cursor = new PartitionCursor(given.partition, 0, null, 0);
    this.prefix = new FinishedPrefix(0);
  }

  /** The same assignment, to be begun at another place. */
  movedTo(offset: Offset): PartitionWork {
    const { topicId, topic, partition, assignmentEpoch } = this;
    const startFrom = StartFrom.EARLIEST;
    const moved = new PartitionWork(
      { topicId, topic, partition, assignmentEpoch, startOffset: offset, startFrom },
      true,
    );
    moved.committed = this.committed;
    return moved;
  }

  get isReleasing(): boolean {
    return this.state === "releasing";
  }

  /** For people: orders/3. */
  get name(): string {
    return `${this.topic}/${this.partition}`;
  }

  /** Whether there is something to commit. */
  get isDirty(): boolean {
    return (
      (this.state === "working" || this.state === "releasing") &&
      !this.commitRefused &&
      this.prefix.committable !== this.committed
    );
  }

  /** Begins at `offset`. */
  begin(offset: Offset, nowMs: number): void {
    this.cursor = new PartitionCursor(this.partition, offset, null, offset);
    this.prefix = new FinishedPrefix(offset);
    this.givenTo = offset;
    this.progressAtMs = nowMs;
    this.state = "working";
  }

  /** One record less is in work. */
  leftWork(): void {
    this.inWork--;
    if (this.inWork === 0) this.idle?.();
  }

  /** Resolves when no record is in work. */
  async untilIdle(): Promise<void> {
    while (this.inWork > 0) {
      await new Promise<void>((resolve) => {
        this.idle = resolve;
      });
    }
  }
}
