/**
 * s03-leader-completeness.ts: what is committed in a term is in the logs of the leaders of all later terms.
 *
 * Checked when a leader appears, and when an entry is committed while later leaders are there. Log matching makes the newest committed
 * entries stand for those before them.
 * Source: Raft paper, figure 3, "Leader Completeness".
 */
import type { GroupLog } from "@varve/storage";
import type { CommittedEntry, GroupTruth } from "../truth.js";
import { hold } from "../violation.js";

const ENTRIES_LOOKED_AT = 16;

export function checkNewLeader(truth: GroupTruth, log: GroupLog, term: number): void {
  let looked = 0;
  for (let index = truth.lastIndex; index > 0 && looked < ENTRIES_LOOKED_AT; index--) {
    const entry = truth.entry(index);
    if (entry === null || entry.commitTerm >= term) continue;
    looked++;
    checkLeaderHas(entry, log, term);
  }
}

/** `log` is that of a leader in `term`. */
export function checkLeaderHas(entry: CommittedEntry, log: GroupLog, term: number): void {
  if (entry.commitTerm >= term) return;
  const own = log.term(entry.index);
  hold(
    "S3",
    own === entry.term || own === "compacted",
    () =>
      `${log.spec.replicaId} leads group ${log.spec.groupId} in term ${term}: index ${entry.index} is of term ${own}, ` +
      `committed of term ${entry.term} in term ${entry.commitTerm}`,
  );
}
