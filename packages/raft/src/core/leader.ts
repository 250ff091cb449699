/**
 * leader.ts: what a leader does with its members' answers.
 *
 * Invariants:
 *   Y1  a member's match moves only by its own acknowledgement, which covers durable entries of this term's log
 *   Y2  whatever an answer makes possible is sent at once: commit index, further entries, the end of a transfer
 * Source: Raft paper section 5.3; thesis sections 3.10 (transfer) and 6.2 (check of the quorum).
 */
import { assert } from "../assert.js";
import type { Message } from "../types.js";
import { commitMoved, giveUpTransfer } from "./membership.js";
import type { Progress } from "./progress.js";
import { proposeAsLeader } from "./proposals.js";
import { jointVote } from "./quorum.js";
import { confirmRound, handleReadRequest } from "./read-index.js";
import { maybeCommit, maybeSendAppend, sendAllAppends } from "./replication.js";
import { becomeFollower } from "./roles.js";
import type { RaftState } from "./state.js";

/** Handles a message of this term, or one without a term. @throws ProposalDropped for a proposal that was passed on. */
export function stepLeader(raft: RaftState, message: Message): void {
  if (message.type === "MsgProp") {
    proposeAsLeader(raft, message.entries);
    return;
  }
  if (message.type === "MsgReadIndex") {
    handleReadRequest(raft, message);
    return;
  }
  const progress = raft.progress.get(message.from);
  if (progress === undefined) return;
  if (message.type === "MsgAppResp") handleAppendResponse(raft, message, progress);
  else if (message.type === "MsgHeartbeatResp") handleHeartbeatResponse(raft, message, progress);
  else if (message.type === "MsgTransferLeader") startTransfer(raft, message.from);
}

function handleAppendResponse(raft: RaftState, message: Message, progress: Progress): void {
  progress.recentActive = true;
  if (message.reject) handleRefusal(raft, message, progress);
  else handleAcknowledgement(raft, message, progress);
}

function handleRefusal(raft: RaftState, message: Message, progress: Progress): void {
  let hint = message.rejectHint;
  // The member has term `logTerm` at the hint, and no higher one before: nothing here with a higher term can match.
  if (message.logTerm > 0) hint = raft.log.findConflictByTerm(hint, message.logTerm).index;
  if (!progress.maybeDecrease(message.index, hint)) return;
  if (progress.state === "replicate") progress.becomeProbe();
  maybeSendAppend(raft, message.from, true);
}

function handleAcknowledgement(raft: RaftState, message: Message, progress: Progress): void {
  const { from, index } = message;
  assert(index <= raft.log.lastIndex(), "Y1: nobody has more of this term's log than its leader");
  const updated = progress.maybeUpdate(index);
  if (!updated && !(progress.state === "probe" && progress.match === index)) return;
  if (progress.state === "probe") {
    progress.becomeReplicate();
  } else if (progress.state === "snapshot") {
    // Whichever snapshot it was that the member installed: what counts is that the log continues it.
    if (progress.match + 1 >= raft.log.firstIndex()) {
      progress.becomeProbe();
      progress.becomeReplicate();
    }
  } else {
    progress.freeInflights(index);
  }
  if (maybeCommit(raft)) commitMoved(raft);
  else if (from !== raft.id && progress.canRaiseCommit(raft.log.committed)) maybeSendAppend(raft, from, true);
  if (from !== raft.id) sendAllAppends(raft, from);
  if (from === raft.transferee && progress.match === raft.log.lastIndex()) sendTimeoutNow(raft, from);
}

function handleHeartbeatResponse(raft: RaftState, message: Message, progress: Progress): void {
  progress.recentActive = true;
  progress.flowPaused = false;
  progress.loading = false;
  // In state probe even a member that has everything gets an append: its answer brings the pipeline back.
  if (progress.match < raft.log.lastIndex() || progress.state === "probe") {
    maybeSendAppend(raft, message.from, true);
  }
  if (typeof message.context === "number") confirmRound(raft, message.from, message.context);
}

/** Steps down unless a quorum answered since the last call. */
export function checkQuorum(raft: RaftState): void {
  const active = jointVote(raft.config, (id) => id === raft.id || raft.progress.get(id)?.recentActive === true);
  if (active !== "won") becomeFollower(raft, raft.term, 0);
  for (const [id, progress] of raft.progress) if (id !== raft.id) progress.endInterval();
}

/** Hands leadership to `to`, as soon as it has the whole log. Replaces a transfer to someone else. */
export function startTransfer(raft: RaftState, to: number): void {
  const progress = raft.progress.get(to);
  if (progress === undefined || progress.isLearner || raft.transferee === to) return;
  if (to === raft.id) {
    giveUpTransfer(raft);
    return;
  }
  raft.electionElapsed = 0; // A transfer has one election timeout to succeed.
  raft.transferee = to;
  if (progress.match === raft.log.lastIndex()) sendTimeoutNow(raft, to);
  else maybeSendAppend(raft, to, true);
}

function sendTimeoutNow(raft: RaftState, to: number): void {
  raft.send(raft.compose("MsgTimeoutNow", to));
}

/** Messages to `id` are being lost: stop sending ahead. */
export function reportUnreachable(raft: RaftState, id: number): void {
  const progress = raft.progress.get(id);
  if (raft.state === "leader" && progress?.state === "replicate") progress.becomeProbe();
}

/** The snapshot to `id` was handed over, or failed. Appends go on after the member's answer, or a heartbeat's. */
export function reportSnapshot(raft: RaftState, id: number, ok: boolean): void {
  const progress = raft.progress.get(id);
  if (raft.state !== "leader" || progress?.state !== "snapshot") return;
  if (!ok) progress.pendingSnapshot = 0; // Probe from what is known, not from what never arrived.
  progress.becomeProbe();
  progress.flowPaused = true;
}
