/**
 * s08-log-start.ts: log start and snapshots agree with the committed log, and there is no gap between them and the frames that follow.
 *
 * Source: Kafka's invariant SnapshotAtLogStart (RaftEventSimulationTest); Raft paper section 7.
 */
import type { GroupLog, LogSnapshot } from "@varve/storage";
import type { GroupTruth } from "../truth.js";
import { hold } from "../violation.js";

/** A replica stands at these pointers. */
export function checkLogStart(truth: GroupTruth, log: GroupLog): void {
  const { logStartIndex, logStartOffset, appliedIndex } = log.pointers();
  const where = `replica ${log.spec.replicaId}`;
  hold(
    "S8",
    log.firstIndex() <= Math.max(logStartIndex, appliedIndex + 1),
    () => `${where} lacks frames above its log start`,
  );
  const first = truth.entry(logStartIndex);
  if (first === null || log.spec.kind !== "data") return;
  hold(
    "S8",
    first.baseOffset <= logStartOffset && logStartOffset <= first.endOffset,
    () =>
      `${where} starts at ${logStartOffset}, index ${logStartIndex} holds ${first.baseOffset} to ${first.endOffset}`,
  );
}

/** A log is replaced by a snapshot. */
export function checkSnapshot(truth: GroupTruth, log: GroupLog, { index, term, offset }: LogSnapshot): void {
  const entry = truth.entry(index);
  hold(
    "S8",
    entry !== null && entry.term === term && entry.endOffset === offset,
    () =>
      `replica ${log.spec.replicaId} takes a snapshot of index ${index} term ${term} offset ${offset}; ` +
      `committed there: term ${entry?.term} offset ${entry?.endOffset}`,
  );
}
