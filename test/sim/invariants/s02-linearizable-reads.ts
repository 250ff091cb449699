/**
 * s02-linearizable-reads.ts: a linearizable read never returns less than what was committed when it began; and a leader serves only when all that
 * was committed in earlier terms is applied to it.
 *
 * The second is why the first holds, and is looked at each time a leader begins to serve.
 * Source: Raft paper section 8 (the no-op of a new term), thesis 6.4 (ReadIndex); KIP-207 for ListOffsets.
 */
import type { GroupLog } from "@varve/storage";
import type { GroupTruth } from "../truth.js";
import { hold } from "../violation.js";

const ENTRIES_LOOKED_AT = 16;

/** A leader in `term` begins to serve. */
export function checkServing(truth: GroupTruth, log: GroupLog, term: number): void {
  const { appliedIndex } = log.pointers();
  const newest = newestBefore(truth, term);
  hold(
    "S2",
    newest <= appliedIndex,
    () =>
      `${log.spec.replicaId} serves group ${truth.spec.groupId} in term ${term} with ${appliedIndex} applied, ` +
      `index ${newest} was committed in an earlier term`,
  );
}

/** The newest entry that was committed in a term before this one. */
function newestBefore(truth: GroupTruth, term: number): number {
  for (let index = truth.lastIndex; index > Math.max(0, truth.lastIndex - ENTRIES_LOOKED_AT); index--)
    if ((truth.entry(index)?.commitTerm ?? 0) < term) return index;
  return 0;
}

/** A linearizable question about a partition's end was answered; `endBefore`: its committed end when the question was asked. */
export function checkLatest(partition: string, endBefore: number, answer: number): void {
  hold(
    "S2",
    answer >= endBefore,
    () => `${partition} ends at ${answer}, but ${endBefore} was committed before the question`,
  );
}
