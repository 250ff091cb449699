/** quorum.ts: what a majority has reached or said; in a joint configuration, a majority of both halves. Raft paper section 5, thesis 4.3. */
import type { ConfState } from "./types.js";

export type Acked = (id: number) => number;

const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** Highest index that a majority has reached. An empty set agrees to anything. */
export function majorityCommitted(voters: readonly number[], acked: Acked): number {
  if (voters.length === 0) return NO_LIMIT;
  const reached = voters.map(acked).sort((left, right) => right - left);
  return reached[Math.floor(voters.length / 2)] ?? 0;
}

export type VoteResult = "won" | "lost" | "pending";

/** Whether an election is decided by the votes so far. */
export function voteResult({ voters, votersOutgoing }: ConfState, votes: ReadonlyMap<number, boolean>): VoteResult {
  const halves = [majorityVote(voters, votes), majorityVote(votersOutgoing, votes)];
  if (halves.includes("lost")) return "lost";
  return halves.includes("pending") ? "pending" : "won";
}

function majorityVote(voters: readonly number[], votes: ReadonlyMap<number, boolean>): VoteResult {
  const needed = voters.length === 0 ? 0 : Math.floor(voters.length / 2) + 1;
  const yes = voters.filter((id) => votes.get(id) === true).length;
  const no = voters.filter((id) => votes.get(id) === false).length;
  if (yes >= needed) return "won";
  return voters.length - no < needed ? "lost" : "pending";
}
