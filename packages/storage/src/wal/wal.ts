/**
 * wal.ts: the write-ahead log of one broker: group commit of everything that must be durable.
 *
 * Whatever is queued while a flush runs is the next flush: one write, one fdatasync, no timer.
 * Invariants:
 *   W1  flush k+1 is written only after the fdatasync of flush k has returned, so a valid k+1 proves k durable
 *   W2  completions are called in the order of the queue, each once, and none after a failed flush
 *   W3  files are freed strictly oldest first
 */
import { assert, type Clock, type Codec, type Disk, type WalThread } from "@varve/base";
import { digits20, writeU64 } from "../bytes.js";
import { align, encodeFlushHeader, FLUSH_ALIGN, FLUSH_HEADER_BYTES } from "./format.js";

/** Something to make durable. */
export interface WalWrite {
  readonly groupId: number;
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  /** Highest frame index in it; 0 = no frame. */
  readonly frameIndex: number;
  readonly onDurable: () => void;
}

export interface WalOptions {
  readonly dir: string;
  readonly disk: Disk;
  readonly thread: WalThread;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly walId: string;
  readonly fileBytes: number;
  readonly onFatal: (error: Error) => void;
  readonly onFlush: (durationMs: number, bytes: number) => void;
  /** Records that every new file begins with: hard states and drained marks, so that older files may go. */
  readonly carry: () => { readonly groupIds: readonly number[]; readonly parts: readonly Uint8Array[] };
  /** Whether frames of a group up to `index` are needed from the WAL no more. */
  readonly isDrained: (groupId: number, index: number) => boolean;
  /** Simulator only: completions are called before the flush. */
  readonly ackBeforeFsync: boolean;
}

interface WalFile {
  readonly sequence: number;
  readonly path: string;
  /** Highest frame index of each group in it. */
  readonly groups: Map<number, number>;
}

/** Bytes of one flush; what is beyond waits for the next. */
const FLUSH_BYTES_MAX = 4 * 1024 * 1024;
/** An idle WAL appends one empty flush after this time, which proves the last real one durable. */
const IDLE_FLUSH_MS = 50;
const ZEROS = Buffer.alloc(FLUSH_ALIGN);

export class Wal {
  private readonly options: WalOptions;
  private queue: WalWrite[] = [];
  private flushing = false;
  private scheduled = false;
  private failed = false;
  private closed = false;
  private files: WalFile[];
  private current: WalFile | null = null;
  private position = 0;
  private sequence: number;
  private previousCrc: number;
  private idleProof = true;
  private idleTimer: { cancel(): void } | null = null;
  private idleWaiters: (() => void)[] = [];
  private noteFailure: () => void = () => {};
  /** Resolves when nothing more will become durable. */
  readonly failure: Promise<void> = new Promise((resolve) => {
    this.noteFailure = resolve;
  });
  flushes = 0;
  bytesWritten = 0;

  /** @param recovered files that are still needed, and where the chain of flushes stands. */
  constructor(
    options: WalOptions,
    recovered: { readonly files: readonly WalFile[]; readonly sequence: number; readonly previousCrc: number },
  ) {
    this.options = options;
    this.files = [...recovered.files];
    this.sequence = recovered.sequence;
    this.previousCrc = recovered.previousCrc;
  }

  get fileCount(): number {
    return this.files.length;
  }

  /** Queues a write for the next flush; `onDurable` when fdatasync has covered it. */
  append(write: WalWrite): void {
    if (this.failed || this.closed) return;
    this.queue.push(write);
    this.idleProof = false;
    if (this.flushing || this.scheduled) return;
    this.scheduled = true;
    this.options.clock.defer(() => {
      this.scheduled = false;
      this.pump();
    });
  }

  /** Resolves when everything queued before is durable; never after a failure. */
  async settled(): Promise<void> {
    while ((this.queue.length > 0 || this.flushing || this.scheduled) && !this.failed) {
      await new Promise<void>((resolve) => this.idleWaiters.push(resolve));
    }
  }

  /** Frees files at the old end that nobody needs. */
  async free(): Promise<void> {
    while (this.files.length > 1) {
      const oldest = this.files[0];
      if (oldest === undefined || oldest === this.current) return;
      for (const [groupId, index] of oldest.groups) if (!this.options.isDrained(groupId, index)) return;
      this.files.shift();
      await this.options.disk.remove(oldest.path);
      await this.options.disk.syncDir(this.options.dir);
    }
  }

  async close(): Promise<void> {
    await this.settled();
    this.closed = true;
    this.idleTimer?.cancel();
    await this.options.thread.close();
  }

  /** Stops at once: what is queued is lost. */
  async abandon(): Promise<void> {
    this.closed = true;
    this.failed = true;
    this.queue = [];
    this.noteFailure();
    this.idleTimer?.cancel();
    await this.options.thread.close();
  }

  private pump(): void {
    if (this.flushing || this.failed || this.closed) return;
    this.flushing = true;
    this.idleTimer?.cancel();
    this.flushOnce().then(
      () => {
        this.flushing = false;
        if (this.queue.length > 0) this.pump();
        else this.rest();
      },
      (error: unknown) => {
        this.flushing = false;
        this.fail(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  private rest(): void {
    for (const resolve of this.idleWaiters.splice(0)) resolve();
    if (this.idleProof || this.closed) return;
    this.idleTimer = this.options.clock.setTimer(IDLE_FLUSH_MS, () => {
      if (this.flushing || this.closed) return;
      this.idleProof = true;
      this.pump();
    });
  }

  private fail(error: Error): void {
    if (this.failed || this.closed) return;
    this.failed = true;
    this.queue = [];
    for (const resolve of this.idleWaiters.splice(0)) resolve();
    this.noteFailure();
    this.options.onFatal(error);
  }

  private takeBatch(): WalWrite[] {
    let bytes = 0;
    let count = 0;
    for (const write of this.queue) {
      if (count > 0 && bytes + write.bytes > FLUSH_BYTES_MAX) break;
      bytes += write.bytes;
      count++;
    }
    return this.queue.splice(0, count);
  }

  private async flushOnce(): Promise<void> {
    const writes = this.takeBatch();
    if (this.options.ackBeforeFsync) for (const write of writes) write.onDurable();
    const bytes = writes.reduce((sum, write) => sum + write.bytes, 0);
    const needed = align(FLUSH_HEADER_BYTES + 8 * writes.length + bytes);
    const file = await this.fileFor(needed);
    const touched = new Set<number>();
    for (const { groupId, frameIndex } of writes) {
      touched.add(groupId);
      if (frameIndex > 0) file.groups.set(groupId, Math.max(frameIndex, file.groups.get(groupId) ?? 0));
    }
    await this.writeFlush(
      file,
      [...touched],
      writes.flatMap(({ parts }) => parts),
    );
    if (!this.options.ackBeforeFsync) for (const write of writes) if (!this.closed) write.onDurable();
  }

  private async writeFlush(file: WalFile, groupIds: readonly number[], parts: readonly Uint8Array[]): Promise<void> {
    const groups = Buffer.allocUnsafe(groupIds.length * 8);
    groupIds.forEach((groupId, at) => {
      writeU64(groups, groupId, at * 8);
    });
    let bodyCrc = this.options.codec.crc32c(groups);
    let bodyBytes = groups.length;
    for (const part of parts) {
      bodyCrc = this.options.codec.crc32c(part, bodyCrc);
      bodyBytes += part.length;
    }
    this.sequence++;
    const header = encodeFlushHeader({
      walId: this.options.walId,
      sequence: this.sequence,
      oldestFile: this.files[0]?.sequence ?? file.sequence,
      groupCount: groupIds.length,
      bodyBytes,
      bodyCrc,
      previousCrc: this.previousCrc,
    });
    const unpadded = FLUSH_HEADER_BYTES + bodyBytes;
    const padding = ZEROS.subarray(0, align(unpadded) - unpadded);
    const startedMs = this.options.clock.monotonicMs();
    const position = this.position;
    this.position += align(unpadded);
    this.previousCrc = header.readUInt32LE(FLUSH_HEADER_BYTES - 4);
    await this.options.thread.run({
      kind: "flush",
      file: file.sequence,
      position,
      buffers: [header, groups, ...parts, padding],
    });
    this.flushes++;
    this.bytesWritten += align(unpadded);
    this.options.onFlush(this.options.clock.monotonicMs() - startedMs, unpadded);
  }

  /** The current file, or the next one when `bytes` do not fit. */
  private async fileFor(bytes: number): Promise<WalFile> {
    if (this.current !== null && this.position + bytes <= this.options.fileBytes) return this.current;
    const last = this.files[this.files.length - 1];
    const sequence = (last?.sequence ?? 0) + 1;
    const path = `${this.options.dir}/${digits20(sequence)}.wal`;
    if (this.current !== null) await this.options.thread.run({ kind: "close", file: this.current.sequence });
    const { dir, fileBytes } = this.options;
    await this.options.thread.run({ kind: "open", file: sequence, path, dir, reserveBytes: fileBytes });
    const file: WalFile = { sequence, path, groups: new Map() };
    this.files.push(file);
    this.current = file;
    this.position = 0;
    const carried = this.options.carry();
    if (carried.parts.length > 0) await this.writeFlush(file, carried.groupIds, carried.parts);
    assert(this.current === file, "one flush at a time");
    return file;
  }
}

export type { WalFile };
