/**
 * finished-prefix.ts: which offset of one partition may be committed while its records finish out of order.
 *
 * Invariants:
 *   F1  every record below `committable` that was taken is finished
 *   F2  `committable` never decreases
 *   F3  when all records that were taken are finished, it is one past the last of them, or what `passed` said
 */
import { assert, assertDefined, type Offset } from "@varve/base";

interface Taken {
  readonly offset: Offset;
  isFinished: boolean;
}

export class FinishedPrefix {
  /** Records taken and above the prefix, ascending; those before `head` are done with. */
  private taken: Taken[] = [];
  private head = 0;
  private readonly byOffset = new Map<Offset, Taken>();
  /** One past everything that was taken or passed. */
  private end: Offset;

  constructor(start: Offset) {
    this.end = start;
  }

  /** Offset of the next record to work on, were the member to die now. */
  get committable(): Offset {
    return this.taken[this.head]?.offset ?? this.end;
  }

  /** Records from the first unfinished one on. */
  get size(): number {
    return this.taken.length - this.head;
  }

  /** A record goes into work; offsets ascend. */
  take(offset: Offset): void {
    assert(offset >= this.end, "records are taken in the order of their offsets");
    const record: Taken = { offset, isFinished: false };
    this.taken.push(record);
    this.byOffset.set(offset, record);
    this.end = offset + 1;
  }

  /** There is no record left below `next` that was not taken. */
  passed(next: Offset): void {
    this.end = Math.max(this.end, next);
  }

  /** A record is finished; true when the prefix grew. */
  finish(offset: Offset): boolean {
    const record = assertDefined(this.byOffset.get(offset), "only what was taken can be finished");
    record.isFinished = true;
    const before = this.head;
    for (let next = this.taken[this.head]; next?.isFinished === true; next = this.taken[this.head]) {
      this.byOffset.delete(next.offset);
      this.head++;
    }
    const grew = this.head > before;
    if (this.head * 2 >= this.taken.length) {
      this.taken = this.taken.slice(this.head);
      this.head = 0;
    }
    return grew;
  }
}
