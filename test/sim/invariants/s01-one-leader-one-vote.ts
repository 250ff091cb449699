/**
 * s01-one-leader-one-vote.ts: at most one leader per group and term, and a replica's vote in a term never changes, also not over a crash: what
 * others have been told is what counts.
 *
 * Source: Raft paper, figure 3, "Election Safety"; figure 2, RequestVote and "persistent state on all servers".
 */
import type { MessageHead } from "@varve/broker/testing";
import { hold } from "../violation.js";

export class OneLeaderOneVote {
  private readonly leaders = new Map<string, number>();
  private readonly votes = new Map<string, number>();

  /** A replica shows itself as leader. */
  onLeader(groupId: number, term: number, replicaId: number): void {
    const key = `${groupId}/${term}`;
    const first = this.leaders.get(key) ?? replicaId;
    hold("S1", first === replicaId, () => `group ${groupId} term ${term}: ${first} and ${replicaId} lead`);
    this.leaders.set(key, replicaId);
  }

  /** A message leaves a replica. */
  onSent({ type, groupId, term, from, to, reject }: MessageHead): void {
    if (type === "MsgVote") this.note(groupId, term, from, from);
    else if (type === "MsgVoteResp" && !reject) this.note(groupId, term, from, to);
  }

  private note(groupId: number, term: number, voter: number, candidate: number): void {
    const key = `${groupId}/${term}/${voter}`;
    const first = this.votes.get(key) ?? candidate;
    hold(
      "S1",
      first === candidate,
      () => `group ${groupId} term ${term}: ${voter} votes for ${first} and ${candidate}`,
    );
    this.votes.set(key, candidate);
  }
}
