/**
 * quorum.test.ts: majorities, alone and joint, against slow and obvious models.
 */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { COMMITTED_ALL, jointIndex, jointVote, majorityIndex, majorityVote, type VoteResult } from "./quorum.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const ROUNDS = 8_000;

/** A random set of voters out of nine nodes. */
function randomVoters(prng: Prng, countMin: number): number[] {
  const count = prng.between(countMin, 7);
  const ids = new Set<number>();
  while (ids.size < count) ids.add(prng.between(1, 9));
  return [...ids];
}

/** The highest index that a majority reached, by trying all. */
function obviousIndex(voters: readonly number[], reached: ReadonlyMap<number, number>): number {
  const isHeld = (index: number): boolean =>
    2 * voters.filter((id) => (reached.get(id) ?? 0) >= index).length > voters.length;
  let best = 0;
  for (let index = 0; index <= 10; index++) if (isHeld(index)) best = index;
  return best;
}

/** The outcome of a vote, by trying all ways in which the missing votes could come in. */
function obviousVote(voters: readonly number[], votes: ReadonlyMap<number, boolean>): VoteResult {
  const missing = voters.filter((id) => !votes.has(id));
  const given = voters.filter((id) => votes.get(id) === true).length;
  const isWon = (extra: number): boolean => voters.length === 0 || 2 * (given + extra) > voters.length;
  if (isWon(0)) return "won";
  return isWon(missing.length) ? "pending" : "lost";
}

describe("majorityIndex", () => {
  test.each([
    { why: "one voter decides alone", reached: [7], want: 7 },
    { why: "two voters must both have it", reached: [9, 3], want: 3 },
    { why: "two of three are enough", reached: [9, 5, 1], want: 5 },
    { why: "two of four are not", reached: [9, 9, 3, 3], want: 3 },
    { why: "a silent voter counts as 0", reached: [0, 4, 4], want: 4 },
    { why: "silent voters hold everything back", reached: [0, 0, 8], want: 0 },
    { why: "three of five", reached: [1, 2, 3, 4, 5], want: 3 },
  ])("$why: $reached -> $want", ({ reached, want }) => {
    const ids = reached.map((_, at) => at + 1);
    expect(majorityIndex(ids, (id) => reached[id - 1] ?? 0)).toBe(want);
  });

  test("nobody commits everything, so that an empty set does not matter in a joint decision", () => {
    expect(majorityIndex([], () => 0)).toBe(COMMITTED_ALL);
    expect(jointIndex({ voters: [1], votersOutgoing: [] }, () => 5)).toBe(5);
  });

  test(`agrees with a slow, obvious model, also joint (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const voters = randomVoters(prng, 1);
      const votersOutgoing = randomVoters(prng, 1);
      const reached = new Map([...voters, ...votersOutgoing].map((id) => [id, prng.between(0, 9)]));
      const of = (id: number): number => reached.get(id) ?? 0;
      const want = obviousIndex(voters, reached);
      expect(majorityIndex(voters, of), `round ${round}`).toBe(want);
      const jointly = Math.min(want, obviousIndex(votersOutgoing, reached));
      expect(jointIndex({ voters, votersOutgoing }, of), `round ${round}`).toBe(jointly);
      expect(jointIndex({ voters: votersOutgoing, votersOutgoing: voters }, of)).toBe(jointly);
    }
  });
});

describe("majorityVote", () => {
  test.each<{ why: string; votes: (boolean | undefined)[]; want: VoteResult }>([
    { why: "nobody asked wins", votes: [], want: "won" },
    { why: "nobody answered", votes: [undefined, undefined, undefined], want: "pending" },
    { why: "two of three granted", votes: [true, true, undefined], want: "won" },
    { why: "two of three refused", votes: [false, false, undefined], want: "lost" },
    { why: "one each", votes: [true, false, undefined], want: "pending" },
    { why: "half of four is no majority", votes: [true, true, false, false], want: "lost" },
    { why: "half of four may become one", votes: [true, true, false, undefined], want: "pending" },
  ])("$why: $votes -> $want", ({ votes, want }) => {
    const ids = votes.map((_, at) => at + 1);
    expect(majorityVote(ids, (id) => votes[id - 1])).toBe(want);
  });

  test(`agrees with a slow, obvious model, also joint (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const voters = randomVoters(prng, 0);
      const votersOutgoing = randomVoters(prng, 0);
      const votes = new Map<number, boolean>();
      for (const id of [...voters, ...votersOutgoing]) if (prng.chance(0.7)) votes.set(id, prng.chance(0.5));
      const voteOf = (id: number): boolean | undefined => votes.get(id);
      const incoming = obviousVote(voters, votes);
      const outgoing = obviousVote(votersOutgoing, votes);
      expect(majorityVote(voters, voteOf), `round ${round}`).toBe(incoming);
      const isLost = incoming === "lost" || outgoing === "lost";
      const want = isLost ? "lost" : incoming === "won" && outgoing === "won" ? "won" : "pending";
      expect(jointVote({ voters, votersOutgoing }, voteOf), `round ${round}`).toBe(want);
    }
  });

  test(`a decision never changes when further votes come in (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    for (let round = 0; round < ROUNDS / 10; round++) {
      const voters = randomVoters(prng, 1);
      const votes = new Map<number, boolean>();
      let decided: VoteResult = "pending";
      for (const id of voters) {
        votes.set(id, prng.chance(0.5));
        const now = majorityVote(voters, (other) => votes.get(other));
        if (decided !== "pending") expect(now).toBe(decided);
        decided = now;
      }
      expect(decided).not.toBe("pending");
    }
  });
});
