/**
 * read-index.ts: linearizable reads without a log entry.
 *
 * Invariants: R1 and R2 of read-queue.ts. A follower passes the read to its leader and gets the index back.
 * Source: Raft thesis section 6.4.
 */
import type { Message, ReadContext } from "../types.js";
import { COMMITTED_ALL, jointIndex } from "./quorum.js";
import type { PendingRead } from "./read-queue.js";
import { broadcastHeartbeat } from "./replication.js";
import type { RaftState } from "./state.js";

/** Starts a read of this node. False: no leader is known, or too many reads wait; ask again later. */
export function requestRead(raft: RaftState, context: ReadContext): boolean {
  return acceptRead(raft, { from: raft.id, context });
}

/** A follower passed on a read. */
export function handleReadRequest(raft: RaftState, message: Message): void {
  if (message.context === null) return;
  acceptRead(raft, { from: message.from, context: message.context });
}

function acceptRead(raft: RaftState, read: PendingRead): boolean {
  if (raft.state === "leader") return acceptAsLeader(raft, read);
  if (raft.state !== "follower" || raft.leader === 0) return false;
  const message = raft.compose("MsgReadIndex", raft.leader);
  message.from = read.from;
  message.context = read.context;
  raft.post(message);
  return true;
}

function acceptAsLeader(raft: RaftState, read: PendingRead): boolean {
  if (raft.reads.isFull) return false;
  if (!raft.committedInTerm()) {
    raft.reads.postpone(read);
    return true;
  }
  raft.reads.add(read, raft.log.committed);
  startRound(raft);
  return true;
}

/** The leader's commit index moved: reads that waited for its first entry start. */
export function startPostponedReads(raft: RaftState): void {
  const reads = raft.reads.takePostponed();
  if (reads.length === 0) return;
  for (const read of reads) raft.reads.add(read, raft.log.committed);
  startRound(raft);
}

function startRound(raft: RaftState): void {
  releaseConfirmed(raft);
  if (raft.reads.newestRound !== null) broadcastHeartbeat(raft);
}

/** A member answered the heartbeat with the number `round`. */
export function confirmRound(raft: RaftState, from: number, round: number): void {
  const progress = raft.progress.get(from);
  if (progress === undefined || round <= progress.confirmedRead) return;
  progress.confirmedRead = round;
  releaseConfirmed(raft);
}

function releaseConfirmed(raft: RaftState): void {
  const confirmed = jointIndex(raft.config, (id) =>
    id === raft.id ? COMMITTED_ALL : (raft.progress.get(id)?.confirmedRead ?? 0),
  );
  for (const { from, context, index } of raft.reads.release(confirmed)) {
    if (from === raft.id) {
      raft.readStates.push({ index, context });
      continue;
    }
    const answer = raft.compose("MsgReadIndexResp", from);
    answer.index = index;
    answer.context = context;
    raft.send(answer);
  }
}
