/**
 * read-index.test.ts: linearizable reads, as section 6.4 of the Raft thesis has them.
 */
import { describe, expect, test } from "vitest";
import { testChange, testConf } from "../testing/samples.js";
import { TestCluster } from "../testing/test-cluster.js";
import { READS_MAX } from "./read-queue.js";

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

  test("confirms many reads with one round: an answer to the newest heartbeat releases all before it", () => {
    const cluster = threeNodes();
    for (const context of ["a", "b", "c"]) cluster.raft(1).readIndex(context);
    cluster.filter = ({ type, context }) => type !== "MsgHeartbeat" || context === 3;
    cluster.settle();
    expect(cluster.sentOf("MsgHeartbeatResp").map(({ from, context }) => [from, context])).toEqual([
      [2, 3],
      [3, 3],
    ]);
    expect(readsOf(cluster, 1).map(([context]) => context)).toEqual(["a", "b", "c"]);
  });

  test("of five needs two others", () => {
    const cluster = new TestCluster([1, 2, 3, 4, 5]).campaign(1);
    cluster.filter = ({ from, type }) => type !== "MsgHeartbeatResp" || from === 2;
    cluster.raft(1).readIndex("r");
    cluster.settle();
    expect(readsOf(cluster, 1)).toEqual([]);
    cluster.filter = ({ from, type }) => type !== "MsgHeartbeatResp" || from === 4;
    cluster.tick([1], 1);
    expect(readsOf(cluster, 1)).toEqual([["r", 1]]);
  });

  test("does not count learners", () => {
    const cluster = new TestCluster([1, 2, 3], {}, testConf([1, 2], [3])).campaign(1);
    cluster.isolate(2);
    cluster.raft(1).readIndex("r");
    cluster.settle();
    expect(cluster.sentOf("MsgHeartbeatResp").some(({ from }) => from === 3)).toBe(true);
    expect(readsOf(cluster, 1)).toEqual([]);
  });

  test("needs both majorities while the configuration is joint", () => {
    const cluster = new TestCluster([1, 2, 3, 4, 5], {}, testConf([1, 2, 3])).campaign(1);
    cluster.change(1, testChange("v4 v5 r2 r3", "jointExplicit"));
    expect(cluster.raft(1).confState.votersOutgoing).toEqual([1, 2, 3]);
    cluster.cut(1, 2);
    cluster.cut(1, 3);
    cluster.raft(1).readIndex("r");
    cluster.settle();
    expect(readsOf(cluster, 1)).toEqual([]);
    cluster.heal();
    cluster.tick([1], 1);
    expect(readsOf(cluster, 1).map(([context]) => context)).toEqual(["r"]);
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

  test("drops what waits when it loses leadership, and does not answer it when it leads again", () => {
    const cluster = threeNodes();
    cluster.isolate(1);
    cluster.raft(1).readIndex("old");
    cluster.settle();
    cluster.campaign(2);
    cluster.heal();
    cluster.tick([2], 2);
    expect(cluster.raft(1).state).toBe("follower");
    cluster.campaign(1).tick([1], 3);
    expect(cluster.leaders()).toEqual([1]);
    cluster.raft(1).readIndex("new");
    cluster.settle();
    expect(readsOf(cluster, 1)).toEqual([["new", 3]]);
  });

  test("drops what waits for the first entry of its term, too", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.filter = ({ type }) => type !== "MsgAppResp";
    cluster.campaign(1);
    cluster.raft(1).readIndex("old");
    cluster.campaign(2);
    cluster.heal();
    cluster.campaign(1).tick([1], 3);
    expect(cluster.leaders()).toEqual([1]);
    expect(readsOf(cluster, 1)).toEqual([]);
  });
});

test("a leader refuses a read when as many wait as it may keep", () => {
  const { raft } = new TestCluster([1, 2, 3]).campaign(1).node(1);
  for (let at = 0; at < READS_MAX; at++) {
    raft.readIndex(at);
    raft.ready(); // Takes the heartbeats away, which nobody shall answer.
  }
  expect(raft.readIndex("one more")).toBe(false);
});

describe("a follower", () => {
  test("passes a read to its leader and gets the index back", () => {
    const cluster = threeNodes().propose(1, "a", "b");
    expect(cluster.raft(3).readIndex("r")).toBe(true);
    cluster.settle();
    expect(readsOf(cluster, 3)).toEqual([["r", 3]]);
    expect(readsOf(cluster, 1)).toEqual([]);
  });

  test("gets no index before its leader has committed an entry of its own term", () => {
    const cluster = threeNodes().propose(1, "a");
    cluster.filter = ({ type, to }) => type !== "MsgAppResp" || to !== 2;
    cluster.campaign(2);
    expect(cluster.raft(3).leader).toBe(2);
    cluster.raft(3).readIndex("r");
    cluster.settle();
    expect(readsOf(cluster, 3)).toEqual([]);
    cluster.heal();
    cluster.tick([2], 2);
    expect(readsOf(cluster, 3)).toEqual([["r", 3]]);
  });

  test("gets no index from a leader that was deposed meanwhile", () => {
    const cluster = threeNodes();
    cluster.filter = ({ type }) => type !== "MsgHeartbeatResp";
    cluster.raft(3).readIndex("r");
    cluster.settle();
    cluster.campaign(2);
    cluster.heal();
    cluster.tick([2], 2);
    expect(cluster.leaders()).toEqual([2]);
    expect(cluster.sentOf("MsgReadIndex")).toMatchObject([{ from: 3, to: 1 }]);
    expect(readsOf(cluster, 3)).toEqual([]);
  });

  test("without a leader takes none, nor does a candidate", () => {
    const cluster = new TestCluster([1, 2, 3]);
    expect(cluster.raft(2).readIndex("r")).toBe(false);
    cluster.isolate(2);
    cluster.campaign(2);
    expect(cluster.raft(2).state).toBe("candidate");
    expect(cluster.raft(2).readIndex("r")).toBe(false);
  });
});
