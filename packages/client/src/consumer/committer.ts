/**
 * committer.ts: stores how far partitions were worked off: every interval when something changed, and whenever it is asked to.
 *
 * Invariants:
 *   C1  one commit is under way at a time, so that of two offsets of one partition the later one is stored last
 *   C2  a commit names the assignment under which its records were worked on; one that the coordinator refuses changes nothing here either
 *   C3  what was acknowledged is not sent again
 */
import { type Offset, type TimerHandle, toVarveError, VarveError } from "@varve/base";
import { GROUP_METHODS } from "@varve/rpc";
import type { Cluster } from "../cluster/cluster.js";
import type { WaitOptions } from "../options.js";
import type { PartitionWork } from "./partition-work.js";
import { type GroupSession, isRefusalOfMember } from "./session.js";

/** One partition's offset, to be stored. */
export interface CommitEntry {
  readonly work: PartitionWork;
  readonly offset: Offset;
}

export interface CommitterOptions {
  readonly cluster: Cluster;
  readonly group: string;
  readonly session: GroupSession;
  /** Null: only when asked to. */
  readonly intervalMs: number | null;
  /** Everything that is held. */
  readonly works: () => Iterable<PartitionWork>;
  /** A commit by the interval failed; the next one tries again. */
  readonly onError: (error: VarveError) => void;
}

/** Attempts after the coordinator said that what the member knows is out of date. */
const STALE_TRIES = 3;
/** Offsets in one request. */
const ENTRIES_MAX = 10_000;

export class Committer {
  private readonly options: CommitterOptions;
  private timer: TimerHandle | null = null;
  private tail: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(options: CommitterOptions) {
    this.options = options;
  }

  start(): void {
    const { intervalMs } = this.options;
    if (intervalMs === null || this.stopped) return;
    this.timer = this.options.cluster.ports.clock.setTimer(intervalMs, () => {
      this.flush().then(
        () => this.start(),
        (error: unknown) => {
          if (!this.stopped) this.options.onError(toVarveError(error));
          this.start();
        },
      );
    });
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  /** Stores what is finished and not stored yet, of `only` or of everything. @throws VarveError. */
  flush(only: Iterable<PartitionWork> | null = null, wait: WaitOptions = {}): Promise<void> {
    return this.inTurn(async () => {
      await this.store(() => dirtyEntries(only ?? this.options.works()), wait);
    });
  }

  /** Stores these offsets, all of them or it rejects. @throws VarveError; STALE_ASSIGNMENT: a partition was lost before its offset was stored. */
  commit(entries: readonly CommitEntry[], wait: WaitOptions = {}): Promise<void> {
    return this.inTurn(async () => {
      const left = new Set(entries);
      while (left.size > 0) {
        const stored = await this.store(() => [...left].filter(({ work }) => work.state !== "gone"), wait);
        for (const entry of stored) left.delete(entry);
        const [lost] = left;
        if (lost !== undefined && stored.length === 0) throw notAssigned(lost.work, this.options.group);
      }
    });
  }

  private inTurn(action: () => Promise<void>): Promise<void> {
    const turn = this.tail.then(action); // C1
    this.tail = turn.catch(() => {});
    return turn;
  }

  /**
   * One request's worth, or nothing when there is nothing to store.
   * @param collect asked anew before each attempt: what was moved or lost meanwhile is not sent again.
   * @returns what is stored now.
   */
  private async store(collect: () => readonly CommitEntry[], wait: WaitOptions): Promise<readonly CommitEntry[]> {
    const { session } = this.options;
    let isUnclear = false;
    for (let attempt = 1; ; attempt++) {
      const entries = collect().slice(0, ENTRIES_MAX);
      if (entries.length === 0) return [];
      if (session.memberEpoch === 0) throw notAMember(this.options.group);
      try {
        await this.send(entries, wait);
        return entries;
      } catch (thrown) {
        const refused = toVarveError(thrown);
        isUnclear ||= refused.effect === "UNKNOWN";
        const error = isUnclear ? refused.withEffect("UNKNOWN") : refused;
        if (isOfOnePartition(error) && (error.code !== "STALE_ASSIGNMENT" || attempt === STALE_TRIES)) {
          return this.storeOneByOne(entries, isUnclear, wait);
        }
        if (!isStale(error) || attempt === STALE_TRIES) throw error;
        await session.refresh();
      }
    }
  }

  /** One partition must not keep the others from being stored. `isUnclear`: an earlier attempt may have stored them all. */
  private async storeOneByOne(
    entries: readonly CommitEntry[],
    isUnclear: boolean,
    wait: WaitOptions,
  ): Promise<readonly CommitEntry[]> {
    const stored: CommitEntry[] = [];
    let refusal: VarveError | null = null;
    for (const entry of entries) {
      if (entry.work.state === "gone") continue;
      try {
        await this.send([entry], wait);
        stored.push(entry);
      } catch (thrown) {
        const error = toVarveError(thrown);
        if (!isOfOnePartition(error)) throw error;
        if (error.code === "STALE_ASSIGNMENT") entry.work.commitRefused = true; // C2
        refusal = error;
      }
    }
    if (refusal !== null) throw isUnclear ? refusal.withEffect("UNKNOWN") : refusal;
    return stored;
  }

  private async send(entries: readonly CommitEntry[], wait: WaitOptions): Promise<void> {
    const { cluster, group, session } = this.options;
    const offsets = entries.map(({ work, offset }) => ({
      topicId: work.topicId,
      partition: work.partition,
      assignmentEpoch: work.assignmentEpoch,
      offset,
      leaderEpoch: work.lastEpoch,
      metadata: "",
    }));
    await cluster.call(
      GROUP_METHODS.commitOffsets,
      { group, memberId: session.memberId, memberEpoch: session.memberEpoch, offsets },
      {
        what: `commit of group ${JSON.stringify(group)}`,
        kind: "write",
        signal: wait.signal,
        isFinal: (error) => isStale(error) || isOfOnePartition(error),
      },
    );
    for (const { work, offset } of entries) work.committed = offset; // C3
  }
}

function dirtyEntries(works: Iterable<PartitionWork>): CommitEntry[] {
  return [...works].filter(({ isDirty }) => isDirty).map((work) => ({ work, offset: work.prefix.committable }));
}

/** The commit was refused because of some partition, not because of the member. */
function isOfOnePartition({ code }: VarveError): boolean {
  return (
    code === "STALE_ASSIGNMENT" ||
    code === "UNKNOWN_TOPIC" ||
    code === "UNKNOWN_TOPIC_ID" ||
    code === "UNKNOWN_PARTITION" ||
    code === "OFFSET_OUT_OF_RANGE"
  );
}

function notAMember(group: string): VarveError {
  return new VarveError("UNKNOWN_MEMBER", {
    message: `this consumer is no member of group ${JSON.stringify(group)} at this moment; nothing was committed; it joins by itself`,
    details: { group },
  });
}

/** A partition whose offset was to be stored is no longer this member's. */
export function notAssigned(
  { topic, partition }: { readonly topic: string; readonly partition: number },
  group: string,
): VarveError {
  return new VarveError("STALE_ASSIGNMENT", {
    message: `${topic}/${partition} is not assigned to this member of ${group}; its offset was not committed`,
    details: { topic, partition },
  });
}

/** An offset from before the group was moved was to be stored: it would undo the seek. */
export function movedSince(
  { name, committedAtStart, topic, partition }: PartitionWork,
  offset: Offset,
  group: string,
): VarveError {
  return new VarveError("STALE_ASSIGNMENT", {
    message: `${group} was moved to ${committedAtStart} in ${name}, and no record up to ${offset} was given since; it was not committed`,
    details: { topic, partition, offset },
  });
}

/** What the coordinator has and what the member believes differ. */
function isStale(error: VarveError): boolean {
  return error.code === "STALE_ASSIGNMENT" || isRefusalOfMember(error);
}
