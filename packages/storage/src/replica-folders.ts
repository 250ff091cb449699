/**
 * replica-folders.ts: finds the folders of replicas at a start, and says what is wrong with those that cannot be taken as they are.
 *
 * A damaged replica.json hurts one replica, not the broker. What it said stands in the newest checkpoint and in the folder's name, too, so
 * the replica is known and quarantined. A folder of which not even that can be read is left alone, and no log is created in its
 * place: an empty replica under the same id would vote as the one that is lost.
 */
import { type Disk, type GroupId, type Logger, VarveError } from "@varve/base";
import type { GroupSpec, LogConfig } from "./api.js";
import { decodeCheckpoint, isDamage, isMissingFile } from "./log/checkpoint.js";
import { parseLogFileName, QUARANTINE_FILE, readFile, writeQuarantineNote } from "./log/log-files.js";
import { type ReplicaFile, readReplicaFile, removeReplica, topicsDir } from "./replica-file.js";
import { damageOf, type WalDamage } from "./wal/recover.js";
import type { GroupReplay } from "./wal/replay.js";

/** A replica that was found. */
export interface FoundReplica extends ReplicaFile {
  /** Why it must be quarantined although nothing else of it has been looked at; null: as far as is known it is whole. */
  readonly damage: string | null;
}

/** Folders that hold something which cannot be read, by path, with the reason. No log is created there. */
export type SetAside = Map<string, string>;

const NAMELESS =
  "nothing in it says whose it is, and the WAL knows a group that has no folder, or has lost what it knew";

/** A quarantined log never uses its settings. */
const UNKNOWN_CONFIG: LogConfig = { segmentBytes: 2 ** 27, segmentMs: -1, retentionMs: -1, retentionBytes: -1 };

/**
 * All replicas of a data directory; folders of those that were dropped, or whose creation did not finish, are removed. Names that the process
 * before may have left unsynced are synced: what is found here is voted for, and must be found again.
 */
export async function findReplicas(options: {
  readonly dataDir: string;
  readonly disk: Disk;
  readonly logger: Logger;
  readonly replays: ReadonlyMap<GroupId, GroupReplay>;
  readonly walDamage: readonly WalDamage[];
  readonly setAside: SetAside;
}): Promise<FoundReplica[]> {
  const { dataDir, disk, logger, replays, setAside } = options;
  const replicas: FoundReplica[] = [];
  const unfinished: string[] = [];
  for (const topicId of await disk.list(topicsDir(dataDir))) {
    const above = `${topicsDir(dataDir)}/${topicId}`;
    for (const name of await disk.list(above)) {
      const dir = `${above}/${name}`;
      const found = await lookInto(options, dir, topicId, name);
      if (typeof found === "string") {
        logger.error({ dir, problem: found }, "a replica's folder cannot be read and is left alone");
        setAside.set(dir, found);
      } else if (found === null) unfinished.push(dir);
      else if (isDropped(replays, found.spec)) await removeReplica(disk, dir);
      else {
        await disk.syncDir(dir);
        replicas.push(found);
      }
    }
    await disk.syncDir(above);
  }
  const isLost = knowsOthers(options, replicas);
  for (const dir of unfinished) {
    if (isLost) {
      // Written down, for the WAL forgets, and may be lost as well.
      await writeQuarantineNote(disk, dir, NAMELESS, {});
      setAside.set(dir, NAMELESS);
      logger.error({ dir, problem: NAMELESS }, "a replica's folder cannot be read and is left alone");
    } else {
      await disk.removeDir(dir);
      await disk.syncDir(dir.slice(0, dir.lastIndexOf("/")));
    }
  }
  await disk.syncDir(topicsDir(dataDir));
  return replicas;
}

/** What the WAL tells of groups, and of which it has lost something. */
interface WalNews {
  readonly replays: ReadonlyMap<GroupId, GroupReplay>;
  readonly walDamage: readonly WalDamage[];
}

/** Whether the WAL knows, or may have known, a group that has no folder: one that nothing identifies may be its. */
function knowsOthers({ replays, walDamage }: WalNews, replicas: readonly FoundReplica[]): boolean {
  const found = new Set(replicas.map(({ spec }) => spec.groupId));
  const isMissing = (groupId: GroupId): boolean => !found.has(groupId);
  return (
    [...replays.values()].some(({ groupId, isEmpty }) => !isEmpty && isMissing(groupId)) ||
    walDamage.some(({ groups }) => groups === "all" || groups.some(isMissing))
  );
}

/** Whether nothing was ever written for that group: a vote or frames in the WAL, or a part of it that is lost, may be of a replica that was there. */
function isUnwritten({ replays, walDamage }: WalNews, groupId: GroupId): boolean {
  return replays.get(groupId)?.isEmpty !== false && damageOf(walDamage, groupId) === null;
}

function isDropped(replays: ReadonlyMap<GroupId, GroupReplay>, { groupId, replicaId }: GroupSpec): boolean {
  return replays.get(groupId)?.droppedReplicas.includes(replicaId) ?? false;
}

/** The replica in a folder; null: a creation that did not finish; text: why nobody can say whose folder it is. */
async function lookInto(
  wal: WalNews & { readonly disk: Disk },
  dir: string,
  topicId: string,
  name: string,
): Promise<FoundReplica | null | string> {
  const { disk } = wal;
  let damage: string;
  let mayBeUnfinished = false;
  try {
    const file = await readReplicaFile(disk, dir);
    if (file !== null) return { ...file, damage: null };
    // The first segment comes long after replica.json, and so does a quarantine.
    const hasLived = (await disk.list(dir)).some(
      (entry) => entry === QUARANTINE_FILE || parseLogFileName(entry).kind === "segment",
    );
    mayBeUnfinished = !hasLived;
    damage = "it has no replica.json";
  } catch (error) {
    if (!(error instanceof VarveError) || error.code !== "DATA_DIR_UNUSABLE") throw error;
    damage = error.message;
  }
  const spec = await specFromCheckpoint(disk, dir, topicId, name);
  if (mayBeUnfinished && (spec === null || isUnwritten(wal, spec.groupId))) return null;
  return spec === null ? `${damage}, and no checkpoint says whose it is` : { spec, config: UNKNOWN_CONFIG, damage };
}

/** What replica.json said, from the newest checkpoint that can be read and from the folder's name; null: neither says it. */
async function specFromCheckpoint(disk: Disk, dir: string, topicId: string, name: string): Promise<GroupSpec | null> {
  const [, partition, replicaId] = /^(\d{1,9})_(\d{1,15})$/.exec(name) ?? [];
  if (partition === undefined || replicaId === undefined) return null;
  const files = (await disk.list(dir)).filter((entry) => parseLogFileName(entry).kind === "checkpoint");
  for (const file of files.reverse()) {
    try {
      const { owner, image, segments } = decodeCheckpoint(await readFile(disk, `${dir}/${file}`));
      if (owner.topicId !== topicId || owner.partition !== Number(partition)) continue;
      const last = segments[segments.length - 1];
      // Data logs name their segments by offset, the others by index, which begins with 1 where all offsets are 0.
      const kind = last === undefined || last.name === last.baseOffset ? "data" : "state";
      return { ...owner, replicaId: Number(replicaId), kind, initial: image.replicas };
    } catch (error) {
      if (!isDamage(error) && !isMissingFile(error)) throw error;
    }
  }
  return null;
}

/** Refuses a log whose group this directory may have lost. */
export function refusal(spec: GroupSpec, dir: string, why: string): VarveError {
  return new VarveError("REPLICA_QUARANTINED", {
    message: `no replica is created at ${dir}: ${why}; what it promised is not known any more; let another broker take its place, and look at that folder`,
    details: { groupId: spec.groupId, topicId: spec.topicId, partition: spec.partition },
    effect: "NONE",
  });
}
