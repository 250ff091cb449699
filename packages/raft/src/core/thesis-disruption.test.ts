/**
 * thesis-disruption.test.ts: servers that disturb a working group, and what protects it: sections 4.2.3 (votes are
 * refused while a leader is heard), 6.2 (a leader without a quorum steps down) and 9.6 (pre-vote) of the Raft thesis.
 */
import { describe, expect, test } from "vitest";
import { MemoryStorage } from "../testing/memory-storage.js";
import { testConf, testLog, testMessage } from "../testing/samples.js";
import { TEST_ELECTION_TICKS, TestCluster, TestNode, type TestSettings } from "../testing/test-cluster.js";

const BOTH: TestSettings = { preVote: true, checkQuorum: true };

describe("checkQuorum", () => {
  test("a leader that hears no quorum steps down within two election timeouts", () => {
    const cluster = new TestCluster([1, 2, 3], { checkQuorum: true }).campaign(1);
    cluster.isolate(1);
    cluster.tick([1], 2 * TEST_ELECTION_TICKS);
    expect(cluster.raft(1)).toMatchObject({ state: "follower", term: 1, leader: 0 });
  });

  test("without it the leader stays one for ever", () => {
    const cluster = new TestCluster([1, 2, 3]).campaign(1);
    cluster.isolate(1);
    cluster.tick([1], 5 * TEST_ELECTION_TICKS);
    expect(cluster.raft(1).state).toBe("leader");
  });

  test("a leader that hears a quorum stays", () => {
    const cluster = new TestCluster([1, 2, 3], { checkQuorum: true }).campaign(1);
    cluster.isolate(3);
    cluster.tick([1, 2], 5 * TEST_ELECTION_TICKS);
    expect(cluster.raft(1).state).toBe("leader");
  });

  test("learners do not make a quorum", () => {
    const cluster = new TestCluster([1, 2, 3], { checkQuorum: true }, testConf([1, 2], [3])).campaign(1);
    cluster.isolate(2);
    cluster.tick([1, 3], 2 * TEST_ELECTION_TICKS);
    expect(cluster.raft(1).state).toBe("follower");
  });

  test("a candidate is ignored while the leader is heard: no vote, no new term", () => {
    const cluster = new TestCluster([1, 2, 3], { checkQuorum: true }).campaign(1).tick([1, 2, 3], 1);
    cluster.cut(1, 3);
    cluster.raft(3).forgetLeader();
    cluster.campaign(3);
    expect(cluster.raft(3)).toMatchObject({ state: "candidate", term: 2 });
    expect(cluster.raft(2)).toMatchObject({ state: "follower", term: 1, leader: 1 });
  });

  test("a candidate is heard once the leader is silent for an election timeout", () => {
    const cluster = new TestCluster([1, 2, 3], { checkQuorum: true }).campaign(1);
    cluster.isolate(1);
    for (let at = 0; at < TEST_ELECTION_TICKS; at++) cluster.raft(2).tick();
    cluster.campaign(3);
    expect(cluster.leaders()).toContain(3);
  });

  test("a candidate whose term ran ahead frees itself: the leader learns the term and steps down", () => {
    const cluster = new TestCluster([1, 2, 3], { checkQuorum: true }).campaign(1).tick([1, 2, 3], 1);
    cluster.isolate(3);
    for (let at = 0; at < 3; at++) cluster.campaign(3);
    expect(cluster.raft(3).term).toBe(4);
    cluster.heal();
    cluster.tick([1, 2, 3], 1);
    expect(cluster.raft(1).term).toBe(4);
    cluster.tick([1, 2, 3], 3 * TEST_ELECTION_TICKS);
    expect(cluster.leaders()).toHaveLength(1);
  });
});

describe("pre-vote", () => {
  test("asks before it means it: the term rises only once a majority would vote", () => {
    const cluster = new TestCluster([1, 2, 3], { preVote: true });
    cluster.isolate(1);
    for (let at = 0; at < 5; at++) cluster.campaign(1);
    expect(cluster.raft(1)).toMatchObject({ state: "preCandidate", term: 0, vote: 0 });
    cluster.heal();
    cluster.campaign(1);
    expect(cluster.raft(1)).toMatchObject({ state: "leader", term: 1 });
  });

  test("binds nobody: the asked ones keep term and vote", () => {
    const node = new TestNode(1, MemoryStorage.bootstrap(testConf([1, 2, 3])), { preVote: true });
    for (const from of [2, 3]) node.raft.step(testMessage("MsgPreVote", from, 1, { term: 5 }));
    node.takeMessages();
    expect(node.work()).toMatchObject([
      { type: "MsgPreVoteResp", to: 2, term: 5, reject: false },
      { type: "MsgPreVoteResp", to: 3, term: 5, reject: false },
    ]);
    expect(node.raft).toMatchObject({ term: 0, vote: 0 });
  });

  test("is refused to a log that is behind", () => {
    const storage = MemoryStorage.withEntries(testConf([1, 2, 3]), testLog(1, 2), { term: 2, vote: 0, commit: 0 });
    const node = new TestNode(1, storage, { preVote: true });
    node.raft.step(testMessage("MsgPreVote", 2, 1, { term: 3, index: 1, logTerm: 1 }));
    node.takeMessages();
    expect(node.work()).toMatchObject([{ type: "MsgPreVoteResp", reject: true, term: 2 }]);
  });

  test("that is refused in a higher term brings that term", () => {
    const cluster = new TestCluster([1, 2, 3], { preVote: true });
    cluster.isolate(1);
    cluster.campaign(1);
    cluster.raft(1).step(testMessage("MsgPreVoteResp", 2, 1, { term: 6, reject: true }));
    expect(cluster.raft(1)).toMatchObject({ state: "follower", term: 6 });
  });

  test("answers that come late, to a candidate, do not count as votes", () => {
    const cluster = new TestCluster([1, 2, 3, 4, 5], { preVote: true });
    cluster.filter = ({ type }) => type !== "MsgVote";
    cluster.campaign(1);
    expect(cluster.raft(1).state).toBe("candidate");
    for (const from of [2, 3, 4, 5]) cluster.raft(1).step(testMessage("MsgPreVoteResp", from, 1, { term: 1 }));
    expect(cluster.raft(1).state).toBe("candidate");
  });

  test("alone protects a leader's term from a node that was away", () => {
    const cluster = new TestCluster([1, 2, 3], BOTH).campaign(1).propose(1, "a");
    cluster.isolate(3);
    cluster.tick([1, 2, 3], 5 * TEST_ELECTION_TICKS);
    expect(cluster.raft(3)).toMatchObject({ state: "preCandidate", term: 1 });
    cluster.heal();
    cluster.tick([1, 2, 3], 2);
    expect(cluster.raft(1)).toMatchObject({ state: "leader", term: 1 });
    expect(cluster.raft(3)).toMatchObject({ state: "follower", leader: 1 });
  });
});

describe("a group with pre-vote and checkQuorum", () => {
  test("removed servers do not disturb it (4.2.3)", () => {
    const cluster = new TestCluster([1, 2, 3, 4], BOTH).campaign(1);
    cluster.cut(1, 4);
    cluster.change(1, { type: "removeNode", nodeId: 4, context: new Uint8Array(0) });
    cluster.tick([1, 2, 3, 4], 6 * TEST_ELECTION_TICKS);
    expect(cluster.leaders()).toEqual([1]);
    expect(cluster.raft(1).term).toBe(1);
  });

  test("a node that hears half of the others does not depose the leader that hears them all", () => {
    const cluster = new TestCluster([1, 2, 3], BOTH).campaign(1);
    cluster.cut(1, 3);
    cluster.tick([1, 2, 3], 8 * TEST_ELECTION_TICKS);
    expect(cluster.leaders()).toEqual([1]);
    expect(cluster.raft(1).term).toBe(1);
  });

  test("a leader that is heard but hears nobody is replaced", () => {
    const cluster = new TestCluster([1, 2, 3], BOTH).campaign(1);
    for (const id of [2, 3]) cluster.cutOneWay(id, 1);
    cluster.tick([1, 2, 3], 5 * TEST_ELECTION_TICKS);
    expect(cluster.leaders()).not.toContain(1);
    expect(cluster.leaders()).toHaveLength(1);
  });

  test("elects at once when the host knows that the leader is gone", () => {
    const cluster = new TestCluster([1, 2, 3], BOTH).campaign(1).tick([1, 2, 3], 1);
    cluster.isolate(1);
    for (const id of [2, 3]) cluster.raft(id).forgetLeader();
    cluster.campaign(2);
    expect(cluster.leaders()).toEqual([1, 2]);
  });

  test("a deposed leader that returns becomes a follower", () => {
    const cluster = new TestCluster([1, 2, 3], BOTH).campaign(1);
    cluster.isolate(1);
    cluster.tick([1, 2, 3], 4 * TEST_ELECTION_TICKS);
    const [leader] = cluster.leaders();
    cluster.heal();
    cluster.tick([1, 2, 3], 2);
    expect(cluster.leaders()).toEqual([leader]);
    expect(cluster.raft(1).leader).toBe(leader);
  });

  test("does not come to a standstill when a node with a higher term and a shorter log is needed", () => {
    const conf = testConf([1, 2]);
    const cluster = new TestCluster([], BOTH, conf);
    cluster.addNode(1, MemoryStorage.withEntries(conf, testLog(1, 1), { term: 1, vote: 1, commit: 0 }));
    cluster.addNode(2, MemoryStorage.withEntries(conf, testLog(1), { term: 9, vote: 2, commit: 0 }));
    cluster.tick([1, 2], 6 * TEST_ELECTION_TICKS);
    expect(cluster.leaders()).toEqual([1]);
    expect(cluster.raft(1).term).toBeGreaterThan(9);
  });
});
