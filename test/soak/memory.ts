/**
 * memory.ts: the memory of this process over a run, and whether it keeps growing.
 *
 * The run is cut into three parts of equal length. Memory keeps growing when, in the last part,
 *   P1  the largest resident set is more than 15 % plus 16 MiB above the largest of the time before, or
 *   P2  the smallest heap in use is more than 12 MiB above the smallest of the middle part: what is left after a collection.
 * P1 sees what the system sees, and V8 gives memory back late; P2 sees a leak of 13 bytes a send in ten minutes of 5,000 sends a second.
 */
export interface MemorySample {
  readonly atMs: number;
  readonly rssMib: number;
  readonly heapMib: number;
}

/** The figures that decide. */
export interface Growth {
  readonly rssMibMaxBefore: number;
  readonly rssMibMaxLast: number;
  readonly heapMibMinMiddle: number;
  readonly heapMibMinLast: number;
  readonly keepsGrowing: boolean;
}

const MIB = 1_024 * 1_024;
const RSS_RATIO = 1.15;
const RSS_MIB = 16;
const HEAP_MIB = 12;

export function sampleMemory(atMs: number): MemorySample {
  const { rss, heapUsed } = process.memoryUsage();
  return { atMs, rssMib: rss / MIB, heapMib: heapUsed / MIB };
}

/** Judges the samples of a run, which began at 0 ms. */
export function growthOf(samples: readonly MemorySample[]): Growth {
  const endMs = samples.at(-1)?.atMs ?? 0;
  const between = (start: number, end: number): readonly MemorySample[] =>
    samples.filter(({ atMs }) => atMs >= start * endMs && atMs <= end * endMs);
  const rssMibMaxBefore = largest(between(0, 2 / 3));
  const rssMibMaxLast = largest(between(2 / 3, 1));
  const heapMibMinMiddle = smallest(between(1 / 3, 2 / 3));
  const heapMibMinLast = smallest(between(2 / 3, 1));
  const keepsGrowing =
    rssMibMaxLast > rssMibMaxBefore * RSS_RATIO + RSS_MIB || heapMibMinLast > heapMibMinMiddle + HEAP_MIB;
  return { rssMibMaxBefore, rssMibMaxLast, heapMibMinMiddle, heapMibMinLast, keepsGrowing };
}

function largest(samples: readonly MemorySample[]): number {
  return samples.reduce((most, { rssMib }) => Math.max(most, rssMib), 0);
}

function smallest(samples: readonly MemorySample[]): number {
  return samples.reduce((least, { heapMib }) => Math.min(least, heapMib), Number.POSITIVE_INFINITY);
}
