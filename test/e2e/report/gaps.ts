/**
 * gaps.ts: how long each partition acknowledged nothing while a scenario ran. Pure.
 *
 * A gap lies between two acknowledgements that follow each other; it belongs to every scenario that it touches, whole. So a scenario can look worse than
 * it was by what came right before or after it, never better.
 */

/** From a time to a later one, in milliseconds. */
export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Acknowledgements of a quorum, as they come. */
export class AckLog {
  /** By partition: times, in order. Memory: a number for each acknowledged record of a run. */
  private readonly timesMs: readonly number[][];

  constructor(partitions: number) {
    this.timesMs = Array.from({ length: partitions }, () => []);
  }

  ack(partition: number, atMs: number): void {
    this.timesMs[partition]?.push(atMs);
  }

  /** By partition: acknowledgements until now. */
  counts(): number[] {
    return this.timesMs.map(({ length }) => length);
  }

  /** All acknowledgements. */
  get count(): number {
    return this.timesMs.reduce((sum, { length }) => sum + length, 0);
  }

  /** By partition: the longest gap that touches the window, in milliseconds. */
  longestGapsMs(window: Window): number[] {
    return this.timesMs.map((times) => longestGapMs(times, window));
  }
}

/** Where nothing was acknowledged before or after the window, its edge counts as an acknowledgement. */
export function longestGapMs(timesMs: readonly number[], { fromMs, toMs }: Window): number {
  const first = timesMs.findLastIndex((ms) => ms <= fromMs);
  const last = timesMs.findIndex((ms) => ms >= toMs);
  const inside = timesMs.slice(Math.max(0, first), last === -1 ? timesMs.length : last + 1);
  const edges = [...(first === -1 ? [fromMs] : []), ...inside, ...(last === -1 ? [toMs] : [])];
  return edges.reduce((longest, ms, at) => Math.max(longest, ms - (edges[at - 1] ?? ms)), 0);
}
