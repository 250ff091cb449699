/**
 * paper-5-1-terms.test.ts: terms and roles, as section 5.1 of the Raft paper has them.
 */
import { describe, expect, test } from "vitest";
import { MemoryStorage } from "../testing/memory-storage.js";
import { testConf, testEntry, testLog, testMessage } from "../testing/samples.js";
import { TEST_ELECTION_TICKS, TestCluster, TestNode } from "../testing/test-cluster.js";
import type { Message, MessageType, NodeState } from "../types.js";

/** Node 1 of three, brought into a role in its term 1 (a follower: in term 1, too). */
function nodeAs(state: NodeState): TestNode {
  const preVote = state === "preCandidate";
  const storage = MemoryStorage.withEntries(testConf([1, 2, 3]), [], { term: 1, vote: 0, commit: 0 });
  const node = new TestNode(1, storage, { preVote });
  if (state === "follower") return node;
  if (!preVote) storage.hardState = { term: 0, vote: 0, commit: 0 };
  node.restart();
  node.raft.campaign();
  run(node);
  if (state === "leader") node.raft.step(testMessage("MsgVoteResp", 2, 1, { term: 1 }));
  run(node);
  return node;
}

/** Does all work of a single node; returns what it sent to others. */
function run(node: TestNode): Message[] {
  const sent: Message[] = [];
  for (let round = 0; round < 10; round++) {
    for (const message of [...node.takeMessages(), ...node.work()]) {
      if (message.to === node.id) node.raft.step(message);
      else sent.push(message);
    }
  }
  return sent;
}

const ROLES: readonly NodeState[] = ["follower", "preCandidate", "candidate", "leader"];

test.each(ROLES)("the test set-up brings a node into the role of %s in term 1", (state) => {
  expect(nodeAs(state).raft).toMatchObject({ state, term: 1 });
});

describe("a message of a higher term", () => {
  test.each(ROLES)("makes a %s a follower of that term", (state) => {
    const node = nodeAs(state);
    node.raft.step(testMessage("MsgApp", 2, 1, { term: 7 }));
    expect(node.raft).toMatchObject({ state: "follower", term: 7, leader: 2, vote: 0 });
  });

  test.each(["MsgAppResp", "MsgHeartbeatResp", "MsgVoteResp"] as const)("in an answer (%s) names no leader", (type) => {
    const node = nodeAs("leader");
    node.raft.step(testMessage(type, 2, 1, { term: 7 }));
    expect(node.raft).toMatchObject({ state: "follower", term: 7, leader: 0 });
  });

  test("is remembered before it is answered", () => {
    const node = nodeAs("follower");
    node.raft.step(testMessage("MsgApp", 2, 1, { term: 7 }));
    node.diskStopped = true;
    expect([...node.takeMessages(), ...node.work()]).toEqual([]);
    node.diskStopped = false;
    const [answer] = node.work();
    expect(answer).toMatchObject({ type: "MsgAppResp", to: 2, term: 7 });
    expect(node.storage.hardState.term).toBe(7);
  });
});

describe("a message of a lower term", () => {
  test.each<MessageType>([
    "MsgApp",
    "MsgHeartbeat",
    "MsgSnap",
    "MsgVote",
    "MsgAppResp",
    "MsgVoteResp",
    "MsgTimeoutNow",
  ])("%s changes nothing", (type) => {
    const node = nodeAs("follower");
    node.raft.step(testMessage("MsgApp", 2, 1, { term: 7 }));
    run(node);
    node.raft.step(testMessage(type, 3, 1, { term: 3, index: 0, commit: 0 }));
    expect(node.raft).toMatchObject({ state: "follower", term: 7, leader: 2 });
    expect(run(node)).toEqual([]);
  });

  test("of a leader is answered where votes may not depose it (pre-vote, checkQuorum)", () => {
    for (const settings of [{ preVote: true }, { checkQuorum: true }]) {
      const storage = MemoryStorage.withEntries(testConf([1, 2, 3]), [], { term: 5, vote: 0, commit: 0 });
      const node = new TestNode(1, storage, settings);
      node.raft.step(testMessage("MsgHeartbeat", 2, 1, { term: 3 }));
      expect(run(node)).toMatchObject([{ type: "MsgAppResp", to: 2, term: 5, index: 0 }]);
    }
  });

  test("of a pre-candidate is refused, so that it learns the term", () => {
    const storage = MemoryStorage.withEntries(testConf([1, 2, 3]), [], { term: 5, vote: 0, commit: 0 });
    const node = new TestNode(1, storage, { preVote: true });
    node.raft.step(testMessage("MsgPreVote", 2, 1, { term: 3 }));
    expect(run(node)).toMatchObject([{ type: "MsgPreVoteResp", to: 2, term: 5, reject: true }]);
  });
});

describe("messages without a sender that may send them", () => {
  test("answers of nodes that are no members are refused", () => {
    const node = nodeAs("leader");
    for (const type of ["MsgAppResp", "MsgHeartbeatResp", "MsgVoteResp", "MsgPreVoteResp"] as const) {
      expect(node.raft.step(testMessage(type, 9, 1, { term: 99 }))).toBe("peer-not-found");
    }
    expect(node.raft.term).toBe(1);
  });

  test("the words of this node's storage are not taken from others", () => {
    const node = nodeAs("leader");
    for (const type of [
      "MsgStorageAppend",
      "MsgStorageAppendResp",
      "MsgStorageApply",
      "MsgStorageApplyResp",
    ] as const) {
      expect(node.raft.step(testMessage(type, 2, 1, { term: 1, entries: [testEntry(1, 1)] }))).toBe("local-message");
    }
    expect(node.raft.applied).toBe(0);
  });
});

describe("a node that starts again", () => {
  test("has the term, the vote and the commit index that it had made durable, and is a follower", () => {
    const hardState = { term: 3, vote: 2, commit: 1 };
    const node = new TestNode(1, MemoryStorage.withEntries(testConf([1, 2]), testLog(1, 3), hardState), {});
    expect(node.raft).toMatchObject({ state: "follower", term: 3, vote: 2, commit: 1, lastIndex: 2, leader: 0 });
  });

  test("has nothing to do until something happens", () => {
    const node = new TestNode(1, MemoryStorage.bootstrap(testConf([1, 2])), {});
    expect(node.raft.hasReady()).toBe(false);
  });

  test("knows that what it had applied was committed", () => {
    const storage = MemoryStorage.withEntries(testConf([1, 2]), testLog(1, 1, 1), { term: 1, vote: 0, commit: 1 });
    const node = new TestNode(1, storage, { applied: 2 });
    expect(node.raft).toMatchObject({ commit: 2, applied: 2 });
  });
});

test("time alone makes followers candidates, each with its own patience", () => {
  const cluster = new TestCluster([1, 2, 3]);
  cluster.tick([1, 2, 3], TEST_ELECTION_TICKS);
  expect(cluster.leaders()).toEqual([]);
  cluster.tick([1, 2, 3], 1);
  expect(cluster.leaders()).toEqual([1]);
  expect(cluster.raft(3).leader).toBe(1);
});
