/**
 * commit-own-term.ts: a leader commits by counting replicas only entries of its own term; older ones are committed with them.
 *
 * What breaks this rule loses committed entries only in a rare order of crashes (figure 8); the rule itself is looked at each time.
 * Source: Raft paper 5.4.2.
 */
import type { GroupLog } from "@varve/storage";
import { hold } from "../violation.js";

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
      "commit-own-term",
      commit === start || own === term,
      () =>
        `${replicaId} leads group ${groupId} in term ${term} and commits index ${commit} of term ${own} by counting`,
    );
  }
}
