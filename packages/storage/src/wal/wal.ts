/**
 * wal.ts: the write-ahead log of one broker: group commit of everything that must be durable before it is acknowledged.
 *
 * Whatever is queued while a flush runs is the next flush: one write, one fdatasync, no timer. The system calls run behind the
 * WalThread port; this side fills the thread's staging memory, so that bytes are copied once.
 * Invariants:
 *   W1  flush k+1 is handed to the thread only after the fdatasync of flush k has returned
 *   W2  `durable` is called in the order of the queue, each once, only after the fdatasync, and never after a failed flush
 *   W3  within 100 ms after the last flush with content an empty one follows, which proves that one durable; then the WAL rests
 *   W4  a lazy write waits for the next flush, at most until the one of W3
 */
import { assert, assertDefined, type Clock, type TimerHandle, type WalCommand, type WalThread } from "@varve/base";
import type { DiskWatch } from "../disk-watch.js";
import type { Checksum } from "../frame/payload.js";
import { flushBytes, wholeBlocks, writeFlush } from "./flush-format.js";
import { recordBytes, type WalRecord } from "./records.js";
import type { WalFile, WalFiles } from "./wal-files.js";

/** Something to make durable. */
export interface WalWrite {
  readonly records: readonly WalRecord[];
  /** A record has its place in a file; called before it is written. What it replaces may be let go after the next flush. */
  readonly placed: (record: WalRecord, file: number) => void;
  readonly durable: () => void;
}

/** Where the chain of flushes goes on after recovery. */
export interface WalPosition {
  readonly nextSequence: number;
  readonly previousCrc: number;
  /** Byte in the current file. */
  readonly position: number;
}

export interface WalOptions {
  readonly files: WalFiles;
  readonly thread: WalThread;
  readonly checksum: Checksum;
  readonly clock: Clock;
  readonly walId: Uint8Array;
  readonly start: WalPosition;
  readonly watch: DiskWatch;
  readonly onFatal: (error: Error) => void;
  readonly onFlush: (durationMs: number, bytes: number) => void;
  /** A new file became the current one: time to copy forward what holds old files. */
  readonly onNewFile: () => void;
  /** Simulators' negative control: completions are called before the flush has begun. */
  readonly ackBeforeFsync: boolean;
}

/** A flush takes no more than this when it can be split: longer ones would make the first in it wait for the last. */
const FLUSH_BYTES_TARGET = 4 * 1024 * 1024;
const IDLE_FLUSH_MS = 50;
/** Share of the current file after which the next one is made ready. */
const PREPARE_RATIO = 0.25;

interface Queued {
  readonly write: WalWrite;
  /** Counted in `queuedBytes`. */
  readonly bytes: number;
  /** Records that have been placed already. */
  next: number;
}

interface Batch {
  readonly records: WalRecord[];
  readonly finished: WalWrite[];
  finishedBytes: number;
}

type FlushState =
  | { readonly kind: "resting" }
  /** Waiting for the turn's other writes, or for the next file to be ready. */
  | { readonly kind: "scheduled" }
  | { readonly kind: "flushing" }
  /** A write or fdatasync failed, or the WAL was closed: nothing more becomes durable. */
  | { readonly kind: "stopped" };

export class Wal {
  private readonly options: WalOptions;
  private readonly queue: Queued[] = [];
  private lazy: WalWrite[] = [];
  private state: FlushState = { kind: "resting" };
  private sequence: number;
  private previousCrc: number;
  private position: number;
  private openFile = 0;
  private isProven = false;
  private idleTimer: TimerHandle | null = null;
  private waiters: (() => void)[] = [];
  private counts = { flushes: 0, bytesWritten: 0 };
  private bytesQueued = 0;

  constructor(options: WalOptions) {
    this.options = options;
    this.sequence = options.start.nextSequence;
    this.previousCrc = options.start.previousCrc;
    this.position = options.start.position;
    assert(options.thread.staging.length >= FLUSH_BYTES_TARGET, "a flush fits the thread's memory");
  }

  get flushCount(): number {
    return this.counts.flushes;
  }

  get bytesWritten(): number {
    return this.counts.bytesWritten;
  }

  /** Bytes of writes that are not durable yet, without lazy ones. */
  get queuedBytes(): number {
    return this.bytesQueued;
  }

  /** Queues a write for the next flush. After a failure it is dropped: `durable` is never called (W2). */
  append(write: WalWrite): void {
    if (this.state.kind === "stopped") return;
    assert(write.records.length > 0, "a write has a record");
    const bytes = write.records.reduce((sum, record) => sum + recordBytes(record), 0);
    this.bytesQueued += bytes;
    this.queue.push({ write, bytes, next: 0 });
    this.schedule();
  }

  /** Queues a write that needs no flush of its own (W4). */
  appendLazy(write: WalWrite): void {
    if (this.state.kind === "stopped") return;
    this.lazy.push(write);
    this.isProven = false;
    if (this.state.kind === "resting") this.armIdleTimer();
  }

  /** Writes an empty flush, which proves that what was recovered is durable; calls `durable` after it. */
  prove(durable: () => void): void {
    assert(this.state.kind === "resting", "only a WAL at rest is proven by hand");
    this.waiters.push(durable);
    this.flush();
  }

  /** An empty flush follows soon, at rest too: it names the oldest file that is live by then, so that those before it may go. */
  nameOldest(): void {
    this.isProven = false;
    if (this.state.kind === "resting") this.armIdleTimer();
  }

  /** Resolves when all that was queued before is durable, lazy writes too. Rests for ever after a failure. */
  settled(): Promise<void> {
    if (this.lazy.length > 0) this.schedule();
    if (this.state.kind === "resting") return Promise.resolve();
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  /** Stops: what is queued is dropped. The thread ends after the flush that runs. */
  close(): Promise<void> {
    this.state = { kind: "stopped" };
    this.idleTimer?.cancel();
    this.options.files.close();
    return this.options.thread.close();
  }

  private schedule(): void {
    if (this.state.kind !== "resting") return;
    this.state = { kind: "scheduled" };
    this.options.clock.defer(() => {
      if (this.state.kind === "scheduled") this.flush();
    });
  }

  private armIdleTimer(): void {
    this.idleTimer?.cancel();
    this.idleTimer = this.options.clock.setTimer(IDLE_FLUSH_MS, () => {
      if (this.state.kind === "resting") this.flush();
    });
  }

  /** Builds the next flush from what is queued and hands it to the thread. */
  private flush(): void {
    const { files, thread, checksum, walId } = this.options;
    this.idleTimer?.cancel();
    // To the front: a lazy hard state must not come after a newer one that is already queued.
    this.queue.unshift(...this.lazy.splice(0).map((write) => ({ write, bytes: 0, next: 0 })));
    const file = this.fileForNext();
    if (file === null) {
      this.waitForFile();
      return;
    }
    this.state = { kind: "flushing" };
    const batch = this.takeBatch(file);
    const oldestFile = files.oldest();
    const { sequence, previousCrc, position } = this;
    const fileBlocks = wholeBlocks(file.bytes);
    const fields = { sequence, fileNumber: file.number, oldestFile, fileBlocks, previousCrc };
    const { totalBytes, crc } = writeFlush(thread.staging, walId, fields, batch.records, checksum);
    this.sequence++;
    this.previousCrc = crc;
    this.position += totalBytes;
    this.isProven = batch.records.length === 0;
    if (this.options.ackBeforeFsync) for (const write of batch.finished.splice(0)) write.durable();
    const startedMs = this.options.clock.monotonicMs();
    const answered = this.options.watch.begin(file.path);
    thread.run(this.commandsFor(file, position, totalBytes), (error) => {
      answered();
      if (error !== null) this.fail(error);
      else this.finish(batch, { startedMs, totalBytes, oldestFile, isNewFile: position === 0 });
    });
  }

  private commandsFor(file: WalFile, position: number, bytes: number): WalCommand[] {
    const commands: WalCommand[] = [];
    if (this.openFile !== file.number) {
      if (this.openFile !== 0) commands.push({ kind: "close", file: this.openFile });
      commands.push({ kind: "open", file: file.number, path: file.path });
      this.openFile = file.number;
    }
    commands.push({ kind: "write", file: file.number, position, bytes }, { kind: "sync", file: file.number });
    return commands;
  }

  /** The file for the next flush: the current one while the first record fits, else the next one; null: not ready. */
  private fileForNext(): WalFile | null {
    const { files } = this.options;
    const current = files.current();
    const first = this.queue[0];
    const firstBytes = first === undefined ? 0 : recordBytes(nextRecord(first));
    const isUnused = this.position === 0;
    if (this.position + flushBytes(1, firstBytes) <= current.bytes || isUnused) {
      if (this.position >= current.bytes * PREPARE_RATIO) this.options.clock.defer(() => void files.prepare());
      return current;
    }
    const next = files.advance();
    if (next !== null) this.position = 0;
    return next;
  }

  private waitForFile(): void {
    this.state = { kind: "scheduled" };
    void this.options.files.prepare().then(() => {
      if (this.state.kind === "scheduled") this.flush();
    });
  }

  private takeBatch(file: WalFile): Batch {
    const room = Math.min(FLUSH_BYTES_TARGET, file.bytes - this.position);
    const batch: Batch = { records: [], finished: [], finishedBytes: 0 };
    const groups = new Set<number>();
    let bytes = 0;
    let taken = 0;
    for (const queued of this.queue) {
      const { records } = queued.write;
      for (; queued.next < records.length; queued.next++) {
        const record = nextRecord(queued);
        groups.add(record.groupId);
        bytes += recordBytes(record);
        if (batch.records.length > 0 && flushBytes(groups.size, bytes) > room) {
          this.queue.splice(0, taken);
          return batch;
        }
        queued.write.placed(record, file.number);
        batch.records.push(record);
      }
      batch.finished.push(queued.write);
      batch.finishedBytes += queued.bytes;
      taken++;
    }
    this.queue.splice(0, taken);
    return batch;
  }

  private finish(
    batch: Batch,
    flush: {
      readonly startedMs: number;
      readonly totalBytes: number;
      readonly oldestFile: number;
      readonly isNewFile: boolean;
    },
  ): void {
    if (this.state.kind === "stopped") return;
    assert(this.state.kind === "flushing", "W1: one flush at a time");
    this.counts.flushes++;
    this.counts.bytesWritten += flush.totalBytes;
    this.bytesQueued -= batch.finishedBytes;
    const { files, clock, onFlush, onNewFile } = this.options;
    files.retire();
    void files.freeBelow(flush.oldestFile).catch((error: unknown) => this.fail(error));
    // The next flush starts before the completions run: they share the processor with its system calls.
    if (this.queue.length > 0) this.flush();
    else this.rest();
    onFlush(clock.monotonicMs() - flush.startedMs, flush.totalBytes);
    for (const write of batch.finished) write.durable();
    if (flush.isNewFile) onNewFile();
  }

  private rest(): void {
    this.state = { kind: "resting" };
    if (this.lazy.length === 0) for (const resolve of this.waiters.splice(0)) resolve();
    else if (this.waiters.length > 0) this.schedule();
    if (!this.isProven && this.state.kind === "resting") this.armIdleTimer();
  }

  private fail(thrown: unknown): void {
    if (this.state.kind === "stopped") return;
    this.state = { kind: "stopped" };
    this.idleTimer?.cancel();
    this.options.onFatal(thrown instanceof Error ? thrown : new Error(String(thrown)));
  }
}

function nextRecord(queued: Queued): WalRecord {
  return assertDefined(queued.write.records[queued.next], "a queued write has a record left");
}
