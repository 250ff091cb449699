/**
 * step.ts: the entry of every message: first its term, then its meaning.
 *
 * Invariants:
 *   Z1  a message of a higher term ends whatever this node did in its own; exceptions are pre-votes (V3) and
 *       requests for votes while a leader is heard (V2)
 *   Z2  a message of a lower term changes nothing; some are answered, so that their senders learn the term
 *   Z3  a completion of a write of an earlier term acknowledges no entries: they may have been replaced since
 * Source: Raft paper section 5.1; thesis sections 4.2.3 and 9.6.
 */
import type { Message } from "../types.js";
import { handleVoteRequest, handleVoteResponse, ignoresCandidate, refuseOldPreVote } from "./election.js";
import { payloadBytes } from "./entry-size.js";
import { handleLeaderMessage, stepFollower } from "./follower.js";
import { stepLeader } from "./leader.js";
import { appliedTo } from "./membership.js";
import { propose, reduceUncommitted } from "./proposals.js";
import { becomeFollower } from "./roles.js";
import type { RaftState } from "./state.js";

/** Handles a message. @throws ProposalDropped if it was a proposal that is dropped here. */
export function step(raft: RaftState, message: Message): void {
  if (message.term > raft.term) {
    if (!acceptHigherTerm(raft, message)) return;
  } else if (message.term !== 0 && message.term < raft.term) {
    handleLowerTerm(raft, message);
    return;
  }
  switch (message.type) {
    case "MsgStorageAppendResp":
      if (message.index !== 0) raft.log.unstable.stableTo(message.index, message.logTerm);
      snapshotStored(raft, message);
      return;
    case "MsgStorageApplyResp":
      entriesApplied(raft, message);
      return;
    case "MsgVote":
    case "MsgPreVote":
      handleVoteRequest(raft, message);
      return;
    default:
      stepRole(raft, message);
  }
}

function stepRole(raft: RaftState, message: Message): void {
  if (raft.state === "leader") stepLeader(raft, message);
  else if (raft.state === "follower") stepFollower(raft, message);
  else stepCandidate(raft, message);
}

/** Z1. False: the message is to be ignored. */
function acceptHigherTerm(raft: RaftState, message: Message): boolean {
  switch (message.type) {
    case "MsgPreVote":
      return !ignoresCandidate(raft, message);
    case "MsgVote":
      if (ignoresCandidate(raft, message)) return false;
      becomeFollower(raft, message.term, 0);
      return true;
    case "MsgPreVoteResp":
      // Granted in the term that this node asked for; refused in a term that it must learn.
      if (message.reject) becomeFollower(raft, message.term, 0);
      return true;
    case "MsgApp":
    case "MsgHeartbeat":
    case "MsgSnap":
      becomeFollower(raft, message.term, message.from);
      return true;
    default:
      becomeFollower(raft, message.term, 0);
      return true;
  }
}

/** Z2. */
function handleLowerTerm(raft: RaftState, message: Message): void {
  switch (message.type) {
    case "MsgApp":
    case "MsgHeartbeat":
      // Its sender may be unable to move us: with pre-vote or checkQuorum our term does not depose it by itself.
      if (raft.options.checkQuorum || raft.options.preVote) raft.send(raft.compose("MsgAppResp", message.from));
      return;
    case "MsgPreVote":
      refuseOldPreVote(raft, message);
      return;
    case "MsgStorageAppendResp":
      snapshotStored(raft, message); // Z3; a snapshot is committed, in whichever term it was written.
      return;
    default:
      return;
  }
}

function stepCandidate(raft: RaftState, message: Message): void {
  switch (message.type) {
    case "MsgProp":
      propose(raft, message.entries);
      return;
    case "MsgApp":
    case "MsgHeartbeat":
    case "MsgSnap":
      // Somebody else was elected in this term.
      becomeFollower(raft, message.term, message.from);
      handleLeaderMessage(raft, message);
      return;
    case "MsgPreVoteResp":
      if (raft.state === "preCandidate") handleVoteResponse(raft, message);
      return;
    case "MsgVoteResp":
      if (raft.state === "candidate") handleVoteResponse(raft, message);
      return;
    default:
      return;
  }
}

function snapshotStored(raft: RaftState, message: Message): void {
  if (message.snapshot === null) return;
  const index = message.snapshot.metadata.index;
  raft.log.unstable.stableSnapshotTo(index);
  appliedTo(raft, index, 0);
}

function entriesApplied(raft: RaftState, message: Message): void {
  const last = message.entries[message.entries.length - 1];
  if (last === undefined) return;
  appliedTo(raft, last.index, raft.log.bytesOf(message.entries));
  reduceUncommitted(raft, payloadBytes(message.entries));
}
