/** offset-ranges.ts: a set of offsets, held as ranges that do not touch. */

/** `end` is the first offset behind it. */
export interface OffsetRange {
  readonly start: number;
  readonly end: number;
}

/** A set of offsets; asked in O(log n). */
export class OffsetRanges {
  private readonly ranges: readonly OffsetRange[];

  /** @param ranges in any order; they may overlap. */
  constructor(ranges: Iterable<OffsetRange>) {
    const merged: OffsetRange[] = [];
    for (const range of [...ranges].sort((left, right) => left.start - right.start)) {
      const last = merged.at(-1);
      if (last !== undefined && range.start <= last.end)
        merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, range.end) };
      else merged.push(range);
    }
    this.ranges = merged;
  }

  has(offset: number): boolean {
    let first = 0;
    let end = this.ranges.length;
    while (first < end) {
      const middle = (first + end) >>> 1;
      const range = this.ranges[middle];
      if (range !== undefined && range.start <= offset) first = middle + 1;
      else end = middle;
    }
    const range = this.ranges[first - 1];
    return range !== undefined && offset < range.end;
  }
}
