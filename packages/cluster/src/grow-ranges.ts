/**
 * grow-ranges.ts: the hash ranges of a topic that gets many partitions at once.
 *
 * The same as one `splitWidest` of @varve/base after the other, which a test holds it to, but with a heap: from 1 to 10,000 partitions
 * the list walk of each split would stop the event loop of every broker for seconds.
 */
import { assert, type HashRange, type PartitionId } from "@varve/base";

/** The ranges, in the order of the hash space, after the partitions `first .. end - 1` were added one by one. */
export function growRanges(ranges: readonly HashRange[], first: PartitionId, end: PartitionId): HashRange[] {
  const heap = new WidestFirst();
  for (const range of ranges) heap.push(range);
  for (let partition = first; partition < end; partition++) {
    const { partition: parent, start, end: parentEnd } = heap.pop();
    const middle = start + Math.ceil((parentEnd - start) / 2);
    assert(middle < parentEnd, "the widest range can be halved");
    heap.push({ partition: parent, start, end: middle });
    heap.push({ partition, start: middle, end: parentEnd });
  }
  return heap.items.sort((left, right) => left.start - right.start);
}

function goesBefore(left: HashRange, right: HashRange): boolean {
  const wider = left.end - left.start - (right.end - right.start);
  return wider !== 0 ? wider > 0 : left.start < right.start;
}

/** A binary heap: the widest range on top, of several the one with the lowest hashes. */
class WidestFirst {
  readonly items: HashRange[] = [];

  push(range: HashRange): void {
    const { items } = this;
    let at = items.length;
    items.push(range);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = items[up];
      if (parent === undefined || goesBefore(parent, range)) break;
      items[at] = parent;
      at = up;
    }
    items[at] = range;
  }

  pop(): HashRange {
    const { items } = this;
    const [top] = items;
    const last = items.pop();
    assert(top !== undefined && last !== undefined, "a topic has at least one range");
    if (items.length > 0) this.sink(last);
    return top;
  }

  private sink(range: HashRange): void {
    const { items } = this;
    let at = 0;
    for (;;) {
      const down = this.firstChild(at);
      const child = items[down];
      if (child === undefined || goesBefore(range, child)) break;
      items[at] = child;
      at = down;
    }
    items[at] = range;
  }

  private firstChild(at: number): number {
    const left = this.items[2 * at + 1];
    const right = this.items[2 * at + 2];
    return left !== undefined && right !== undefined && goesBefore(right, left) ? 2 * at + 2 : 2 * at + 1;
  }
}
