/**
 * recover-log.ts: brings one log back from its checkpoint, its segments and the WAL.
 *
 * Invariant R1: after recovery every frame that was durable is there, or the log is quarantined and says why.
 */
import { FrameKind } from "./api.js";
import type { GroupLogImpl } from "./log/group-log.js";
import type { RecoveredGroup } from "./wal/recover.js";

export async function recoverLog(
  log: GroupLogImpl,
  found: RecoveredGroup | null,
  damage: string | null,
): Promise<void> {
  log.quarantine = damage;
  const mark = found?.drained ?? null;
  const problem = await log.segments.open(mark === null ? null : { segment: mark.segment, position: mark.position });
  if (problem !== null) {
    log.quarantine ??= problem;
    return;
  }
  const hardState = found?.hardState ?? null;
  if (hardState !== null) log.hardState = { term: hardState.term, vote: hardState.vote, commit: hardState.commit };
  const snapshot = await log.segments.newestCheckpoint();
  if (snapshot !== null) {
    log.state.restore(snapshot);
    log.recoveredSections = snapshot.sections;
  }
  if (found !== null && found.resetIndex > 0 && (snapshot === null || snapshot.index < found.resetIndex)) {
    log.quarantine ??= `the checkpoint at index ${found.resetIndex} that the log was reset to is missing`;
    return;
  }
  // Without a mark the log begins at its reset, or at its very beginning: a newer checkpoint alone does not replace frames.
  const resetIndex = found?.resetIndex ?? 0;
  log.resetIndex = resetIndex;
  log.drained = mark?.index ?? resetIndex;
  if (mark !== null) log.durableMark = { segment: mark.segment, position: mark.position, index: mark.index };
  if (mark === null && resetIndex > 0) {
    const base = await log.segments.checkpointAt(resetIndex);
    if (base === null) {
      log.quarantine ??= `the checkpoint at index ${resetIndex} that the log was reset to is missing`;
      return;
    }
    log.segments.planReset(base);
  }
  const recovered = [...(await drainedAbove(log))];
  for (const frame of recovered) log.state.apply(frame);
  log.memFirst = log.drained + 1;
  log.durable = log.drained;
  const walFrames = (found?.frames ?? []).filter((frame) => frame.index > log.drained);
  const first = walFrames[0];
  if (first !== undefined && first.index !== log.drained + 1) {
    log.quarantine ??= `the write-ahead log begins at index ${first.index}, the segments end at ${log.drained}`;
    return;
  }
  log.frames = walFrames;
  log.durable = log.lastIndex();
  noteTerm(log);
  if (log.state.index > log.lastIndex())
    log.quarantine ??= `a checkpoint reaches to index ${log.state.index}, the log ends at ${log.lastIndex()}`;
  log.durableHardState = log.hardState;
  const applied = log.applyRecovered(Math.min(log.hardState.commit, log.lastIndex()));
  log.recoveredFrames =
    log.spec.kind === "state" ? [...recovered, ...applied].filter((frame) => frame.kind === FrameKind.state) : [];
  const active = log.segments.active;
  if (active !== null) log.setSegmentFill(active.bytes, active.lastTimeMs);
}

/** Frames in segments above the checkpoint, in order. */
async function drainedAbove(log: GroupLogImpl): Promise<Awaited<ReturnType<GroupLogImpl["segments"]["read"]>>> {
  const frames = [];
  for (let next = log.state.index + 1; next <= log.drained; ) {
    const run = await log.segments.read({ index: next }, 4 * 1024 * 1024);
    for (const frame of run) {
      if (frame.index >= next && frame.index <= log.drained) frames.push(frame);
      next = frame.index + 1;
    }
    if (run.length === 0) break;
  }
  return frames;
}

/** The term is at least that of the last frame; a vote counts only for that very term. */
function noteTerm(log: GroupLogImpl): void {
  const last = log.frames[log.frames.length - 1]?.term ?? log.state.term;
  if (last > log.hardState.term) log.hardState = { term: last, vote: 0, commit: log.hardState.commit };
  if (log.hardState.commit < log.state.index) log.hardState = { ...log.hardState, commit: log.state.index };
}
