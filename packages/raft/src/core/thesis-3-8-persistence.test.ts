/**
 * thesis-3-8-persistence.test.ts: what must be stored before it is told, as section 3.8 of the Raft thesis has it, for
 * the one case that the core leaves to hosts with asynchronous storage: requests for votes.
 */
import { describe, expect, test } from "vitest";
import { assertDefined } from "../assert.js";
import { TestCluster } from "../testing/test-cluster.js";

/**
 * Entry 2 is committed by nodes 1 and 2; node 3 has it in memory only when it stands, and loses it in a crash. The answer
 * of node 2 to that first candidacy, if it was asked, arrives during the second one, of the same term.
 */
function standTwice(requestsWait: boolean): TestCluster {
  const cluster = new TestCluster([1, 2, 3]).campaign(1);
  cluster.node(3).diskStopped = true;
  cluster.propose(1, "a");
  expect(cluster.raft(1).commit).toBe(2);
  expect(cluster.raft(3).lastIndex).toBe(2);
  cluster.isolate(1);
  cluster.filter = ({ type }) => type !== "MsgVoteResp" && !(requestsWait && type === "MsgVote");
  cluster.campaign(3);
  const granted = cluster.sentOf("MsgVoteResp").filter(({ from, to, reject }) => from === 2 && to === 3 && !reject);
  cluster.node(3).restart();
  cluster.filter = ({ type }) => type !== "MsgVoteResp";
  cluster.campaign(3);
  for (const answer of granted) cluster.raft(3).step(answer);
  return cluster.settle();
}

describe("a candidate that crashes and stands again in the same term", () => {
  test("does not win with what was said of a log that it lost, if its requests waited for the disk", () => {
    const cluster = standTwice(true);
    expect(cluster.raft(3)).toMatchObject({ state: "candidate", term: 2 });
  });

  test("wins without a committed entry, if its requests left before: hosts must hold them", () => {
    const cluster = standTwice(false);
    expect(cluster.raft(3)).toMatchObject({ state: "leader", term: 2 });
    expect(assertDefined(cluster.node(3).storage.allEntries()[1], "its first entry").term).toBe(2);
    expect(assertDefined(cluster.node(2).storage.allEntries()[1], "the committed entry").term).toBe(1);
  });

  test("finds its requests in a Ready that also has the write to wait for", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.raft(1).campaign();
    expect(
      cluster
        .raft(1)
        .ready()
        .messages.map(({ type, term, vote }) => [type, term, vote]),
    ).toEqual([
      ["MsgVote", 1, 0],
      ["MsgVote", 1, 0],
      ["MsgStorageAppend", 1, 1],
    ]);
  });
});
