import { expect, test } from "vitest";
import { controllerProblem, partitionProblem } from "./replica-problems.js";

const seat = (replicaId: number, leaving = false) => ({ replicaId, leaving });
const SEATS = [seat(1), seat(2), seat(3), seat(4)];

test.each([
  { what: "all voters and the learner have everything", voters: [1, 2, 3], inSync: [1, 2, 3, 4], problem: null },
  { what: "the learner is being caught up", voters: [1, 2, 3], inSync: [1, 2, 3], problem: /has 3 of 4 replicas/ },
  { what: "other three vote than at first", voters: [2, 3, 4], inSync: [1, 2, 3, 4], problem: null },
  { what: "a voter is behind", voters: [1, 2, 3], inSync: [1, 2, 4], problem: /has 3 of 4 replicas/ },
  {
    what: "a third one does not vote yet",
    voters: [1, 2],
    inSync: [1, 2, 3, 4],
    problem: /has 2 of 3 voters/,
  },
])("the controller, when $what: $problem", ({ voters, inSync, problem }) => {
  const told = controllerProblem({ voters, inSync }, SEATS);
  if (problem === null) expect(told).toBeNull();
  else expect(told).toMatch(problem);
});

test("a replica of the controller that leaves is missed by nobody; a controller without a leader is a problem", () => {
  expect(controllerProblem({ voters: [1, 2, 3], inSync: [1, 2, 3] }, [...SEATS.slice(0, 3), seat(4, true)])).toBeNull();
  expect(controllerProblem(undefined, SEATS)).toMatch(/has no leader/);
});

test.each([
  { what: "all vote and have everything", voters: [7, 8, 9], inSync: [7, 8, 9], problem: null },
  { what: "one has everything and does not vote", voters: [7, 8], inSync: [7, 8, 9], problem: /2 of 3/ },
  { what: "one votes and is behind", voters: [7, 8, 9], inSync: [7, 8], problem: /2 of 3/ },
])("a partition, when $what: $problem", ({ voters, inSync, problem }) => {
  const replicas = [7, 8, 9].map((replicaId) => ({ replicaId, brokerId: replicaId, directoryId: `${replicaId}` }));
  const told = partitionProblem({ voters, inSync }, { replicas, leaving: [] });
  if (problem === null) expect(told).toBeNull();
  else expect(told).toMatch(problem);
});

test("a partition without a leader is a problem", () => {
  expect(partitionProblem(undefined, { replicas: [], leaving: [] })).toMatch(/has no leader/);
});
