/**
 * s05-quorum-synced.ts: an index is committed only when a quorum of the configuration holds it in synced bytes; a replica applies it only when
 * it holds it so itself; and a leader commits by counting replicas only entries of its own term.
 *
 * What breaks the second rule loses committed entries only in a rare order of crashes (figure 8); the rule itself is looked at each time.
 * Source: Raft paper 5.3 and 5.4.2, thesis 10.2.1 and 4.3: what counts is what survives a crash of every process.
 */
import type { GroupLog, ReplicaSet } from "@varve/storage";
import type { CommittedEntry } from "../truth.js";
import { hold } from "../violation.js";

/** `holds`: whether that replica's disk has the entry in synced bytes. `configs`: those that may have been in effect; one must be satisfied. */
export function checkQuorumSynced(
  groupId: number,
  entry: CommittedEntry,
  configs: readonly ReplicaSet[],
  holds: (replicaId: number) => boolean,
): void {
  const isHeld = configs.some(
    ({ voters, votersOutgoing }) => isMajority(voters, holds) && isMajority(votersOutgoing, holds),
  );
  hold("S5", isHeld, () => {
    const voters = configs.map((config) => config.voters.map((id) => `${id}${holds(id) ? "" : " not"}`).join(", "));
    return `group ${groupId} index ${entry.index} term ${entry.term} is committed; synced at: ${voters.join("; or ")}`;
  });
}

/** `isHeld`: whether the disk of the replica that applies the entry has it in synced bytes. */
export function checkAppliedSynced(groupId: number, replicaId: number, entry: CommittedEntry, isHeld: boolean): void {
  const { index, term } = entry;
  hold(
    "S5",
    isHeld,
    () => `replica ${replicaId} of group ${groupId} applies ${index} of term ${term} before it is synced`,
  );
}

/** Of no voters: true, as for the half of a configuration that is not joint. */
function isMajority(voters: readonly number[], holds: (replicaId: number) => boolean): boolean {
  return voters.length === 0 || voters.filter(holds).length * 2 > voters.length;
}

export class CommitOwnTerm {
  /** Commit index that a leader began its term with, by group and term. */
  private readonly startedWith = new Map<string, number>();

  /** A leader in `term` knows that everything up to `commit` is committed. */
  onLeader(log: GroupLog, term: number, commit: number): void {
    const { groupId, replicaId } = log.spec;
    const key = `${groupId}/${term}`;
    const start = this.startedWith.get(key);
    if (start === undefined) {
      this.startedWith.set(key, commit);
      return;
    }
    const own = log.term(commit);
    hold(
      "S5",
      commit === start || own === term,
      () =>
        `${replicaId} leads group ${groupId} in term ${term} and commits index ${commit} of term ${own} by counting`,
    );
  }
}
