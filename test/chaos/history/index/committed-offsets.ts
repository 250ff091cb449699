/**
 * committed-offsets.ts: what groups committed and what they were told they had committed: one register for each group and partition.
 *
 * A read is explained by a write of its value that may have come last before it: one that began before the read ended, and behind which no other value
 * was certain to be there in between. A value is certain to have been there from an acknowledged write or an answered read of it: such a barrier,
 * if it began after the write ended and ended before the read began, rules the write out. A commit of unknown end may take effect at any time.
 *
 * What a register held before the history is not known: it explains reads until something else was certain. A topic that the history made had nothing.
 */
import type { PartitionLife } from "./partition-life.js";

/** A value that was written, or that somebody may have written. */
export interface Write {
  /** null: the value is not known. */
  readonly value: number | null;
  readonly begunAt: number;
  /** Infinity: of unknown end. */
  readonly endedAt: number;
}

/** A commit that was refused. */
export interface RefusedCommit {
  readonly proc: string;
  readonly value: number;
  readonly begunAt: number;
  readonly i: number;
  readonly err: string | null;
}

/** What somebody was told; null: nothing is committed. */
export interface Read {
  readonly proc: string;
  readonly value: number | null;
  readonly begunAt: number;
  readonly i: number;
  /** From `fetchOffsets`, or the start of an assignment. */
  readonly by: "fetch" | "assign";
}

/** A read that no write explains. */
export interface UnexplainedRead extends Read {
  /** What was certain to be there after every write of the value that was read; null: nobody ever wrote it. */
  readonly barrier: Barrier | null;
}

/** A value that was there for certain, some time between two events. */
export interface Barrier {
  readonly value: number | null;
  readonly begunAt: number;
  readonly endedAt: number;
}

/** One group's committed offset in one partition. */
export class OffsetRegister {
  readonly writes: Write[] = [];
  readonly refused: RefusedCommit[] = [];
  readonly reads: Read[] = [];
  /** The latest assignment that anybody heard of. */
  epochHeard = -1;
  /** The invoke of the last seek, until somebody commits after it; Infinity: there is none. */
  soughtAt = Number.POSITIVE_INFINITY;
  /** The end of that seek; Infinity: it has none. */
  soughtUntil = Number.POSITIVE_INFINITY;

  constructor(
    readonly group: string,
    readonly partition: PartitionLife,
  ) {}

  /** A seek began, and ended if it did. */
  sought(begunAt: number, endedAt: number = Number.POSITIVE_INFINITY): void {
    this.soughtAt = begunAt;
    this.soughtUntil = endedAt;
  }

  get name(): string {
    return `${this.group} in ${this.partition.name}`;
  }
}

/** What may be said of a history as a whole. */
export interface RegisterRules {
  /** The history names the commits of the group; else its reads are only compared with each other. */
  readonly hasCommits: boolean;
  /** The history names seeks, so a start below what was committed is none. */
  readonly hasSeeks: boolean;
  /** Nothing was committed before the history began. */
  readonly wasEmpty: boolean;
}

/** The reads of a register that its writes do not explain, in the order of their invokes. */
export function unexplained(register: OffsetRegister, rules: RegisterRules): UnexplainedRead[] {
  const found: UnexplainedRead[] = [];
  const blamed = new Set<Read>();
  const barriers = new Barriers(register, blamed);
  const writes = new WritesByValue(register.writes);
  const sought: Write[] = [];
  let highest: Read | null = null;
  for (const read of [...register.reads].sort((left, right) => left.begunAt - right.begunAt)) {
    const barrier = barriers.against(read);
    const isExplained =
      isInitial(read, barrier, rules) ||
      writes.explain(read, barrier) ||
      new WritesByValue(sought).explain(read, barrier);
    if (!isExplained && isSeek(read, barrier, register, rules)) {
      sought.push({ value: read.value, begunAt: barrier?.endedAt ?? -1, endedAt: read.i });
      highest = null;
    } else if (!isExplained && (rules.hasCommits || isBack(read, highest, register))) {
      found.push({ ...read, barrier });
      blamed.add(read);
    } else if (read.by === "fetch" && !isBack(read, highest, register)) highest = read;
  }
  return found;
}

/** A group that has committed nothing, as far as is known or as somebody was told, is assigned any start: earliest or latest, as it likes. */
const isInitial = ({ by, value }: Read, barrier: Barrier | null, { wasEmpty }: RegisterRules): boolean =>
  barrier === null
    ? !wasEmpty || by === "assign" || value === null || value === 0
    : by === "assign" && barrier.value === null;

/**
 * Whether a start of an assignment that no commit explains is taken for a seek, or for how far its member had come. It is not when somebody else's fenced
 * commit left it there, or when it lies below what was committed and the history names its seeks.
 */
function isSeek(
  { by, proc, value, i }: Read,
  barrier: Barrier | null,
  { refused }: OffsetRegister,
  rules: RegisterRules,
): boolean {
  if (by !== "assign" || value === null) return false;
  const isOfFenced = refused.some(
    (commit) => isFenced(commit) && commit.proc !== proc && commit.value === value && commit.begunAt < i,
  );
  return !isOfFenced && !(rules.hasSeeks && barrier !== null && value < (barrier.value ?? 0));
}

const FENCED: ReadonlySet<string> = new Set([
  "FENCED_MEMBER",
  "FENCED_INSTANCE",
  "FENCED_EPOCH",
  "STALE_ASSIGNMENT",
  "UNKNOWN_MEMBER",
]);

/** Whether a commit was refused because its member owns the partition no more. */
export const isFenced = ({ err }: RefusedCommit): boolean => err !== null && FENCED.has(err);

/** Below an earlier read, though nothing was written in between that may have moved it. */
const isBack = (read: Read, highest: Read | null, { writes }: OffsetRegister): boolean =>
  highest !== null &&
  highest.i < read.begunAt &&
  (read.value ?? -1) < (highest.value ?? -1) &&
  !writes.some(({ begunAt, endedAt }) => endedAt > highest.begunAt && begunAt < read.i);

/** What was certain, asked in the order of the reads' beginnings. */
class Barriers {
  private readonly byEnd: readonly (Barrier & { readonly read: Read | null })[];
  private next = 0;
  /** Of those that ended: the one that began last, and the one that began last among those of another value. */
  private best: Barrier | null = null;
  private bestOfOther: Barrier | null = null;

  /** @param blamed reads that are wrong themselves, so they make nothing certain; it grows while this is asked. */
  constructor(
    { writes, reads }: OffsetRegister,
    private readonly blamed: ReadonlySet<Read>,
  ) {
    const written = writes
      .filter(({ value, endedAt }) => value !== null && Number.isFinite(endedAt))
      .map((write) => ({ ...write, read: null }));
    const answered = reads
      // The coordinator read the start of an assignment at a time that the history does not show.
      .filter(({ by }) => by === "fetch")
      .map((read) => ({ value: read.value, begunAt: read.begunAt, endedAt: read.i, read }));
    this.byEnd = [...written, ...answered].sort((left, right) => left.endedAt - right.endedAt);
  }

  /** Of the barriers of another value that ended before the read began, the one that began last. */
  against(read: Read): Barrier | null {
    for (let at = this.byEnd[this.next]; at !== undefined && at.endedAt < read.begunAt; at = this.byEnd[++this.next])
      if (at.read === null || !this.blamed.has(at.read)) this.take(at);
    return this.best?.value === read.value ? this.bestOfOther : this.best;
  }

  private take(barrier: Barrier): void {
    const { best, bestOfOther } = this;
    if (best === null || barrier.begunAt > best.begunAt) {
      if (best !== null && best.value !== barrier.value) this.bestOfOther = best;
      this.best = barrier;
    } else if (barrier.value !== best.value && barrier.begunAt > (bestOfOther?.begunAt ?? -1))
      this.bestOfOther = barrier;
  }
}

/** Writes of one value, in the order of their beginnings, each with the latest end of any up to it. */
type Ends = { readonly begunAt: number; readonly latestEnd: number }[];

/** Writes, found by their value; those of no known value are found by every one. */
class WritesByValue {
  private readonly byValue = new Map<number | null, Ends>();

  constructor(writes: readonly Write[]) {
    for (const { value, begunAt, endedAt } of [...writes].sort((left, right) => left.begunAt - right.begunAt)) {
      const same = this.byValue.get(value) ?? [];
      this.byValue.set(value, same);
      same.push({ begunAt, latestEnd: Math.max(endedAt, same.at(-1)?.latestEnd ?? -1) });
    }
  }

  /** Whether a write of the value began before the read ended, and did not end before the barrier began. */
  explain(read: Read, barrier: Barrier | null): boolean {
    const from = barrier?.begunAt ?? -1;
    const isLate = (writes: Ends | undefined): boolean =>
      writes !== undefined && latestEndBefore(writes, read.i) > from;
    return (read.value !== null && isLate(this.byValue.get(read.value))) || isLate(this.byValue.get(null));
  }
}

/** The latest end of the writes that began before event `i`; -1 when none did. */
function latestEndBefore(writes: Ends, i: number): number {
  let first = 0;
  let end = writes.length;
  while (first < end) {
    const middle = (first + end) >>> 1;
    if ((writes[middle]?.begunAt ?? i) < i) first = middle + 1;
    else end = middle;
  }
  return writes[first - 1]?.latestEnd ?? -1;
}
