/**
 * follower.ts: what a follower does with its leader's messages.
 *
 * Invariants:
 *   W4  an append is accepted only after an entry that matches the leader's (log matching)
 *   W5  what is committed here is never questioned again: older appends are answered with the commit index
 *   W6  a snapshot replaces the log only if it is beyond the commit index and not part of the log already. This node need
 *       not be a member in it: a leader may send one from before this node was added, and the entries after it
 * Source: Raft paper sections 5.3 and 7; the hint with a refusal is the paper's optimization at the end of 5.3.
 */
import type { Message, Snapshot } from "../types.js";
import { normalizeConfiguration } from "./configuration.js";
import { startElection } from "./election.js";
import { restoreConfiguration } from "./membership.js";
import { propose } from "./proposals.js";
import { handleReadRequest } from "./read-index.js";
import type { RaftState } from "./state.js";

/** Handles a message of this term, or one without a term. */
export function stepFollower(raft: RaftState, message: Message): void {
  switch (message.type) {
    case "MsgProp":
      propose(raft, message.entries);
      return;
    case "MsgApp":
    case "MsgHeartbeat":
    case "MsgSnap":
      raft.electionElapsed = 0;
      raft.leader = message.from;
      handleLeaderMessage(raft, message);
      return;
    case "MsgTransferLeader":
      passTransfer(raft, message.from);
      return;
    case "MsgTimeoutNow":
      startElection(raft, "transfer");
      return;
    case "MsgReadIndex":
      handleReadRequest(raft, message);
      return;
    case "MsgReadIndexResp":
      if (message.context !== null) raft.readStates.push({ index: message.index, context: message.context });
      return;
    default:
      return;
  }
}

/** Asks the leader to hand over to `transferee`. */
export function passTransfer(raft: RaftState, transferee: number): void {
  if (raft.leader === 0) return;
  const message = raft.compose("MsgTransferLeader", raft.leader);
  message.from = transferee;
  raft.send(message);
}

/** Handles an append, heartbeat or snapshot of the leader of this term. */
export function handleLeaderMessage(raft: RaftState, message: Message): void {
  if (message.type === "MsgApp") handleAppend(raft, message);
  else if (message.type === "MsgHeartbeat") handleHeartbeat(raft, message);
  else handleSnapshot(raft, message);
}

function handleAppend(raft: RaftState, message: Message): void {
  const answer = raft.compose("MsgAppResp", message.from);
  if (message.index < raft.log.committed) {
    answer.index = raft.log.committed; // W5
    raft.send(answer);
    return;
  }
  const last = raft.log.maybeAppend(message.index, message.logTerm, message.entries, message.commit);
  if (last === null) {
    // The best guess where the logs agree: nothing here with a term beyond the leader's can.
    const guess = Math.min(message.index, raft.log.lastIndex());
    const hint = raft.log.findConflictByTerm(guess, message.logTerm);
    answer.reject = true;
    answer.index = message.index;
    answer.rejectHint = hint.index;
    answer.logTerm = hint.term;
  } else {
    answer.index = last;
  }
  raft.send(answer);
}

function handleHeartbeat(raft: RaftState, message: Message): void {
  raft.log.commitTo(message.commit);
  const answer = raft.compose("MsgHeartbeatResp", message.from);
  answer.context = message.context;
  raft.send(answer);
}

function handleSnapshot(raft: RaftState, message: Message): void {
  const restored = message.snapshot !== null && restore(raft, message.snapshot);
  const answer = raft.compose("MsgAppResp", message.from);
  answer.index = restored ? raft.log.lastIndex() : raft.log.committed;
  raft.send(answer);
}

/** Replaces the log. False: it need not, or must not, be replaced (W6). */
function restore(raft: RaftState, snapshot: Snapshot): boolean {
  const { index, term, confState } = snapshot.metadata;
  if (index <= raft.log.committed) return false;
  const config = normalizeConfiguration(confState);
  if (raft.log.matches(index, term)) {
    raft.log.commitTo(index);
    return false;
  }
  raft.log.restore(snapshot);
  restoreConfiguration(raft, config);
  raft.options.trace?.({ kind: "snapshotRestored", id: raft.id, index, term });
  return true;
}
