/**
 * floor.ts: what was certain by when: the greatest number that was known before a moment of the history.
 *
 * Numbers arrive in the order of events; only those that raise the floor are kept. Looking back takes O(log n).
 */

/** A number, and the event that made it certain. */
export interface Known {
  readonly i: number;
  readonly value: number;
}

/** A number that only rises, with its past. */
export class Floor {
  private readonly rises: Known[] = [];

  /** `value` was certain with event `i`; events come in order. */
  raise(i: number, value: number): void {
    const last = this.rises.at(-1);
    if (last === undefined || value > last.value) this.rises.push({ i, value });
  }

  /** The greatest that was certain before event `i`; null when nothing was. */
  before(i: number): Known | null {
    let first = 0;
    let end = this.rises.length;
    while (first < end) {
      const middle = (first + end) >>> 1;
      const rise = this.rises[middle];
      if (rise !== undefined && rise.i < i) first = middle + 1;
      else end = middle;
    }
    return this.rises[first - 1] ?? null;
  }

  /** The greatest of all; null when nothing was certain. */
  get top(): Known | null {
    return this.rises.at(-1) ?? null;
  }
}
