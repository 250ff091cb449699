/**
 * open.ts: opens a data directory: takes the lock, checks the format, recovers the WAL and every log.
 *
 * Reads node.json, the WAL, and of each log its newest checkpoint and the end of its last segment; of sealed segments only the size.
 * Nothing is acknowledged from what was read before it is known to be durable: the WAL's last file is synced first.
 */
import {
  assert,
  assertDefined,
  CONTROLLER_GROUP,
  type Disk,
  type GroupId,
  randomUuid,
  VarveError,
  type WalThread,
} from "@varve/base";
import type { RecoveryProgress, Storage } from "./api.js";
import { digits20, uuidBytes } from "./bytes.js";
import { countedReads } from "./counted-reads.js";
import { DiskReserve } from "./disk-reserve.js";
import { DiskWatch } from "./disk-watch.js";
import { DrainScheduler } from "./drain-scheduler.js";
import type { Checksum } from "./frame/payload.js";
import {
  NODE_FILE,
  newIdentity,
  readIdentity,
  readNote,
  type StoredIdentity,
  unusable,
  withBootId,
  writeIdentity,
} from "./identity.js";
import type { GroupLogImpl } from "./log/group-log.js";
import type { LogContext } from "./log/log-core.js";
import { LogFiles } from "./log/log-files.js";
import { isNoSpace, SpaceQueue } from "./log/space.js";
import { LoadedRuns, TailCache } from "./log/tail-cache.js";
import { recoverLog } from "./recover-log.js";
import { replicaDir, topicsDir } from "./replica-file.js";
import { type FoundReplica, findReplicas, type SetAside } from "./replica-folders.js";
import { FileCache } from "./segment/file-cache.js";
import { SegmentReader } from "./segment/segment-reader.js";
import { type OpenOptions, type StorageHealth, StorageImpl } from "./storage.js";
import { damageOf, recoverWal, type WalRecovery } from "./wal/recover.js";
import { Wal } from "./wal/wal.js";
import {
  createZeroFile,
  FIRST_FILE_BYTES,
  POOL_FILES_MAX,
  UNFINISHED,
  type WalFile,
  WalFiles,
  walFileNumber,
} from "./wal/wal-files.js";
import { WalScrub } from "./wal/wal-scrub.js";

/** A log with this much committed is drained, unless the bound for all logs is so small that less must do. */
const DRAIN_BYTES = 4 * 1024 * 1024;
/** Live WAL files older than this many, and twice the room that is needed, are relieved of what holds them. */
const WAL_FILES_TARGET = 4;
/** Logs that are opened at once. */
const OPEN_AT_ONCE = 16;

/**
 * Opens a data directory, or formats an empty one. The directory is this process's until `close`.
 * `codec` checks what is read; only its checksum is used.
 * @throws VarveError DATA_DIR_UNUSABLE: locked, unwritable, damaged identity, newer format. The message says what to do.
 */
export async function openStorage(
  dataDir: string,
  disk: Disk,
  walThread: WalThread,
  codec: Checksum,
  options: OpenOptions,
): Promise<Storage> {
  await usable(dataDir, () => disk.makeDir(dataDir));
  const lock = await usable(dataDir, () => disk.lock(dataDir));
  try {
    const identity = await usable(dataDir, () => takeIdentity(dataDir, disk, options));
    const note = await readNote(disk, dataDir);
    const opened = await openLogs(dataDir, disk, walThread, codec, options, identity);
    return new StorageImpl({ dataDir, disk, checksum: codec, options, lock, identity, note, ...opened });
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** What the system refuses becomes an error that says what to do. */
async function usable<T>(dataDir: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof VarveError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw unusable(
      dataDir,
      `cannot be used: ${text}; check that it exists, is a directory, and that this user may write to it`,
      error,
    );
  }
}

async function takeIdentity(dataDir: string, disk: Disk, options: OpenOptions): Promise<StoredIdentity> {
  const known = await readIdentity(disk, dataDir);
  if (known === null) {
    const names = await disk.list(dataDir);
    if (names.includes("wal") || names.includes("topics")) {
      // A format that did not finish has neither flush nor topic.
      const topics = await disk.list(topicsDir(dataDir));
      if (topics.length > 0)
        throw unusable(
          dataDir,
          "holds data but no node.json; restore that file from a backup, or use an empty directory",
        );
    }
    await disk.makeDir(`${dataDir}/wal`);
    await disk.makeDir(topicsDir(dataDir));
    await disk.syncDir(dataDir);
    await syncParent(dataDir, disk, options);
  }
  const identity = withBootId(known ?? newIdentity(options.random), randomUuid(options.random));
  if (known === null) await formatWal(disk, `${dataDir}/wal`, options.walFileBytes);
  try {
    await writeIdentity(disk, dataDir, identity);
  } catch (error) {
    // Under the name of the start before it can serve and vote. A new name that is not durable would be missing at the next start, which would
    // then be refused as a disk that was set back. A copy of the directory taken since that start is not told from it: the price.
    if (known === null || known.bootIds.length === 0 || !isNoSpace(error)) throw error;
    options.logger.error(
      { dataDir, error: String(error) },
      "the disk is full: this start has the boot id of the last one",
    );
    await disk.remove(`${dataDir}/${NODE_FILE}.tmp`);
    return known;
  }
  return identity;
}

/** The directory's own name must survive, too. The folder above may not be ours to open: then its owner has made it. */
async function syncParent(dataDir: string, disk: Disk, options: OpenOptions): Promise<void> {
  const end = dataDir.replace(/\/+$/, "").lastIndexOf("/");
  const parent = end < 0 ? "." : dataDir.slice(0, Math.max(1, end));
  await disk.syncDir(parent).catch((error: unknown) => {
    options.logger.warn({ parent, error: String(error) }, "the folder above the data directory cannot be synced");
  });
}

async function formatWal(disk: Disk, dir: string, fileBytes: number): Promise<void> {
  await createZeroFile(disk, `${dir}/${digits20(1)}.wal`, Math.min(FIRST_FILE_BYTES, fileBytes));
  await disk.syncDir(dir);
}

async function openLogs(
  dataDir: string,
  disk: Disk,
  thread: WalThread,
  checksum: Checksum,
  options: OpenOptions,
  identity: StoredIdentity,
) {
  const { clock, logger } = options;
  const dir = `${dataDir}/wal`;
  const health: StorageHealth = { isFailed: false };
  let failOpening: ((error: Error) => void) | null = null;
  const onFatal = (error: Error): void => {
    if (health.isFailed) return;
    health.isFailed = true;
    if (failOpening === null) options.onFatal(error);
    else failOpening(unusable(dataDir, `cannot be written: ${error.message}; nothing was acknowledged`, error));
  };
  const hasWal = (await disk.list(dir)).some((name) => walFileNumber(name) !== null);
  if (!hasWal) await formatWal(disk, dir, options.walFileBytes);
  const walId = uuidBytes(identity.walId);
  const progress = { logs: 0, logsRecovered: 0, bytesRead: 0 };
  const tell = (news: Partial<RecoveryProgress>): void => options.onRecovery?.(Object.assign(progress, news));
  const read = countedReads(disk, (bytes) => tell({ bytesRead: progress.bytesRead + bytes }));
  const recovery = await recoverWal({
    disk: read,
    dir,
    walId,
    checksum,
    logger,
    truncateOnCrcError: options.faults?.truncateOnCrcError ?? false,
  });
  const pool = await usablePool(disk, dir, recovery, options.walFileBytes);
  await syncEnd(disk, dir, recovery);
  const space = new SpaceQueue(clock, logger);
  const watch = new DiskWatch(clock);
  const walFiles = new WalFiles({ dir, disk, fileBytes: options.walFileBytes, onFatal, space }, recovery.live, pool);
  const logs = new Map<GroupId, GroupLogImpl>();
  const undrained = { total: 0, drained: 0, max: options.undrainedBytesMax };
  const reserveBytes = options.diskReserveBytes;
  const reserve = await DiskReserve.measure({ disk, dataDir, clock, logger, undrained, reserveBytes });
  const scheduler = new DrainScheduler(() => logs.values(), undrained);
  const wal = new Wal({
    files: walFiles,
    thread,
    checksum,
    clock,
    walId,
    start: recovery.start,
    watch,
    onFatal,
    onFlush: options.onFlush ?? (() => undefined),
    onNewFile: () => relieveOldFiles(walFiles, options.walFileBytes, logs, scheduler),
    ackBeforeFsync: options.faults?.ackBeforeFsync ?? false,
  });
  const walScrub = new WalScrub({
    files: walFiles,
    disk,
    clock,
    walId,
    checksum,
    logger,
    relieve: (number) => relieveThrough(number, logs, scheduler),
    nameOldest: () => wal.nameOldest(),
  });
  const fileCache = new FileCache(disk);
  const context: LogContext = {
    clock,
    logger,
    wal,
    references: walFiles,
    reader: new SegmentReader(fileCache, checksum),
    checksum,
    tail: new TailCache(options.tailCacheBytesMax),
    loaded: new LoadedRuns(),
    undrained,
    space,
    watch,
    checkpointIntervalBytes: options.checkpointIntervalBytes,
    producerExpiryMs: options.producerExpiryMs,
    drainBytes: Math.min(DRAIN_BYTES, Math.ceil(options.undrainedBytesMax / 8)),
    voteNotPersisted: options.faults?.voteNotPersisted ?? false,
    walFreedEarly: options.faults?.walFreedEarly ?? false,
    onFatal,
    onQuarantine: (core, reason) => {
      logger.error({ groupId: core.spec.groupId, reason }, "a replica is quarantined: damage was found in its files");
      const log = logs.get(core.spec.groupId);
      if (log?.core === core) void log.keeper.sealOff(reason);
      options.onQuarantine?.(core.spec.groupId, reason);
    },
    onCommitted: (core) => scheduler.committed(core, logs.get(core.spec.groupId) ?? null),
  };
  const setAside: SetAside = new Map();
  const lostGroups = new Map<GroupId, number>();
  const found = { recovery, logs, setAside, lostGroups };
  await recoverAll({ identity, dataDir, disk, read, checksum, options, context, ...found, tell });
  await new Promise<void>((resolve, reject) => {
    failOpening = reject;
    wal.prove(resolve);
  });
  failOpening = null;
  for (const log of logs.values()) scheduler.committed(log.core, log);
  return { wal, walFiles, walScrub, fileCache, context, logs, setAside, lostGroups, scheduler, health, reserve };
}

/** Freed files to use again. The others go, among them files made ready for later, whose names stand in the way now. */
async function usablePool(disk: Disk, dir: string, { live, pool }: WalRecovery, fileBytes: number): Promise<WalFile[]> {
  for (const name of await disk.list(dir)) if (name.endsWith(UNFINISHED)) await disk.remove(`${dir}/${name}`);
  const oldest = assertDefined(live[0], "a WAL has a file").number;
  const usable = pool.filter((file) => file.number < oldest && file.bytes >= fileBytes).slice(0, POOL_FILES_MAX);
  for (const file of pool) if (!usable.includes(file)) await disk.remove(file.path);
  return usable;
}

/**
 * What recovery has read may only be in the system's memory: it must be durable before anybody acts on it. A sync alone is not enough: after one
 * that failed, Linux calls the bytes clean and shows them, so they are written again. Only the last flush can be such, since the next one was
 * to wait for its sync.
 */
async function syncEnd(disk: Disk, dir: string, { live, lastFlush }: WalRecovery): Promise<void> {
  for (const { path } of live.slice(-2)) {
    const file = await disk.open(path, "readwrite");
    try {
      if (lastFlush?.path === path) {
        const bytes = new Uint8Array(lastFlush.bytes);
        const read = await file.read(bytes, lastFlush.position);
        await file.write([bytes.subarray(0, read)], lastFlush.position);
      }
      await file.sync();
    } finally {
      await file.close();
    }
  }
  await disk.syncDir(dir);
}

/**
 * Lets old WAL files go: their committed frames are drained, all else in them that counts is written again. The more there is that
 * counts, the more files stay: what is written again must not push itself into the old files, or it would be written for ever.
 */
function relieveOldFiles(
  walFiles: WalFiles,
  fileBytes: number,
  logs: ReadonlyMap<GroupId, GroupLogImpl>,
  scheduler: DrainScheduler,
): void {
  let neededBytes = 0;
  for (const { core } of logs.values()) neededBytes += core.undrainedBytes + core.uncommittedBytes;
  const filesTarget = WAL_FILES_TARGET + Math.ceil((2 * neededBytes) / fileBytes);
  if (walFiles.liveCount > filesTarget) relieveThrough(walFiles.current().number - filesTarget, logs, scheduler);
}

/** Has what counts in WAL files up to `newestToGo` drained, or written again. */
function relieveThrough(newestToGo: number, logs: ReadonlyMap<GroupId, GroupLogImpl>, scheduler: DrainScheduler): void {
  for (const log of logs.values()) {
    const { core, writer } = log;
    if (core.isStopped) continue;
    const oldest = core.memory.framesIn(newestToGo, core.drainedIndex + 1)[0];
    if (oldest !== undefined && oldest.index <= core.state.index) scheduler.request(log);
    writer.copyForward(newestToGo);
  }
}

/** Neither a flush nor the controller's replica, which every broker of a cluster has. */
function isEmptied({ lastFlush, tornBytes }: WalRecovery, replicas: readonly FoundReplica[]): boolean {
  if (lastFlush !== null || tornBytes > 0) return false;
  return replicas.every(({ spec }) => spec.groupId !== CONTROLLER_GROUP);
}

/** An empty replica under its old id would vote again where it has voted, and answer for what it does not have. */
function emptied(dataDir: string, { brokerId, clusterId }: StoredIdentity): VarveError {
  return unusable(
    dataDir,
    `belongs to broker ${brokerId} of cluster ${clusterId} by its node.json, but its write-ahead log and the controller's replica are gone; bring them back, or run "varve broker replace ${brokerId}" and start on an empty directory`,
  );
}

interface RecoverAll {
  readonly identity: StoredIdentity;
  readonly dataDir: string;
  readonly disk: Disk;
  /** The same, counted. */
  readonly read: Disk;
  readonly checksum: Checksum;
  readonly options: OpenOptions;
  readonly context: LogContext;
  readonly recovery: WalRecovery;
  readonly logs: Map<GroupId, GroupLogImpl>;
  readonly setAside: SetAside;
  readonly lostGroups: Map<GroupId, number>;
  readonly tell: (news: Partial<RecoveryProgress>) => void;
}

async function recoverAll(all: RecoverAll): Promise<void> {
  const { recovery, logs, options, dataDir, disk, setAside } = all;
  const { logger } = options;
  const replays = recovery.groups;
  const replicas = await findReplicas({ dataDir, disk, logger, replays, walDamage: recovery.damage, setAside });
  all.tell({ logs: replicas.length });
  const mayBeEmptied = all.identity.clusterId === null || options.faults?.emptiedIsNew === true;
  if (!mayBeEmptied && isEmptied(recovery, replicas)) throw emptied(dataDir, all.identity);
  if (replicas.length > 0) for (const { where } of recovery.damage) logger.error({ where }, "the WAL is damaged");
  const worker = async (): Promise<void> => {
    for (let replica = replicas.pop(); replica !== undefined; replica = replicas.pop()) {
      const log = await openReplica(all, replica);
      assert(!logs.has(replica.spec.groupId), "a group has one log in a directory");
      logs.set(replica.spec.groupId, log);
      all.tell({ logsRecovered: logs.size });
    }
  };
  await Promise.all(Array.from({ length: OPEN_AT_ONCE }, worker));
  for (const [groupId, replay] of recovery.groups) {
    // A tombstone leaves neither. Who voted here must not come back empty under the same id.
    if (logs.has(groupId)) continue;
    const files = [replay.hardState, ...replay.frames()].flatMap((placed) => (placed === null ? [] : [placed.file]));
    const knownSince = files.sort((left, right) => left - right)[0];
    if (knownSince === undefined) continue;
    logger.error({ groupId }, "the WAL has a vote or frames of a group that has no folder");
    all.lostGroups.set(groupId, knownSince);
    all.context.references.retain(knownSince);
  }
}

function openReplica(
  { dataDir, disk, read, checksum, options, context, recovery }: RecoverAll,
  { spec, config, damage }: FoundReplica,
): Promise<GroupLogImpl> {
  const files = new LogFiles({
    dir: replicaDir(dataDir, spec),
    disk,
    random: options.random,
    spec,
    reader: context.reader,
  });
  const replay = recovery.groups.get(spec.groupId) ?? null;
  const knownDamage = damage ?? damageOf(recovery.damage, spec.groupId);
  return recoverLog({ context, disk: read, checksum, spec, config, files, replay, knownDamage });
}
