/**
 * replay.ts: what the records of the WAL, read in order, say about one group.
 *
 * Invariants:
 *   Y1  a frame replaces all from its index on; a copy of a frame replaces nothing but itself, for what it was copied from
 *       may come before or after frames that stand in younger files
 *   Y2  frames at or below the newest mark are gone: segments or a checkpoint hold them
 *   Y3  a tombstone voids what came before it, so a group created again begins empty
 */
import type { GroupId, RaftIndex, ReplicaId } from "@varve/base";
import type { Frame, HardState } from "../api.js";
import type { Mark, WalRecord } from "./records.js";

/** A value with the number of the WAL file it was read from. */
export interface Placed<T> {
  readonly value: T;
  readonly file: number;
}

export class GroupReplay {
  readonly groupId: GroupId;
  /** Replicas of this group that were dropped; their folders must go if they are still there. */
  readonly droppedReplicas: ReplicaId[] = [];
  hardState: Placed<HardState> | null = null;
  mark: Placed<Mark> | null = null;
  private readonly byIndex = new Map<RaftIndex, Placed<Frame>>();
  private lastIndex: RaftIndex = 0;

  constructor(groupId: GroupId) {
    this.groupId = groupId;
  }

  add(record: WalRecord, file: number): void {
    switch (record.kind) {
      case "hardState":
        this.hardState = { value: record.hardState, file };
        return;
      case "mark":
        this.mark = { value: record.mark, file };
        if (record.mark.kind === "reset" && !record.isCopy) this.clear();
        this.dropThrough(record.mark.index);
        return;
      case "tombstone":
        this.droppedReplicas.push(record.replicaId);
        this.hardState = null;
        this.mark = null;
        this.clear();
        return;
      case "frame":
        this.addFrame(record.frame, file, record.isCopy);
    }
  }

  /** Whether it knows nothing of a replica that was not dropped. */
  get isEmpty(): boolean {
    return this.hardState === null && this.mark === null && this.byIndex.size === 0;
  }

  /** Frames above the mark, by index. Dense unless something is missing. */
  frames(): Placed<Frame>[] {
    return [...this.byIndex.values()].sort((left, right) => left.value.index - right.value.index);
  }

  private addFrame(frame: Frame, file: number, isCopy: boolean): void {
    if (this.mark !== null && frame.index <= this.mark.value.index) return; // Y2
    if (!isCopy) {
      for (let index = frame.index; index <= this.lastIndex; index++) this.byIndex.delete(index);
      this.lastIndex = frame.index;
    }
    this.lastIndex = Math.max(this.lastIndex, frame.index);
    this.byIndex.set(frame.index, { value: frame, file });
  }

  private dropThrough(index: RaftIndex): void {
    for (const known of this.byIndex.keys()) if (known <= index) this.byIndex.delete(known);
  }

  private clear(): void {
    this.byIndex.clear();
    this.lastIndex = 0;
  }
}
