/**
 * quorum-synced.ts: an index is committed only when a quorum of the configuration holds it in synced bytes.
 *
 * Source: Raft paper 5.3 and thesis 3.8, 10.2.1: what counts is what survives a crash of every process.
 */
import type { CommittedEntry } from "../truth.js";
import { hold } from "../violation.js";
import type { SyncedLog } from "./synced-log.js";

/** `disks`: one per voter of the group. */
export function checkQuorumSynced(groupId: number, entry: CommittedEntry, disks: readonly SyncedLog[]): void {
  const holders = disks.filter((disk) => disk.holds(entry.index, entry.term)).length;
  hold(
    "quorum-synced",
    holders * 2 > disks.length,
    () =>
      `group ${groupId} index ${entry.index} term ${entry.term} is committed with ${holders} of ${disks.length} disks`,
  );
}
