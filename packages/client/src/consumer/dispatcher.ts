/**
 * dispatcher.ts: takes records from the fetcher, starts them in the order that the work queue allows, and keeps the books when they
 * are finished, tried again or given up.
 *
 * Invariants:
 *   D1  a record is finished only by `finish`; what is given up stays above the committable prefix
 *   D2  nothing is started while it is suspended, of a paused partition, or of an assignment that is over
 *   D3  records taken and not started: `lookAhead` per partition, and their bytes at most bufferBytesMax in all, but one of each partition
 *   D4  after STARTS_PER_TURN starts, or TURN_MS, the event loop has a whole turn: handlers that finish at once, or compute for long without
 *       yielding, hold up heartbeats no longer than one of them takes
 */
import type { Clock, TimerHandle } from "@varve/base";
import { recordAt, type VarveRecord } from "../records/output.js";
import type { Serde } from "../records/serde.js";
import type { Fetcher } from "./fetcher.js";
import type { PartitionWork } from "./partition-work.js";
import { type WorkItem, WorkQueue } from "./work-queue.js";

/** One record and what became of it so far. */
export interface Job<T> extends WorkItem {
  readonly work: PartitionWork;
  readonly record: VarveRecord<T>;
  readonly bytes: number;
  /** 1 at first. */
  attempt: number;
  startedAtMs: number;
  lastError: unknown;
  rest: TimerHandle | null;
}

export interface DispatcherOptions<T> {
  readonly clock: Clock;
  readonly fetcher: Pick<Fetcher, "take">;
  readonly serde: Serde<T> | null;
  readonly concurrency: number;
  readonly bufferBytesMax: number;
  /** Whether somebody is there to work on a record. */
  readonly isWanted: () => boolean;
  readonly start: (job: Job<T>) => void;
  /** A record cannot be read, or its value not be decoded. */
  readonly unreadable: (work: PartitionWork, error: unknown) => void;
}

const LOOK_AHEAD_MAX = 10_000;
/** Records that a partition may be ahead of its first unfinished one. */
const AHEAD_MAX = 10_000;
const STARTS_PER_TURN = 256;
/** Time from a turn's first start after which no more is started in it. */
const TURN_MS = 20;

export class Dispatcher<T> {
  private readonly options: DispatcherOptions<T>;
  private readonly queue: WorkQueue<Job<T>>;
  private readonly works = new Set<PartitionWork>();
  private readonly paused = new Set<string>();
  private readonly inWork = new Set<Job<T>>();
  private readonly resting = new Set<Job<T>>();
  /** Rested long enough, and no place is free. */
  private readonly due = new Set<Job<T>>();
  private readonly lookAhead: number;
  private suspensions = 0;
  private isPumping = false;
  private isDeferred = false;
  private startsThisTurn = 0;
  private turnBeganAtMs = 0;
  private idle: (() => void)[] = [];

  constructor(options: DispatcherOptions<T>) {
    this.options = options;
    this.queue = new WorkQueue(options.concurrency);
    this.lookAhead = options.concurrency === 1 ? 1 : Math.min(LOOK_AHEAD_MAX, options.concurrency * 32);
  }

  /** Records that handlers work on now. */
  jobs(): Iterable<Job<T>> {
    return this.inWork;
  }

  /** Records that wait for their next attempt. */
  restingJobs(): Iterable<Job<T>> {
    return this.resting;
  }

  add(work: PartitionWork): void {
    this.works.add(work);
    this.pump();
  }

  /** Starts nothing more of an assignment, and forgets what waits. */
  remove(work: PartitionWork): void {
    if (!this.works.delete(work)) return;
    this.queue.drop(work.key);
    work.waiting = 0;
    work.waitingBytes = 0;
    for (const job of [...this.resting]) if (job.work === work) this.forgetResting(job);
  }

  pause(key: string): void {
    this.paused.add(key);
    this.queue.pause(key);
  }

  resume(key: string): void {
    this.paused.delete(key);
    this.queue.resume(key);
    this.pump();
  }

  isPaused(key: string): boolean {
    return this.paused.has(key);
  }

  /** Starts nothing until as many `go` were called. */
  suspend(): void {
    this.suspensions++;
  }

  go(): void {
    this.suspensions--;
    this.pump();
  }

  /** Resolves when no record is in work. */
  async untilIdle(): Promise<void> {
    while (this.inWork.size > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  /** Tells handlers that their results no longer count. */
  abort(reason: unknown): void {
    for (const { work } of this.inWork) work.over.abort(reason);
  }

  /** The record is finished. */
  finish(job: Job<T>): void {
    const { work } = job;
    work.progressAtMs = this.options.clock.monotonicMs();
    if (work.state !== "gone") work.prefix.finish(job.record.offset); // D1
    this.leave(job);
  }

  /** The record is not finished, and nobody works on it any more; under this assignment it does not come again. */
  giveUp(job: Job<T>): void {
    this.leave(job);
  }

  /** Tries the record again after a while; answers false when its assignment is over, and it was given up. */
  retryAfter(job: Job<T>, waitMs: number): boolean {
    if (!this.works.has(job.work)) {
      this.giveUp(job);
      return false;
    }
    job.attempt++;
    this.inWork.delete(job);
    this.resting.add(job);
    this.queue.rest(job);
    job.work.leftWork();
    this.tellIdle();
    job.rest = this.options.clock.setTimer(waitMs, () => {
      job.rest = null;
      this.due.add(job);
      this.pump();
    });
    // One at a time means one after another: the next record waits for this one.
    if (this.options.concurrency > 1) this.pump();
    return true;
  }

  /** Starts what may be started. */
  pump(): void {
    if (this.isPumping || this.isDeferred) return;
    this.isPumping = true;
    try {
      while (this.suspensions === 0 && this.options.isWanted()) {
        if (this.isTurnOver()) {
          this.pumpLater();
          return;
        }
        const job = this.nextJob();
        if (job === null) return;
        this.start(job);
      }
    } finally {
      this.isPumping = false;
    }
  }

  /** D4. */
  private isTurnOver(): boolean {
    if (this.startsThisTurn === 0) return false;
    const lastedMs = this.options.clock.monotonicMs() - this.turnBeganAtMs;
    return this.startsThisTurn >= STARTS_PER_TURN || lastedMs >= TURN_MS;
  }

  private pumpLater(): void {
    const { clock } = this.options;
    this.isDeferred = true;
    // Twice: what is deferred while sockets are read comes in the same turn of the loop, before its timers, and a heartbeat is one of those.
    clock.defer(() =>
      clock.defer(() => {
        this.isDeferred = false;
        this.startsThisTurn = 0;
        this.pump();
      }),
    );
  }

  private nextJob(): Job<T> | null {
    for (const job of this.due) {
      if (!this.queue.wake(job)) continue;
      this.due.delete(job);
      this.resting.delete(job);
      return job;
    }
    if (this.options.concurrency === 1 && this.isRetrying()) return null;
    for (;;) {
      const job = this.queue.next();
      if (job !== null) {
        job.work.waiting--;
        job.work.waitingBytes -= job.bytes;
        return job;
      }
      if (this.queue.inWork >= this.options.concurrency || !this.fill()) return null;
    }
  }

  private isRetrying(): boolean {
    for (const { partition } of this.resting) if (!this.paused.has(partition)) return true;
    return false;
  }

  private start(job: Job<T>): void {
    job.startedAtMs = this.options.clock.monotonicMs();
    if (this.startsThisTurn++ === 0) this.turnBeganAtMs = job.startedAtMs;
    job.work.inWork++;
    job.work.givenTo = Math.max(job.work.givenTo, job.record.offset + 1);
    this.inWork.add(job);
    this.options.start(job);
  }

  /** Takes from every partition what may be taken; false: nothing. */
  private fill(): boolean {
    const bytesMax = this.options.bufferBytesMax / Math.max(1, this.works.size);
    let isAny = false;
    for (const work of [...this.works]) {
      if (this.paused.has(work.key)) continue;
      while (work.waiting < this.lookAhead && work.waitingBytes < bytesMax && work.prefix.size < AHEAD_MAX) {
        const job = this.takeJob(work);
        if (job === null) break;
        work.prefix.take(job.record.offset);
        work.waiting++;
        work.waitingBytes += job.bytes;
        this.queue.add(job);
        isAny = true;
      }
    }
    return isAny;
  }

  private takeJob(work: PartitionWork): Job<T> | null {
    const { serde, fetcher } = this.options;
    try {
      const records = fetcher.take(work);
      if (records === null) return null;
      const record = recordAt(records, work.topic, work.partition, (value) =>
        serde === null ? (value as T) : serde.deserialize(value),
      );
      const lane = record.key === null ? work.key : `${work.key}/${record.key.toString("latin1")}`;
      const bytes = (record.key?.length ?? 0) + (records.value()?.length ?? 0) + RECORD_OVERHEAD_BYTES;
      return {
        lane,
        partition: work.key,
        work,
        record,
        bytes,
        attempt: 1,
        startedAtMs: 0,
        lastError: null,
        rest: null,
      };
    } catch (error) {
      this.remove(work);
      this.options.unreadable(work, error);
      return null;
    }
  }

  private leave(job: Job<T>): void {
    this.inWork.delete(job);
    this.queue.done(job);
    job.work.leftWork();
    this.tellIdle();
    this.pump();
  }

  private forgetResting(job: Job<T>): void {
    job.rest?.cancel();
    this.resting.delete(job);
    this.due.delete(job);
    this.queue.done(job);
  }

  private tellIdle(): void {
    if (this.inWork.size === 0) for (const resolve of this.idle.splice(0)) resolve();
  }
}

/** What a record costs in memory besides its key and value, about. */
const RECORD_OVERHEAD_BYTES = 200;

/** For people: orders/3@17. */
export function recordName({ work, record }: Pick<Job<unknown>, "work" | "record">): string {
  return `${work.name}@${record.offset}`;
}
