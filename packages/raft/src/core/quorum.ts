/**
 * quorum.ts: what a majority, or two majorities at once, agree on.
 *
 * Pure. A configuration is its voters and, while it is joint, its outgoing voters; then both majorities must agree.
 * Invariants:
 *   Q1  an empty set of voters agrees to everything, so that it does not matter in a joint decision
 *   Q2  a decision that is won or lost stays so, whatever the missing votes will be
 * Source: Raft paper section 5.4.2 (commit), thesis section 4.3 (joint consensus).
 */
import { assertDefined } from "../assert.js";

/** The outcome of a vote so far. */
export type VoteResult = "won" | "lost" | "pending";

/** What an empty quorum has committed. */
export const COMMITTED_ALL = Number.MAX_SAFE_INTEGER;

/** The voters of a configuration; `votersOutgoing` is empty unless it is joint. */
export interface JointVoters {
  readonly voters: readonly number[];
  readonly votersOutgoing: readonly number[];
}

/** The highest index that more than half of `voters` have reached; `reached` gives 0 for a silent one. */
export function majorityIndex(voters: readonly number[], reached: (id: number) => number): number {
  if (voters.length === 0) return COMMITTED_ALL;
  const ascending: number[] = [];
  for (const id of voters) {
    const index = reached(id);
    let at = ascending.length;
    while (at > 0 && (ascending[at - 1] ?? 0) > index) {
      ascending[at] = ascending[at - 1] ?? 0;
      at--;
    }
    ascending[at] = index;
  }
  const majority = Math.floor(voters.length / 2) + 1;
  return assertDefined(ascending[voters.length - majority], "a majority is not larger than the set");
}

/** The highest index that both majorities have reached. */
export function jointIndex(config: JointVoters, reached: (id: number) => number): number {
  const incoming = majorityIndex(config.voters, reached);
  return config.votersOutgoing.length === 0
    ? incoming
    : Math.min(incoming, majorityIndex(config.votersOutgoing, reached));
}

/** The outcome among `voters`; `voteOf` gives undefined for one that has not answered. */
export function majorityVote(voters: readonly number[], voteOf: (id: number) => boolean | undefined): VoteResult {
  if (voters.length === 0) return "won";
  let granted = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = voteOf(id);
    if (vote === undefined) missing++;
    else if (vote) granted++;
  }
  const majority = Math.floor(voters.length / 2) + 1;
  if (granted >= majority) return "won";
  return granted + missing >= majority ? "pending" : "lost";
}

/** The outcome that needs both majorities. */
export function jointVote(config: JointVoters, voteOf: (id: number) => boolean | undefined): VoteResult {
  const incoming = majorityVote(config.voters, voteOf);
  const outgoing = majorityVote(config.votersOutgoing, voteOf);
  if (incoming === outgoing) return incoming;
  return incoming === "lost" || outgoing === "lost" ? "lost" : "pending";
}
