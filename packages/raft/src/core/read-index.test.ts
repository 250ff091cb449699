/**
 * read-index.test.ts: linearizable reads, as section 6.4 of the Raft thesis has them.
 */
import { describe, expect, test } from "vitest";
import { TestCluster } from "../testing/test-cluster.js";

function threeNodes(): TestCluster {
  return new TestCluster([1, 2, 3]).campaign(1);
}

/** Contexts and indexes of the reads that were released to that node. */
function readsOf(cluster: TestCluster, id: number): readonly (readonly [unknown, number])[] {
  return cluster.node(id).reads.map(({ context, index }) => [context, index] as const);
}

describe("a leader", () => {
  test("releases a read after a quorum answered a heartbeat that left after it", () => {
    const cluster = threeNodes().propose(1, "a");
    const start = cluster.sent.length;
    expect(cluster.raft(1).readIndex("r")).toBe(true);
    expect(readsOf(cluster, 1)).toEqual([]);
    cluster.settle();
    expect(readsOf(cluster, 1)).toEqual([["r", 2]]);
    expect(cluster.sentOf("MsgHeartbeat", start).map(({ to }) => to)).toEqual([2, 3]);
  });

  test("releases nothing while it hears no quorum, and everything once it does", () => {
    const cluster = threeNodes();
    cluster.isolate(1);
    cluster.raft(1).readIndex("r");
    cluster.settle().tick([1], 3);
    expect(readsOf(cluster, 1)).toEqual([]);
    cluster.heal();
    cluster.tick([1], 1);
    expect(readsOf(cluster, 1)).toEqual([["r", 1]]);
  });

  test("is not confirmed by an answer to an older heartbeat", () => {
    const cluster = threeNodes();
    cluster.filter = ({ type }) => type !== "MsgHeartbeatResp";
    cluster.tick([1], 1);
    cluster.raft(1).readIndex("r");
    cluster.settle();
    const old = cluster.sentOf("MsgHeartbeatResp").find(({ from, context }) => from === 2 && context === null);
    expect(old).toBeDefined();
    if (old !== undefined) cluster.raft(1).step(old);
    cluster.settle();
    expect(readsOf(cluster, 1)).toEqual([]);
  });

  test("confirms many reads with one round", () => {
    const cluster = threeNodes();
    for (const context of ["a", "b", "c"]) cluster.raft(1).readIndex(context);
    cluster.settle();
    expect(readsOf(cluster, 1).map(([context]) => context)).toEqual(["a", "b", "c"]);
    const answers = cluster.sentOf("MsgHeartbeatResp").filter(({ from }) => from === 2);
    const confirming = answers.find(({ context }) => context === 3);
    expect(confirming, "the newest number confirms all before it").toBeDefined();
  });

  test("waits for the first entry of its term to be committed: it may not know all that its predecessors committed", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.filter = ({ type }) => type !== "MsgAppResp";
    cluster.campaign(1);
    expect(cluster.raft(1).state).toBe("leader");
    cluster.raft(1).readIndex("early");
    cluster.settle().tick([1], 2);
    expect(readsOf(cluster, 1)).toEqual([]);
    cluster.heal();
    cluster.tick([1], 2);
    expect(readsOf(cluster, 1)).toEqual([["early", 1]]);
  });

  test("gives the commit index at the read's arrival, not a later one", () => {
    const cluster = threeNodes().propose(1, "a");
    cluster.filter = ({ type }) => type !== "MsgHeartbeatResp";
    cluster.raft(1).readIndex("r");
    cluster.settle().propose(1, "b", "c");
    cluster.heal();
    cluster.tick([1], 1);
    expect(readsOf(cluster, 1)).toEqual([["r", 2]]);
  });

  test("of one node answers at once", () => {
    const cluster = new TestCluster([1]).campaign(1);
    cluster.raft(1).readIndex("r");
    cluster.settle();
    expect(readsOf(cluster, 1)).toEqual([["r", 1]]);
  });

  test("drops what waits when it loses leadership", () => {
    const cluster = threeNodes();
    cluster.isolate(1);
    cluster.raft(1).readIndex("r");
    cluster.settle();
    cluster.campaign(2);
    cluster.heal();
    cluster.tick([2], 1);
    cluster.tick([1, 2], 3);
    expect(cluster.raft(1).state).toBe("follower");
    expect(readsOf(cluster, 1)).toEqual([]);
  });
});

describe("a follower", () => {
  test("passes a read to its leader and gets the index back", () => {
    const cluster = threeNodes().propose(1, "a", "b");
    expect(cluster.raft(3).readIndex("r")).toBe(true);
    cluster.settle();
    expect(readsOf(cluster, 3)).toEqual([["r", 3]]);
    expect(readsOf(cluster, 1)).toEqual([]);
  });

  test("without a leader takes none", () => {
    const cluster = new TestCluster([1, 2, 3]);
    expect(cluster.raft(2).readIndex("r")).toBe(false);
  });
});
