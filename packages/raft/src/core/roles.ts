/**
 * roles.ts: the transitions between follower, pre-candidate, candidate and leader.
 *
 * Transitions: follower -> preCandidate | candidate; preCandidate -> candidate; candidate -> leader; any -> follower.
 * Invariants:
 *   F1  at most one leader per term: a candidate votes for itself, and a vote is given once per term (S1)
 *   F2  a leader starts its term with an empty entry, and commits earlier entries only together with it
 * Source: Raft paper figure 4, section 5.2; section 8 for F2; thesis section 9.6 for the pre-candidate.
 */
import { assert, assertDefined } from "../assert.js";
import { EntryType } from "../types.js";
import { appendOwn } from "./proposals.js";
import type { RaftState } from "./state.js";

const NO_OP = Object.freeze({ type: EntryType.normal, data: new Uint8Array(0) });

export function becomeFollower(raft: RaftState, term: number, leader: number): void {
  raft.reset(term);
  raft.state = "follower";
  raft.leader = leader;
  raft.traceState();
}

/** Term and vote stay: nothing is risked by asking. */
export function becomePreCandidate(raft: RaftState): void {
  assert(raft.state !== "leader", "a leader does not campaign");
  raft.votes.clear();
  raft.leader = 0;
  raft.state = "preCandidate";
  raft.traceState();
}

export function becomeCandidate(raft: RaftState): void {
  assert(raft.state !== "leader", "a leader does not campaign");
  raft.reset(raft.term + 1);
  raft.vote = raft.id;
  raft.state = "candidate";
  raft.traceState();
}

export function becomeLeader(raft: RaftState): void {
  assert(raft.state === "candidate", "F1: only a candidate of this term is elected");
  assert(raft.vote === raft.id, "F1: it voted for itself");
  raft.reset(raft.term);
  raft.state = "leader";
  raft.leader = raft.id;
  const own = assertDefined(raft.progress.get(raft.id), "a leader is a member when it is elected");
  own.becomeReplicate();
  own.recentActive = true;
  // A change of the membership may be among the entries that are not applied yet: none is proposed before they are.
  raft.pendingConfIndex = raft.log.lastIndex();
  const appended = appendOwn(raft, [NO_OP]);
  assert(appended, "F2: an empty entry is never refused");
  raft.traceState();
}
