/**
 * storage.ts: one data directory: identity, write-ahead log, drainer and the logs in it.
 *
 * Order of a start: lock, node.json, WAL, then each log: newest checkpoint, last segment up to its mark, frames of the WAL.
 */
import { assert, type Codec, type Disk, type GroupId, type WalThread } from "@varve/base";
import type {
  Frame,
  GroupLog,
  GroupSpec,
  LogConfig,
  LogSnapshot,
  LogWrite,
  NodeIdentity,
  Storage,
  StorageOptions,
  StorageStats,
} from "./api.js";
import { writeU64 } from "./bytes.js";
import { Drainer } from "./drainer.js";
import { FRAME_HEADER_BYTES, frameBytes } from "./frame.js";
import { IdentityFile } from "./identity.js";
import { GroupLogImpl, type LogHost } from "./log/group-log.js";
import { SegmentStore } from "./log/segment-store.js";
import { recoverLog } from "./recover-log.js";
import {
  encodeDrained,
  encodeHardState,
  encodeReset,
  encodeTombstone,
  RecordKind,
  recordHeader,
} from "./wal/format.js";
import { groupKey, readAll, recoverWal } from "./wal/recover.js";
import { Wal } from "./wal/wal.js";

/** Faults that only a simulator switches on, to prove that its checks find them. */
export interface StorageFaults {
  readonly ackBeforeFsync?: boolean;
  readonly voteNotPersisted?: boolean;
}

export type OpenOptions = StorageOptions & { readonly faults?: StorageFaults };

const DISK_LOOK_MS = 1_000;

/** Opens, or formats, a data directory. @throws VarveError DATA_DIR_UNUSABLE: locked, unreadable, unwritable, or of a newer format. */
export async function openStorage(
  dataDir: string,
  disk: Disk,
  walThread: WalThread,
  codec: Codec,
  options: OpenOptions,
): Promise<Storage> {
  await disk.makeDir(dataDir);
  const lock = await disk.lock(dataDir);
  try {
    const identity = await IdentityFile.open(disk, dataDir, options.random);
    const storage = new StorageImpl(dataDir, disk, walThread, codec, options, identity, lock);
    await storage.recover();
    return storage;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

class StorageImpl implements Storage, LogHost {
  readonly producerExpiryMs: number;
  readonly checkpointIntervalBytes: number;
  private readonly dataDir: string;
  private readonly disk: Disk;
  private readonly thread: WalThread;
  private readonly codec: Codec;
  private readonly options: OpenOptions;
  private readonly identityFile: IdentityFile;
  private readonly lock: { release(): Promise<void> };
  private readonly logs = new Map<GroupId, GroupLogImpl>();
  private wal: Wal | null = null;
  private drainer: Drainer | null = null;
  private undrained = 0;
  private tail = 0;
  private readonly tailQueue: { readonly log: GroupLogImpl; readonly index: number; readonly bytes: number }[] = [];
  private tailHead = 0;
  private freeBytes = Number.POSITIVE_INFINITY;
  private diskTimer: { cancel(): void } | null = null;
  private segmentBytesWritten = 0;
  private closed = false;

  constructor(
    dataDir: string,
    disk: Disk,
    thread: WalThread,
    codec: Codec,
    options: OpenOptions,
    identityFile: IdentityFile,
    lock: { release(): Promise<void> },
  ) {
    this.dataDir = dataDir;
    this.disk = disk;
    this.thread = thread;
    this.codec = codec;
    this.options = options;
    this.identityFile = identityFile;
    this.lock = lock;
    this.producerExpiryMs = options.producerExpiryMs;
    this.checkpointIntervalBytes = options.checkpointIntervalBytes;
  }

  async recover(): Promise<void> {
    const walDir = `${this.dataDir}/wal`;
    await this.disk.makeDir(walDir);
    await this.disk.makeDir(`${this.dataDir}/topics`);
    await this.disk.syncDir(this.dataDir);
    const recovery = await recoverWal(walDir, this.disk, this.codec);
    for (const { where, groupIds } of recovery.damage)
      this.options.logger.error({ where, groupIds }, "the write-ahead log is damaged");
    const { clock, logger, onFatal } = this.options;
    this.wal = new Wal(
      {
        dir: walDir,
        disk: this.disk,
        thread: this.thread,
        codec: this.codec,
        clock,
        walId: this.identityFile.walId,
        fileBytes: this.options.walFileBytes,
        onFatal,
        onFlush: (durationMs, bytes) => this.options.onFlush?.(durationMs, bytes),
        carry: () => this.carried(),
        isDrained: (groupId, index) => this.isDrained(groupId, index),
        ackBeforeFsync: this.options.faults?.ackBeforeFsync === true,
      },
      recovery,
    );
    this.drainer = new Drainer({
      clock,
      wal: this.wal,
      checkpointIntervalBytes: this.options.checkpointIntervalBytes,
      onFatal,
      drained: (log, bytes) => {
        log.undrainedBytes = Math.max(0, log.undrainedBytes - bytes);
        log.oldestUndrainedMs = clock.monotonicMs();
        this.undrainedChanged(-bytes);
        this.segmentBytesWritten += bytes;
        this.evict();
      },
    });
    for (const { dir, spec } of await this.findReplicas()) {
      const found = recovery.groups.get(groupKey(spec.groupId, spec.replicaId)) ?? null;
      if (found?.tombstone) {
        await this.disk.removeDir(dir);
        continue;
      }
      const log = new GroupLogImpl(spec, DEFAULT_CONFIG, new SegmentStore(dir, this.disk, this.codec, spec), this);
      const hit = recovery.damage.find(({ groupIds }) => groupIds === "all" || groupIds.includes(spec.groupId));
      await recoverLog(log, found, hit === undefined ? null : `the write-ahead log is damaged: ${hit.where}`);
      if (log.quarantine !== null) logger.error({ groupId: spec.groupId, why: log.quarantine }, "a log is quarantined");
      this.logs.set(spec.groupId, log);
    }
    await this.lookAtDisk();
  }

  get identity(): NodeIdentity {
    return this.identityFile.identity;
  }

  adopt(clusterId: string, brokerId: number): Promise<void> {
    return this.identityFile.adopt(clusterId, brokerId);
  }

  get note(): string | null {
    return this.identityFile.note;
  }

  setNote(text: string): Promise<void> {
    return this.identityFile.setNote(text);
  }

  groups(): readonly GroupLog[] {
    return [...this.logs.values()];
  }

  group(groupId: GroupId): GroupLog | null {
    return this.logs.get(groupId) ?? null;
  }

  async createGroup(spec: GroupSpec, config: LogConfig): Promise<GroupLog> {
    assert(!this.logs.has(spec.groupId), "a group has one log per directory");
    const topicDir = `${this.dataDir}/topics/${spec.topicId}`;
    const dir = `${topicDir}/${spec.partition}_${spec.replicaId}`;
    await this.disk.makeDir(topicDir);
    await this.disk.syncDir(`${this.dataDir}/topics`);
    await this.disk.makeDir(dir);
    const file = await this.disk.open(`${dir}/replica.json`, "create");
    await file.truncate(0);
    await file.write([Buffer.from(`${JSON.stringify(spec)}\n`)], 0);
    await file.sync();
    await file.close();
    await this.disk.syncDir(dir);
    await this.disk.syncDir(topicDir);
    const log = new GroupLogImpl(spec, config, new SegmentStore(dir, this.disk, this.codec, spec), this);
    this.logs.set(spec.groupId, log);
    return log;
  }

  async dropGroup(groupId: GroupId): Promise<void> {
    const log = this.logs.get(groupId);
    if (log === undefined) return;
    this.logs.delete(groupId);
    log.dropped = true;
    this.undrainedChanged(-log.undrainedBytes);
    log.undrainedBytes = 0;
    const parts = encodeTombstone(groupId, log.spec.replicaId);
    await new Promise<void>((onDurable) => {
      this.append(groupId, parts, 0, onDurable);
    });
    await this.drainer?.idle();
    await log.segments.close();
    await this.disk.removeDir(log.segments.dir);
    await this.disk.syncDir(`${this.dataDir}/topics/${log.spec.topicId}`);
  }

  pressure(): "BROKER_OVERLOADED" | "DISK_FULL" | null {
    if (this.freeBytes < this.options.diskReserveBytes) return "DISK_FULL";
    return this.undrained > this.options.undrainedBytesMax ? "BROKER_OVERLOADED" : null;
  }

  stats(): StorageStats {
    return {
      flushes: this.wal?.flushes ?? 0,
      fdatasyncs: this.wal?.flushes ?? 0,
      walBytesWritten: this.wal?.bytesWritten ?? 0,
      segmentBytesWritten: this.segmentBytesWritten,
      walFiles: this.wal?.fileCount ?? 0,
      undrainedBytes: this.undrained,
      tailBytes: this.tail,
      diskFreeBytes: this.freeBytes,
    };
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.diskTimer?.cancel();
    await this.wal?.settled();
    await this.drainer?.flush();
    this.drainer?.stop();
    for (const log of this.logs.values()) {
      if (log.quarantine === null && log.state.index > 0)
        await log.segments.writeCheckpoint(log.state.index, log.encodeCheckpoint());
    }
    await this.wal?.close();
    for (const log of this.logs.values()) await log.segments.close();
    await this.lock.release();
  }

  async abandon(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.diskTimer?.cancel();
    this.drainer?.stop();
    await this.wal?.abandon();
    await this.lock.release();
  }

  // LogHost

  monotonicMs(): number {
    return this.options.clock.monotonicMs();
  }

  write(log: GroupLogImpl, write: LogWrite, onDurable: () => void): void {
    const { groupId, replicaId } = log.spec;
    const parts: Uint8Array[] = [];
    if (write.reset !== null) parts.push(...encodeReset(groupId, replicaId, write.reset.index));
    if (write.hardState !== null) {
      const vote = this.options.faults?.voteNotPersisted === true ? 0 : write.hardState.vote;
      parts.push(...encodeHardState({ groupId, replicaId, ...write.hardState, vote }));
    }
    for (const frame of write.frames) {
      const prefix = recordHeader(RecordKind.frame, 8 + FRAME_HEADER_BYTES + frame.data.length);
      const replica = Buffer.allocUnsafe(8);
      writeU64(replica, replicaId, 0);
      parts.push(prefix, replica, frame.header, frame.data);
    }
    const finish = (): void => {
      if (!this.closed && !log.dropped) onDurable();
    };
    const last = write.frames[write.frames.length - 1]?.index ?? 0;
    const append = (): void => this.append(groupId, parts, last, finish);
    if (write.reset !== null) this.install(log, write.reset, parts, Math.max(last, write.reset.index), finish);
    // The order of a log's writes is kept while the snapshot that the later ones stand on is being written.
    else if (log.installing !== null) this.follow(log, append);
    else append();
  }

  /** A reset counts only when the snapshot that it stands on is durable beside it. */
  private install(
    log: GroupLogImpl,
    snapshot: LogSnapshot,
    parts: readonly Uint8Array[],
    last: number,
    finish: () => void,
  ): void {
    log.resetDurable = new Promise((resolve) => {
      this.follow(log, async () => {
        await log.segments.writeCheckpoint(snapshot.index, snapshot.encoded);
        this.append(log.spec.groupId, parts, last, () => {
          resolve();
          finish();
        });
      });
    });
  }

  /** Does `work` after what this log is installing now. */
  private follow(log: GroupLogImpl, work: () => void | Promise<void>): void {
    const done = (log.installing ?? Promise.resolve())
      .then(work)
      .catch((error: unknown) => this.options.onFatal(error instanceof Error ? error : new Error(String(error))))
      .finally(() => {
        if (log.installing === done) log.installing = null;
      });
    log.installing = done;
  }

  private append(groupId: number, parts: readonly Uint8Array[], frameIndex: number, onDurable: () => void): void {
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    this.wal?.append({ groupId, parts, bytes, frameIndex, onDurable });
  }

  tailGrew(log: GroupLogImpl, frames: readonly Frame[]): void {
    for (const frame of frames) {
      const bytes = frameBytes(frame);
      this.tail += bytes;
      this.tailQueue.push({ log, index: frame.index, bytes });
    }
    this.evict();
  }

  private evict(): void {
    while (this.tail > this.options.tailCacheBytesMax) {
      const oldest = this.tailQueue[this.tailHead];
      if (oldest === undefined || (oldest.log.drained < oldest.index && !oldest.log.dropped)) break;
      this.tailHead++;
      this.tail -= oldest.bytes;
      oldest.log.evictTo(oldest.index);
    }
    if (this.tailHead > 4_096 && this.tailHead * 2 > this.tailQueue.length) {
      this.tailQueue.splice(0, this.tailHead);
      this.tailHead = 0;
    }
  }

  wantsDrain(log: GroupLogImpl): void {
    this.drainer?.want(log);
  }

  undrainedChanged(delta: number): void {
    this.undrained += delta;
  }

  private carried(): { readonly groupIds: readonly number[]; readonly parts: readonly Uint8Array[] } {
    const groupIds: number[] = [];
    const parts: Uint8Array[] = [];
    for (const log of this.logs.values()) {
      const { groupId, replicaId } = log.spec;
      groupIds.push(groupId);
      parts.push(...encodeHardState({ groupId, replicaId, ...log.durableHardState }));
      const mark = log.durableMark;
      if (mark !== null) parts.push(...encodeDrained({ groupId, replicaId, ...mark, term: 0 }));
    }
    return { groupIds, parts };
  }

  private isDrained(groupId: number, index: number): boolean {
    const log = this.logs.get(groupId);
    if (log === undefined || log.dropped) return true;
    return (log.durableMark?.index ?? 0) >= Math.min(index, log.lastIndex());
  }

  private async findReplicas(): Promise<{ dir: string; spec: GroupSpec }[]> {
    const found: { dir: string; spec: GroupSpec }[] = [];
    for (const topicId of await this.disk.list(`${this.dataDir}/topics`)) {
      for (const name of await this.disk.list(`${this.dataDir}/topics/${topicId}`)) {
        const dir = `${this.dataDir}/topics/${topicId}/${name}`;
        if (!(await this.disk.list(dir)).includes("replica.json")) continue;
        try {
          found.push({
            dir,
            spec: JSON.parse((await readAll(this.disk, `${dir}/replica.json`)).toString("utf8")) as GroupSpec,
          });
        } catch {
          // The folder was being made when the process ended: nothing was ever acknowledged for it.
          await this.disk.removeDir(dir);
        }
      }
    }
    return found;
  }

  private async lookAtDisk(): Promise<void> {
    if (this.closed) return;
    this.freeBytes = await this.disk.freeBytes(this.dataDir).catch(() => this.freeBytes);
    this.diskTimer = this.options.clock.setTimer(DISK_LOOK_MS, () => {
      this.lookAtDisk().catch(() => {});
    });
  }
}

/** Until the broker says what a recovered log's topic is configured to. */
const DEFAULT_CONFIG: LogConfig = {
  segmentBytes: 128 * 1024 * 1024,
  segmentMs: -1,
  retentionMs: -1,
  retentionBytes: -1,
};
