/**
 * tick.ts: the passing of time, in ticks of the host's clock.
 *
 * Source: Raft paper section 5.2 (random timeouts); thesis section 6.2 (a leader that hears no quorum steps down).
 */
import { startOwnElection } from "./election.js";
import { checkQuorum } from "./leader.js";
import { giveUpTransfer } from "./membership.js";
import { broadcastHeartbeat } from "./replication.js";
import type { RaftState } from "./state.js";

/** One tick has passed. */
export function tick(raft: RaftState): void {
  raft.log.retryCommitted();
  if (raft.state === "leader") tickLeader(raft);
  else tickElection(raft);
}

function tickElection(raft: RaftState): void {
  raft.electionElapsed++;
  if (raft.electionElapsed < raft.electionTimeout || !raft.isPromotable()) return;
  raft.electionElapsed = 0;
  startOwnElection(raft);
}

function tickLeader(raft: RaftState): void {
  raft.heartbeatElapsed++;
  raft.electionElapsed++;
  if (raft.electionElapsed >= raft.options.electionTicks) {
    raft.electionElapsed = 0;
    if (raft.options.checkQuorum) checkQuorum(raft);
    if (raft.state !== "leader") return;
    if (raft.transferee !== 0) giveUpTransfer(raft);
  }
  if (raft.heartbeatElapsed < raft.options.heartbeatTicks) return;
  raft.heartbeatElapsed = 0;
  broadcastHeartbeat(raft);
}
