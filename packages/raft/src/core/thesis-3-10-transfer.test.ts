/**
 * thesis-3-10-transfer.test.ts: leadership transfer, as section 3.10 of the Raft thesis has it.
 */
import { describe, expect, test } from "vitest";
import { ProposalDropped } from "../errors.js";
import { testChange, testConf, testMessage, testProposal } from "../testing/samples.js";
import { TEST_ELECTION_TICKS, TestCluster } from "../testing/test-cluster.js";
import { CAMPAIGN_TRANSFER } from "../types.js";

/** Three nodes; the first leads. */
function threeNodes(settings: ConstructorParameters<typeof TestCluster>[1] = {}): TestCluster {
  return new TestCluster([1, 2, 3], settings).campaign(1);
}

describe("a transfer", () => {
  test("to a node that has everything is done at once", () => {
    const cluster = threeNodes();
    cluster.raft(1).transferLeader(3);
    cluster.settle();
    expect(cluster.leaders()).toEqual([3]);
    expect(cluster.raft(3).term).toBe(2);
    expect(cluster.raft(1).leader).toBe(3);
  });

  test("to a node that lacks entries brings them first", () => {
    const cluster = threeNodes();
    cluster.isolate(3);
    cluster.propose(1, "a", "b");
    cluster.heal();
    cluster.tick([1], 1);
    cluster.raft(1).transferLeader(3);
    cluster.settle();
    expect(cluster.leaders()).toEqual([3]);
    expect(cluster.node(3).texts()).toEqual(["a", "b"]);
  });

  test("to a node that needs a snapshot brings that first", () => {
    const cluster = threeNodes();
    cluster.isolate(3);
    cluster.propose(1, "a", "b");
    cluster.node(1).compact();
    cluster.heal();
    cluster.raft(1).transferLeader(3);
    cluster.settle().tick([1], 2);
    expect(cluster.leaders()).toEqual([3]);
  });

  test("is asked for through a follower", () => {
    const cluster = threeNodes();
    cluster.raft(2).transferLeader(3);
    cluster.settle();
    expect(cluster.leaders()).toEqual([3]);
    expect(cluster.sentOf("MsgTransferLeader")).toMatchObject([{ from: 3, to: 1 }]);
  });

  test("succeeds although votes are refused while a leader is heard", () => {
    const cluster = threeNodes({ checkQuorum: true, preVote: true });
    cluster.tick([1, 2, 3], 1);
    cluster.raft(1).transferLeader(2);
    cluster.settle();
    expect(cluster.leaders()).toEqual([2]);
    const requests = cluster.sentOf("MsgVote").filter(({ from }) => from === 2);
    expect(requests.every(({ context }) => context === CAMPAIGN_TRANSFER)).toBe(true);
    expect(cluster.sentOf("MsgPreVote").filter(({ from }) => from === 2)).toEqual([]);
  });

  test.each([
    { why: "to the leader itself", to: 1 },
    { why: "to a stranger", to: 9 },
  ])("does nothing $why", ({ to }) => {
    const cluster = threeNodes();
    cluster.raft(1).transferLeader(to);
    cluster.settle();
    expect(cluster.raft(1)).toMatchObject({ state: "leader", term: 1, transferee: 0 });
    expect(cluster.sentOf("MsgTimeoutNow")).toEqual([]);
  });

  test("does nothing to a learner", () => {
    const cluster = new TestCluster([1, 2, 3], {}, testConf([1, 2], [3])).campaign(1);
    cluster.raft(1).transferLeader(3);
    cluster.settle();
    expect(cluster.leaders()).toEqual([1]);
    expect(cluster.raft(1).transferee).toBe(0);
  });

  test("to the same node again does not start it again", () => {
    const cluster = threeNodes();
    cluster.isolate(3);
    for (let at = 0; at < 3; at++) cluster.raft(1).transferLeader(3);
    cluster.settle();
    expect(cluster.sentOf("MsgTimeoutNow")).toHaveLength(1);
  });

  test("to another node replaces the one under way", () => {
    const cluster = threeNodes();
    cluster.isolate(3);
    cluster.raft(1).transferLeader(3);
    cluster.settle();
    cluster.raft(1).transferLeader(2);
    cluster.settle();
    expect(cluster.leaders()).toEqual([2]);
  });
});

describe("while a transfer is under way", () => {
  function stuckTransfer(): TestCluster {
    const cluster = threeNodes();
    cluster.isolate(3);
    cluster.raft(1).transferLeader(3);
    return cluster.settle();
  }

  test("nothing is proposed, so that the next leader can have everything", () => {
    const cluster = stuckTransfer();
    expect(cluster.raft(1).transferee).toBe(3);
    expect(() => cluster.raft(1).propose([testProposal("x")])).toThrow(ProposalDropped);
    expect(cluster.raft(1).lastIndex).toBe(1);
  });

  test("an election timeout ends it, and proposals are taken again", () => {
    const cluster = stuckTransfer();
    cluster.tick([1, 2], TEST_ELECTION_TICKS);
    expect(cluster.raft(1)).toMatchObject({ state: "leader", transferee: 0 });
    cluster.propose(1, "x");
    expect(cluster.node(2).texts()).toEqual(["x"]);
  });

  test("a new term ends it", () => {
    const cluster = stuckTransfer();
    cluster.campaign(2);
    expect(cluster.raft(1)).toMatchObject({ state: "follower", transferee: 0 });
  });

  test("the removal of its target ends it", () => {
    const cluster = threeNodes();
    cluster.raft(1).proposeConfChange({ type: "removeNode", nodeId: 3, context: new Uint8Array(0) });
    cluster.isolate(3);
    cluster.raft(1).transferLeader(3);
    cluster.settle();
    expect(cluster.raft(1).transferee).toBe(0);
    expect(cluster.raft(1).confState.voters).toEqual([1, 2]);
  });
});

test("a removed node that is told to stand does not", () => {
  const cluster = threeNodes();
  cluster.change(1, { type: "removeNode", nodeId: 3, context: new Uint8Array(0) });
  cluster.raft(3).applyConfChange({ type: "removeNode", nodeId: 3, context: new Uint8Array(0) });
  cluster.raft(3).step(testMessage("MsgTimeoutNow", 1, 3, { term: 1 }));
  expect(cluster.raft(3).state).toBe("follower");
});

test("a joint configuration that waited for a transfer is left when the transfer is given up, without a further entry", () => {
  const cluster = new TestCluster([1, 2, 3]).campaign(1);
  cluster.isolate(3);
  cluster.raft(1).proposeConfChange(testChange("r2 l2", "jointImplicit"));
  cluster.raft(1).transferLeader(3);
  cluster.settle();
  expect(cluster.raft(1).confState.votersOutgoing).toEqual([1, 2, 3]);
  cluster.tick([1, 2], TEST_ELECTION_TICKS - 1);
  expect(cluster.raft(1).transferee).toBe(3);
  cluster.heal();
  cluster.filter = ({ type }) => type !== "MsgTimeoutNow";
  cluster.tick([1, 2, 3], TEST_ELECTION_TICKS);
  expect(cluster.leaders()).toEqual([1]);
  expect(cluster.raft(1).confState).toEqual(testConf([1, 3], [2]));
});
