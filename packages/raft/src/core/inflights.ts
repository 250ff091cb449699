/**
 * inflights.ts: a bounded window of the append messages that one follower has not answered.
 *
 * A ring that grows by doubling up to the bound: most followers have a few messages under way, the bound may be huge.
 * Invariants:
 *   I1  last indexes never decrease from the oldest message to the newest
 *   I2  nothing is added to a full window
 * Source: Raft thesis section 10.2.2 (pipelining).
 */
import { assert } from "../assert.js";

const FIRST_CAPACITY = 8;

export class Inflights {
  count = 0;
  private bytes = 0;
  private start = 0;
  private lastIndexes: number[] = [];
  private sizes: number[] = [];

  /** @param bytesMax 0: no limit. One message always fits, so that a large entry can pass. */
  constructor(
    private readonly countMax: number,
    private readonly bytesMax: number,
  ) {
    assert(countMax >= 1, "at least one message may be under way");
  }

  get isFull(): boolean {
    return this.count >= this.countMax || (this.bytesMax !== 0 && this.bytes >= this.bytesMax);
  }

  /** A message whose last entry is `lastIndex` left with `bytes` of payload. */
  add(lastIndex: number, bytes: number): void {
    assert(!this.isFull, "I2");
    if (this.count === this.lastIndexes.length) this.grow();
    const capacity = this.lastIndexes.length;
    const newest = (this.start + this.count - 1 + capacity) % capacity;
    assert(this.count === 0 || (this.lastIndexes[newest] ?? 0) <= lastIndex, "I1");
    const at = (this.start + this.count) % capacity;
    this.lastIndexes[at] = lastIndex;
    this.sizes[at] = bytes;
    this.count++;
    this.bytes += bytes;
  }

  /** The follower has everything up to `index`: messages that end there or before are answered. */
  freeTo(index: number): void {
    const capacity = this.lastIndexes.length;
    while (this.count > 0 && (this.lastIndexes[this.start] ?? 0) <= index) {
      this.bytes -= this.sizes[this.start] ?? 0;
      this.start = (this.start + 1) % capacity;
      this.count--;
    }
    assert(this.count > 0 || this.bytes === 0, "an empty window holds no bytes");
  }

  clear(): void {
    this.count = 0;
    this.bytes = 0;
    this.start = 0;
  }

  private grow(): void {
    const capacity = Math.min(Math.max(FIRST_CAPACITY, this.lastIndexes.length * 2), this.countMax);
    const lastIndexes = new Array<number>(capacity).fill(0);
    const sizes = new Array<number>(capacity).fill(0);
    for (let at = 0; at < this.count; at++) {
      const from = (this.start + at) % this.lastIndexes.length;
      lastIndexes[at] = this.lastIndexes[from] ?? 0;
      sizes[at] = this.sizes[from] ?? 0;
    }
    this.lastIndexes = lastIndexes;
    this.sizes = sizes;
    this.start = 0;
  }
}
