/**
 * replica-file.ts: replica.json, which says whose log a folder holds. A folder without it, of which nothing else tells, is a creation that did not finish.
 */
import type { Disk } from "@varve/base";
import type { GroupSpec, LogConfig } from "./api.js";
import { readChecked, unusable, writeChecked } from "./identity.js";

export const REPLICA_FILE = "replica.json";

/** What is known of a log before anything else is read. */
export interface ReplicaFile {
  readonly spec: GroupSpec;
  readonly config: LogConfig;
}

/** Folder of a replica, below the data directory. */
export function replicaDir(dataDir: string, spec: GroupSpec): string {
  return `${topicDir(dataDir, spec.topicId)}/${spec.partition}_${spec.replicaId}`;
}

/** Folder of a topic's replicas. */
export function topicDir(dataDir: string, topicId: string): string {
  return `${topicsDir(dataDir)}/${topicId}`;
}

export function topicsDir(dataDir: string): string {
  return `${dataDir}/topics`;
}

/** Durable when it resolves; from then on the log exists. */
export function writeReplicaFile(disk: Disk, dir: string, file: ReplicaFile): Promise<void> {
  return writeChecked(disk, dir, REPLICA_FILE, file);
}

/** Removes the folder of a log that a tombstone names. What says whose it is goes last: a crash leaves a folder that is known, or an empty one. */
export async function removeReplica(disk: Disk, dir: string): Promise<void> {
  const others = (await disk.list(dir)).filter((name) => name !== REPLICA_FILE);
  for (const name of others) await disk.remove(`${dir}/${name}`);
  if (others.length > 0) await disk.syncDir(dir);
  await disk.removeDir(dir);
}

/** Null: there is none. @throws VarveError DATA_DIR_UNUSABLE: it is damaged. */
export async function readReplicaFile(disk: Disk, dir: string): Promise<ReplicaFile | null> {
  const stored = await readChecked(disk, dir, REPLICA_FILE);
  if (stored === null) return null;
  if (!isReplicaFile(stored))
    throw unusable(
      dir,
      `has a ${REPLICA_FILE} that lacks fields; remove that folder to let the cluster replace the replica`,
    );
  return stored;
}

function isReplicaFile(value: object): value is ReplicaFile {
  const { spec, config } = value as Partial<ReplicaFile>;
  if (typeof spec !== "object" || typeof config !== "object") return false;
  const areNumbers = [spec.groupId, spec.replicaId, spec.partition, config.segmentBytes, config.retentionMs].every(
    Number.isSafeInteger,
  );
  return (
    areNumbers &&
    typeof spec.topicId === "string" &&
    (spec.kind === "data" || spec.kind === "state") &&
    Array.isArray(spec.initial?.voters)
  );
}
