/**
 * vote-once.ts: a replica's vote in a term never changes, also not over a crash: what others have been told is what counts.
 *
 * Source: Raft paper, figure 2, RequestVote and "persistent state on all servers".
 */
import type { Message } from "raft-ts";
import { hold } from "../violation.js";

export class VoteOnce {
  private readonly votes = new Map<string, number>();

  /** A message that leaves a replica. */
  onSent(groupId: number, message: Message): void {
    if (message.type === "MsgVote") this.note(groupId, message.term, message.from, message.from);
    else if (message.type === "MsgVoteResp" && !message.reject)
      this.note(groupId, message.term, message.from, message.to);
  }

  private note(groupId: number, term: number, voter: number, candidate: number): void {
    const key = `${groupId}/${term}/${voter}`;
    const first = this.votes.get(key) ?? candidate;
    hold(
      "vote-once",
      first === candidate,
      () => `group ${groupId} term ${term}: ${voter} votes for ${first} and ${candidate}`,
    );
    this.votes.set(key, candidate);
  }
}
