/**
 * storage.ts: one data directory: lock, identity, the WAL and all logs in it.
 *
 * Composition only: what is written when is decided in wal/, log/ and drain-scheduler.ts. Layout: README.md.
 */
import { assert, type Disk, type DiskLock, delay, type GroupId, type ReplicaId } from "@varve/base";
import type {
  GroupLog,
  GroupSpec,
  LogConfig,
  NodeIdentity,
  ScrubReport,
  Storage,
  StorageOptions,
  StorageStats,
} from "./api.js";
import type { DiskReserve } from "./disk-reserve.js";
import type { PendingWork } from "./disk-watch.js";
import type { DrainScheduler } from "./drain-scheduler.js";
import type { Checksum } from "./frame/payload.js";
import type { StoredIdentity } from "./identity.js";
import { unusable, writeIdentity, writeNote } from "./identity.js";
import { encodeCheckpoint } from "./log/checkpoint.js";
import type { GroupLogImpl } from "./log/group-log.js";
import type { LogContext } from "./log/log-core.js";
import { LogFiles } from "./log/log-files.js";
import { emptyImage } from "./log/log-state.js";
import { SegmentPlan } from "./log/segment-plan.js";
import { isNoSpace } from "./log/space.js";
import { recoverLog } from "./recover-log.js";
import { removeReplica, replicaDir, topicDir, topicsDir, writeReplicaFile } from "./replica-file.js";
import { refusal, type SetAside } from "./replica-folders.js";
import type { FileCache } from "./segment/file-cache.js";
import type { Wal } from "./wal/wal.js";
import type { WalFiles } from "./wal/wal-files.js";
import type { WalScrub } from "./wal/wal-scrub.js";

/** Broken variants for simulators: a suite that does not catch them is worthless. Never set them elsewhere. */
export interface StorageFaults {
  /** Completions are called before the flush has begun. */
  readonly ackBeforeFsync?: boolean;
  /** Hard states are stored without their vote. */
  readonly voteNotPersisted?: boolean;
  /** Recovery ends the WAL at whatever it cannot read. */
  readonly truncateOnCrcError?: boolean;
  /** A directory of which only node.json is left begins anew, under its old name. */
  readonly emptiedIsNew?: boolean;
  /** Frames are let go of in the WAL before the segment that takes them is synced. */
  readonly walFreedEarly?: boolean;
}

export interface OpenOptions extends StorageOptions {
  readonly faults?: StorageFaults;
  /** Called once for each replica that damage was found in, at open or later. */
  readonly onQuarantine?: (groupId: GroupId, reason: string) => void;
}

/** The parts that `openStorage` has put together. */
export interface StorageParts {
  readonly dataDir: string;
  readonly disk: Disk;
  readonly checksum: Checksum;
  readonly options: OpenOptions;
  readonly lock: DiskLock;
  readonly identity: StoredIdentity;
  readonly note: string | null;
  readonly wal: Wal;
  readonly walFiles: WalFiles;
  readonly walScrub: WalScrub;
  readonly fileCache: FileCache;
  readonly context: LogContext;
  readonly logs: Map<GroupId, GroupLogImpl>;
  /** Folders, and groups without one, of which something is lost: no log is created in their place. */
  readonly setAside: SetAside;
  /** With the oldest WAL file that knows of them: it is kept, or after another start they would not be known to be lost. */
  readonly lostGroups: Map<GroupId, number>;
  readonly scheduler: DrainScheduler;
  readonly health: StorageHealth;
  readonly reserve: DiskReserve;
}

/** Whether a failure has ended all writing. */
export interface StorageHealth {
  isFailed: boolean;
}

/** Drains and checkpoints at a stop take this long at most; what is left is in the WAL. */
const CLOSE_MS_MAX = 1_500;
/** Logs that are drained and checkpointed at once at a stop. */
const CLOSE_AT_ONCE = 16;

export class StorageImpl implements Storage {
  private readonly parts: StorageParts;
  private stored: StoredIdentity;
  private noteText: string | null;
  private isClosed = false;

  constructor(parts: StorageParts) {
    this.parts = parts;
    this.stored = parts.identity;
    this.noteText = parts.note;
  }

  get identity(): NodeIdentity {
    const { directoryId, clusterId, brokerId, bootIds, formatVersion } = this.stored;
    return { directoryId, clusterId, brokerId, bootIds, formatVersion };
  }

  async adopt(clusterId: string, brokerId: number): Promise<void> {
    const { dataDir, disk } = this.parts;
    const { clusterId: knownCluster, brokerId: knownBroker } = this.stored;
    if (knownCluster !== null && knownCluster !== clusterId)
      throw unusable(
        dataDir,
        `belongs to cluster ${knownCluster}, not to ${clusterId}; use the directory of this cluster`,
      );
    if (knownBroker !== null && knownBroker !== brokerId)
      throw unusable(dataDir, `belongs to broker ${knownBroker}, not to ${brokerId}; use the directory of this broker`);
    if (knownCluster === clusterId && knownBroker === brokerId) return;
    const adopted = { ...this.stored, clusterId, brokerId };
    await this.mustWrite(() => writeIdentity(disk, dataDir, adopted));
    this.stored = adopted;
  }

  get note(): string | null {
    return this.noteText;
  }

  async setNote(text: string): Promise<void> {
    await this.mustWrite(() => writeNote(this.parts.disk, this.parts.dataDir, text));
    this.noteText = text;
  }

  /** A failed sync is final here, too: what it left is unknown, so nothing may be tried again. A full disk may take it later. */
  private async mustWrite(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!isNoSpace(error)) this.parts.context.onFatal(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  groups(): readonly GroupLog[] {
    return [...this.parts.logs.values()];
  }

  group(groupId: GroupId): GroupLog | null {
    return this.parts.logs.get(groupId) ?? null;
  }

  async createGroup(spec: GroupSpec, config: LogConfig): Promise<GroupLog> {
    const { dataDir, disk, logs, context, options, checksum, setAside, lostGroups } = this.parts;
    assert(!this.isClosed, "a closed storage takes no log");
    assert(!logs.has(spec.groupId), "a group has one log in a directory");
    const dir = replicaDir(dataDir, spec);
    const unreadable = setAside.get(dir);
    if (unreadable !== undefined) throw refusal(spec, dir, unreadable);
    if (lostGroups.has(spec.groupId)) throw refusal(spec, dir, "the WAL knows this group, but its folder is gone");
    const files = new LogFiles({ dir, disk, random: options.random, spec, reader: context.reader });
    const segments = SegmentPlan.startingAt(spec.kind, { index: 0, term: 0, offset: 0 }).list();
    const image = emptyImage(spec.initial);
    await this.mustWrite(async () => {
      await disk.removeDir(dir);
      await disk.makeDir(dir);
      await files.writeCheckpoint(0, encodeCheckpoint({ owner: spec, image, segments, sections: [] }));
      await writeReplicaFile(disk, dir, { spec, config });
      for (const above of [topicDir(dataDir, spec.topicId), topicsDir(dataDir)]) await disk.syncDir(above);
    });
    const log = await recoverLog({ context, disk, checksum, spec, config, files, replay: null, knownDamage: null });
    assert(!logs.has(spec.groupId), "one creation of a group at a time");
    logs.set(spec.groupId, log);
    return log;
  }

  async dropGroup(groupId: GroupId): Promise<void> {
    const { dataDir, disk, logs, walFiles } = this.parts;
    const log = logs.get(groupId);
    if (log === undefined) return;
    const { core } = log;
    core.isDropped = true;
    logs.delete(groupId);
    const tombstoneFile = await this.bury(groupId, core.spec.replicaId);
    core.memory.release(core.memory.firstIndex, core.memory.lastIndex);
    log.writer.release();
    core.addUndrained(-core.undrainedBytes);
    core.context.tail.drop(core);
    core.context.loaded.drop(core);
    await log.keeper.afterJobs(async () => {
      const dir = replicaDir(dataDir, core.spec);
      for (const segment of core.plan.list()) core.context.reader.forget(core.files.segmentPath(segment.name));
      await this.mustWrite(async () => {
        await removeReplica(disk, dir);
        await disk.syncDir(topicDir(dataDir, core.spec.topicId));
      });
      walFiles.release(tombstoneFile);
    });
  }

  async forgetLost(groupId: GroupId, replicaId: ReplicaId): Promise<void> {
    const { lostGroups, walFiles } = this.parts;
    const knownSince = lostGroups.get(groupId);
    if (knownSince === undefined) return;
    walFiles.release(await this.bury(groupId, replicaId));
    if (lostGroups.delete(groupId)) walFiles.release(knownSince);
  }

  /** Writes a tombstone; when it is durable, the WAL file that holds it, which is kept until it is released. */
  private bury(groupId: GroupId, replicaId: ReplicaId): Promise<number> {
    const { wal, walFiles } = this.parts;
    return new Promise((resolve) => {
      let placedIn = 0;
      wal.append({
        records: [{ kind: "tombstone", groupId, replicaId }],
        placed: (_record, file) => {
          walFiles.retain(file);
          placedIn = file;
        },
        durable: () => resolve(placedIn),
      });
    });
  }

  pressure(): "BROKER_OVERLOADED" | "DISK_FULL" | null {
    const { reserve, context } = this.parts;
    if (reserve.isShort()) return "DISK_FULL";
    return context.undrained.total > context.undrained.max ? "BROKER_OVERLOADED" : null;
  }

  stats(): StorageStats {
    const { wal, walFiles, logs, context, reserve } = this.parts;
    let segmentBytesWritten = 0;
    for (const log of logs.values()) segmentBytesWritten += log.core.files.bytesWritten;
    return {
      flushes: wal.flushCount,
      fdatasyncs: wal.flushCount,
      walBytesWritten: wal.bytesWritten,
      segmentBytesWritten,
      walFiles: walFiles.count,
      undrainedBytes: context.undrained.total,
      tailBytes: context.tail.bytes,
      diskFreeBytes: reserve.freeBytes,
    };
  }

  pendingWrite(): PendingWork | null {
    return this.parts.context.watch.oldest();
  }

  get walScrubBytes(): number {
    return this.parts.walScrub.bytes;
  }

  scrubWal(pace: (bytes: number) => Promise<boolean>): Promise<ScrubReport> {
    return this.parts.walScrub.run(pace);
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    const { wal, walFiles, fileCache, lock, health, logs, options } = this.parts;
    if (!health.isFailed) {
      const abort = new AbortController();
      const inTime = delay(options.clock, CLOSE_MS_MAX, abort.signal).catch(() => undefined);
      await Promise.race([this.settleLogs(), inTime]);
      for (const log of logs.values()) log.core.isClosed = true;
      await Promise.race([this.settleFiles(), this.failure(abort.signal)]);
      abort.abort();
    }
    await wal.close();
    if (!health.isFailed) await walFiles.settled();
    fileCache.closeAll();
    await lock.release();
  }

  async abandon(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    const { wal, fileCache, lock, logs } = this.parts;
    for (const log of logs.values()) log.core.isClosed = true;
    await wal.close();
    fileCache.closeAll();
    await lock.release();
  }

  /** Drains and checkpoints what is stale, several logs at once. */
  private async settleLogs(): Promise<void> {
    const waiting = [...this.parts.logs.values()].filter(
      ({ keeper }) => keeper.hasUndrained || keeper.isCheckpointStale,
    );
    const worker = async (): Promise<void> => {
      for (let log = waiting.pop(); log !== undefined; log = waiting.pop()) {
        if (log.core.isStopped) continue;
        if (log.keeper.isCheckpointStale) log.keeper.checkpoint();
        await log.keeper.drain();
      }
    };
    await Promise.all(Array.from({ length: CLOSE_AT_ONCE }, worker));
  }

  /** Waits for the jobs that run and for the last flush. */
  private async settleFiles(): Promise<void> {
    await Promise.all([...this.parts.logs.values()].map((log) => log.keeper.afterJobs(async () => undefined)));
    await this.parts.wal.settled();
  }

  /** Resolves when writing has failed, or the disk is full: then what waits for it may never end. */
  private async failure(signal: AbortSignal): Promise<void> {
    const { health, options, context } = this.parts;
    while (!health.isFailed && !context.space.isWaiting && !signal.aborted)
      await delay(options.clock, 100, signal).catch(() => undefined);
  }
}
