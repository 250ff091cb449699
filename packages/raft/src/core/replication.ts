/**
 * replication.ts: what a leader sends to its followers, and when an entry is committed.
 *
 * Invariants:
 *   X1  an entry of an earlier term is committed only together with one of the current term
 *   X2  an append is sent only after an entry whose index and term the leader still knows; else a snapshot is
 *   X3  a follower never hears a commit index in a heartbeat beyond what it is known to hold
 * Source: Raft paper sections 5.3 and 5.4.2 (figure 8 for X1), section 7 (snapshots).
 */
import { assert, assertDefined } from "../assert.js";
import type { Entry } from "../types.js";
import { payloadBytes } from "./entry-size.js";
import type { Progress } from "./progress.js";
import { jointIndex } from "./quorum.js";
import type { RaftState } from "./state.js";

const NO_ENTRIES: readonly Entry[] = Object.freeze([]);

/** Sends to every other member what it lacks, or at least the commit index. */
export function broadcastAppend(raft: RaftState): void {
  for (const id of raft.memberIds) if (id !== raft.id) maybeSendAppend(raft, id, true);
}

/**
 * Sends one append, or a snapshot where the entries are gone.
 * @param sendIfEmpty whether an append without entries goes too, to carry the commit index or to probe.
 * @returns whether something was sent.
 */
export function maybeSendAppend(raft: RaftState, to: number, sendIfEmpty: boolean): boolean {
  const progress = assertDefined(raft.progress.get(to), "appends go to members");
  if (progress.isPaused || progress.loading) return false;
  const previous = progress.next - 1;
  const previousTerm = raft.log.term(previous);
  if (typeof previousTerm !== "number") return maybeSendSnapshot(raft, to, progress); // X2
  let entries: readonly Entry[] = NO_ENTRIES;
  // A full pipeline lets only empty appends through: they find out whether what is under way was lost.
  if (progress.state !== "replicate" || !progress.inflightFull) {
    const found = raft.log.entriesFrom(progress.next, raft.options.maxSizePerMessage);
    if (found === "pending") {
      progress.loading = true;
      return false;
    }
    if (found === "compacted") return maybeSendSnapshot(raft, to, progress);
    entries = found;
  }
  if (entries.length === 0 && !sendIfEmpty) return false;
  const message = raft.compose("MsgApp", to);
  message.index = previous;
  message.logTerm = previousTerm;
  message.entries = entries;
  message.commit = raft.log.committed;
  raft.send(message);
  progress.sentEntries(entries.length, payloadBytes(entries));
  progress.sentCommitIndex(raft.log.committed);
  return true;
}

/** Sends appends with entries until the flow is paused or nothing is left. */
export function sendAllAppends(raft: RaftState, to: number): void {
  while (maybeSendAppend(raft, to, false)) {
    // Each append advances `next`, or pauses the flow.
  }
}

function maybeSendSnapshot(raft: RaftState, to: number, progress: Progress): boolean {
  if (!progress.recentActive) return false; // Nobody is there to receive it.
  const snapshot = raft.log.snapshot();
  if (snapshot === "pending") return false;
  assert(snapshot.metadata.index > 0, "a snapshot has an index");
  progress.becomeSnapshot(snapshot.metadata.index);
  const message = raft.compose("MsgSnap", to);
  message.snapshot = snapshot;
  raft.send(message);
  raft.options.trace?.({ kind: "snapshotSent", id: raft.id, to, index: snapshot.metadata.index });
  return true;
}

/** Heartbeats to everyone, with the number of the newest read that waits. */
export function broadcastHeartbeat(raft: RaftState): void {
  const round = raft.reads.newestRound;
  for (const id of raft.memberIds) {
    if (id === raft.id) continue;
    const progress = assertDefined(raft.progress.get(id), "S3");
    const message = raft.compose("MsgHeartbeat", id);
    message.commit = Math.min(progress.match, raft.log.committed); // X3
    message.context = round;
    raft.send(message);
    progress.sentCommitIndex(message.commit);
  }
}

/** Commits what a quorum holds. Returns whether the commit index moved. */
export function maybeCommit(raft: RaftState): boolean {
  const index = jointIndex(raft.config, (id) => raft.progress.get(id)?.match ?? 0);
  if (index <= raft.log.committed) return false;
  if (!raft.options.commitOldTerm && !raft.log.matches(index, raft.term)) return false; // X1
  raft.log.commitTo(index);
  return true;
}
