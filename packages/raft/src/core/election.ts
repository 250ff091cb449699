/**
 * election.ts: standing for election, asking for votes and giving them.
 *
 * Invariants:
 *   V1  one vote per term, and none for a candidate whose log is behind this one
 *   V2  with checkQuorum, a node that has heard its leader within an election timeout neither votes nor learns a term
 *       from a candidate, unless that leader itself handed over
 *   V3  a pre-vote promises nothing and changes nothing
 *   V4  nobody stands while a change of the membership is committed and not applied here: it might not be a voter
 * Source: Raft paper sections 5.2 and 5.4.1; thesis sections 3.10 (transfer), 4.2.3 (disruptive servers), 9.6 (pre-vote).
 */
import { assert } from "../assert.js";
import { CAMPAIGN_TRANSFER, EntryType, type Message } from "../types.js";
import { allVoters } from "./configuration.js";
import { jointVote } from "./quorum.js";
import { broadcastAppend } from "./replication.js";
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate } from "./roles.js";
import type { RaftState } from "./state.js";

/** How a node stands: it asks first, it means it, or its leader told it to. */
export type CampaignKind = "preVote" | "election" | "transfer";

/** Stands for election, if this node may. */
export function startElection(raft: RaftState, kind: CampaignKind): void {
  if (raft.state === "leader" || !raft.isPromotable() || hasUnappliedConfChange(raft)) return;
  campaign(raft, kind);
}

/** Starts an election as the configuration says: timeouts and hosts call this. */
export function startOwnElection(raft: RaftState): void {
  startElection(raft, raft.options.preVote ? "preVote" : "election");
}

function campaign(raft: RaftState, kind: CampaignKind): void {
  const isPreVote = kind === "preVote";
  if (isPreVote) becomePreCandidate(raft);
  else becomeCandidate(raft);
  const term = isPreVote ? raft.term + 1 : raft.term;
  const lastIndex = raft.log.lastIndex();
  const lastTerm = raft.log.lastTerm();
  for (const id of allVoters(raft.config)) {
    if (id === raft.id) {
      // It counts its own vote as it counts others: once that vote is durable.
      const ownVote = raft.compose(isPreVote ? "MsgPreVoteResp" : "MsgVoteResp", id);
      ownVote.term = term;
      raft.post(ownVote);
      continue;
    }
    const request = raft.compose(isPreVote ? "MsgPreVote" : "MsgVote", id);
    request.term = term;
    request.index = lastIndex;
    request.logTerm = lastTerm;
    request.context = kind === "transfer" ? CAMPAIGN_TRANSFER : null;
    raft.post(request);
  }
}

/** V4. Reads page by page: the entries may be many. */
function hasUnappliedConfChange(raft: RaftState): boolean {
  const end = raft.log.committed + 1;
  let next = raft.log.applied + 1;
  while (next < end) {
    const page = raft.log.slice(next, end, raft.options.maxCommittedSizePerReady);
    if (page === "pending") return true; // Not known yet: the next timeout asks again.
    assert(page !== "compacted", "entries are compacted only after they were applied");
    if (page.some((entry) => entry.type !== EntryType.normal)) return true;
    next += page.length;
  }
  return false;
}

/** Whether a request for a vote of a higher term must be ignored (V2). */
export function ignoresCandidate(raft: RaftState, message: Message): boolean {
  if (!raft.options.checkQuorum || message.context === CAMPAIGN_TRANSFER) return false;
  return raft.leader !== 0 && raft.electionElapsed < raft.options.electionTicks;
}

/** Answers a request of at least this term. */
export function handleVoteRequest(raft: RaftState, message: Message): void {
  const isPreVote = message.type === "MsgPreVote";
  const isFree =
    raft.vote === message.from || (raft.vote === 0 && raft.leader === 0) || (isPreVote && message.term > raft.term);
  const granted = isFree && raft.log.isUpToDate(message.index, message.logTerm); // V1
  const answer = raft.compose(isPreVote ? "MsgPreVoteResp" : "MsgVoteResp", message.from);
  // A granted pre-vote answers in the term that was asked for: the candidate's own term is older.
  answer.term = granted ? message.term : raft.term;
  answer.reject = !granted;
  raft.post(answer);
  if (!granted || isPreVote) return; // V3
  assert(message.term === raft.term, "a vote is given in the current term");
  raft.electionElapsed = 0;
  raft.vote = message.from;
}

/** Refuses a pre-vote of a former term, so that its sender learns the present one. */
export function refuseOldPreVote(raft: RaftState, message: Message): void {
  const answer = raft.compose("MsgPreVoteResp", message.from);
  answer.term = raft.term;
  answer.reject = true;
  raft.post(answer);
}

/** Counts an answer to this candidate's requests. */
export function handleVoteResponse(raft: RaftState, message: Message): void {
  assert(raft.state === "candidate" || raft.state === "preCandidate", "only candidates count votes");
  if (!raft.votes.has(message.from)) raft.votes.set(message.from, !message.reject);
  const result = jointVote(raft.config, (id) => raft.votes.get(id));
  if (result === "lost") becomeFollower(raft, raft.term, 0);
  if (result !== "won") return;
  if (raft.state === "preCandidate") {
    campaign(raft, "election");
    return;
  }
  becomeLeader(raft);
  broadcastAppend(raft);
}
