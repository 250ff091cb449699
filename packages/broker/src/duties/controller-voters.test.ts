import { describe, expect, test } from "vitest";
import { wantedVoters } from "./controller-voters.js";

interface Facts {
  readonly members: number;
  readonly voters: readonly number[];
  readonly leaving?: readonly number[];
  readonly dead?: readonly number[];
  readonly behind?: readonly number[];
}

function wanted({ members, voters, leaving = [], dead = [], behind = [] }: Facts): number[] {
  const all = Array.from({ length: members }, (_, at) => ({ replicaId: at + 1, leaving: leaving.includes(at + 1) }));
  return wantedVoters(all, {
    isVoter: (id) => voters.includes(id),
    isCaughtUp: (id) => !behind.includes(id) && !dead.includes(id),
    isDead: (id) => dead.includes(id),
  });
}

describe("the voters of the controller", () => {
  test.each([
    { why: "one broker votes alone", facts: { members: 1, voters: [1] }, want: [1] },
    { why: "three of four vote", facts: { members: 4, voters: [1, 2, 3] }, want: [1, 2, 3] },
    { why: "five of six vote", facts: { members: 6, voters: [1, 2, 3] }, want: [1, 2, 3, 4, 5] },
    { why: "only who has caught up joins", facts: { members: 5, voters: [1, 2, 3], behind: [4] }, want: [1, 2, 3, 5] },
    {
      why: "a learner takes the place of a dead voter",
      facts: { members: 4, voters: [1, 2, 3], dead: [2] },
      want: [1, 3, 4],
    },
    {
      why: "a dead voter stays while nobody can take its place",
      facts: { members: 3, voters: [1, 2, 3], dead: [2] },
      want: [1, 2, 3],
    },
    {
      why: "who is leaving goes, and another comes",
      facts: { members: 4, voters: [1, 2, 3], leaving: [1] },
      want: [2, 3, 4],
    },
    {
      why: "with five becoming four, three vote",
      facts: { members: 5, voters: [1, 2, 3, 4, 5], leaving: [5] },
      want: [1, 2, 3],
    },
    { why: "dead learners are not chosen", facts: { members: 5, voters: [1, 2, 3], dead: [4] }, want: [1, 2, 3, 5] },
  ])("$why", ({ facts, want }) => expect(wanted(facts)).toEqual(want));
});
