/**
 * paper-5-3-replication.test.ts: log replication, as section 5.3 of the Raft paper has it, figure 7 included.
 */
import { describe, expect, test } from "vitest";
import { MemoryStorage } from "../testing/memory-storage.js";
import { testConf, testEntry, testLog, testMessage } from "../testing/samples.js";
import { TEST_ELECTION_TICKS, TestCluster, TestNode } from "../testing/test-cluster.js";

const FIVE = [1, 2, 3, 4, 5];

describe("an entry", () => {
  test("is appended, sent, committed by a majority and applied by all", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.campaign(1).propose(1, "a", "b");
    for (const node of cluster.nodes.values()) {
      expect(node.texts()).toEqual(["a", "b"]);
      expect(node.storedTerms()).toEqual([1, 1, 1]);
    }
  });

  test.each([
    { voters: [1], acking: [], want: true },
    { voters: [1, 2, 3], acking: [2], want: true },
    { voters: [1, 2, 3], acking: [], want: false },
    { voters: FIVE, acking: [2, 3], want: true },
    { voters: FIVE, acking: [2], want: false },
    { voters: [1, 2, 3, 4], acking: [2], want: false },
    { voters: [1, 2, 3, 4], acking: [2, 4], want: true },
  ])(
    "is committed when a majority holds it: $acking besides the leader of $voters: $want",
    ({ voters, acking, want }) => {
      const cluster = new TestCluster(voters);
      cluster.campaign(1);
      for (const id of voters) if (id !== 1 && !acking.includes(id)) cluster.isolate(id);
      cluster.propose(1, "a");
      expect(cluster.node(1).texts()).toEqual(want ? ["a"] : []);
      for (const id of acking) expect(cluster.node(id).texts()).toEqual(want ? ["a"] : []);
    },
  );

  test("does not count where it is not durable", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.campaign(1);
    cluster.node(2).diskStopped = true;
    cluster.node(3).diskStopped = true;
    cluster.propose(1, "a");
    expect(cluster.raft(1).commit).toBe(1);
    cluster.node(3).diskStopped = false;
    cluster.settle();
    expect(cluster.raft(1).commit).toBe(2);
  });

  test("does not count at the leader before it is durable there", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.campaign(1);
    cluster.node(1).diskStopped = true;
    cluster.cut(1, 3);
    cluster.propose(1, "a");
    expect(cluster.node(2).storedTerms()).toEqual([1, 1]);
    expect(cluster.raft(1).commit).toBe(1);
    cluster.node(1).diskStopped = false;
    cluster.settle();
    expect(cluster.raft(1).commit).toBe(2);
  });

  test("leaves the leader before it is durable there (thesis section 10.2.1)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.campaign(1);
    cluster.node(1).diskStopped = true;
    cluster.propose(1, "a");
    expect(cluster.node(2).storedTerms()).toEqual([1, 1]);
    expect(cluster.node(1).storedTerms()).toEqual([1]);
    expect(cluster.raft(1).commit).toBe(2);
    expect(cluster.node(1).texts()).toEqual([]);
  });

  test("is retried until a follower that was away has it", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.campaign(1);
    cluster.isolate(3);
    cluster.propose(1, "a", "b", "c");
    expect(cluster.node(3).texts()).toEqual([]);
    cluster.heal();
    cluster.tick([1], 2);
    expect(cluster.node(3).texts()).toEqual(["a", "b", "c"]);
  });

  test("survives the crash of everybody", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.campaign(1).propose(1, "a");
    for (const node of cluster.nodes.values()) node.restart();
    cluster.tick([1, 2, 3], 2 * TEST_ELECTION_TICKS);
    for (const node of cluster.nodes.values()) expect(node.texts()).toEqual(["a"]);
  });
});

describe("the commit index", () => {
  test("reaches followers with the next append", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.campaign(1).propose(1, "a");
    expect(cluster.raft(2).commit).toBe(2);
  });

  test("in a heartbeat never exceeds what the follower is known to hold", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.campaign(1);
    cluster.isolate(3);
    cluster.propose(1, "a");
    const start = cluster.sent.length;
    cluster.tick([1], 1);
    const commits = cluster.sentOf("MsgHeartbeat", start).map(({ to, commit }) => [to, commit]);
    expect(commits).toEqual([
      [2, 2],
      [3, 1],
    ]);
  });
});

describe("the consistency check", () => {
  function follower(terms: readonly number[], commit = 0): TestNode {
    const storage = MemoryStorage.withEntries(testConf([1, 2]), testLog(...terms), { term: 9, vote: 0, commit });
    return new TestNode(1, storage, {});
  }

  function answerTo(node: TestNode, index: number, logTerm: number, terms: readonly number[], commit = 0): unknown {
    const entries = terms.map((term, at) => testEntry(term, index + 1 + at));
    node.raft.step(testMessage("MsgApp", 2, 1, { term: 9, index, logTerm, entries, commit }));
    node.takeMessages();
    return node.work()[0];
  }

  test.each([
    { why: "the entry before is missing", own: [1], index: 3, logTerm: 1, hint: 1, hintTerm: 1 },
    { why: "the entry before has another term", own: [1, 2], index: 2, logTerm: 3, hint: 2, hintTerm: 2 },
    { why: "all later terms are skipped at once", own: [1, 4, 4, 4], index: 4, logTerm: 3, hint: 1, hintTerm: 1 },
    { why: "nothing is here", own: [], index: 5, logTerm: 3, hint: 0, hintTerm: 0 },
  ])("refuses an append and hints where the logs may agree: $why", ({ own, index, logTerm, hint, hintTerm }) => {
    const node = follower(own);
    expect(answerTo(node, index, logTerm, [9])).toMatchObject({
      type: "MsgAppResp",
      reject: true,
      index,
      rejectHint: hint,
      logTerm: hintTerm,
    });
    expect(node.storedTerms()).toEqual(own);
  });

  test.each([
    { own: [1, 2], index: 2, logTerm: 2, sent: [9], want: [1, 2, 9] },
    { own: [1, 2], index: 1, logTerm: 1, sent: [9], want: [1, 9] },
    { own: [1, 2], index: 0, logTerm: 0, sent: [9, 9], want: [9, 9] },
    { own: [1, 2], index: 0, logTerm: 0, sent: [1], want: [1, 2] },
  ])(
    "makes the follower's log the leader's: $own + $sent after $index -> $want",
    ({ own, index, logTerm, sent, want }) => {
      const node = follower(own);
      expect(answerTo(node, index, logTerm, sent)).toMatchObject({ reject: false, index: index + sent.length });
      expect(node.storedTerms()).toEqual(want);
    },
  );

  test("answers an append from before its commit index with that index", () => {
    expect(answerTo(follower([1, 1, 1], 2), 0, 0, [1])).toMatchObject({ reject: false, index: 2 });
  });
});

/** Figure 7: logs of followers that a new leader of term 8 may meet. */
const FIGURE_7 = {
  leader: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
  a: [1, 1, 1, 4, 4, 5, 5, 6, 6],
  b: [1, 1, 1, 4],
  c: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
  d: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
  e: [1, 1, 1, 4, 4, 4, 4],
  f: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
} as const;

describe("figure 7", () => {
  test.each(["a", "b", "c", "d", "e", "f"] as const)("follower %s gets the leader's log", (name) => {
    const conf = testConf([1, 2, 3]);
    const cluster = new TestCluster([], {}, conf);
    const hardState = { term: 7, vote: 0, commit: 0 };
    cluster.addNode(1, MemoryStorage.withEntries(conf, testLog(...FIGURE_7.leader), hardState));
    cluster.addNode(2, MemoryStorage.withEntries(conf, testLog(...FIGURE_7[name]), hardState));
    // The third one only votes: what is judged is how follower 2 comes to agree.
    cluster.addNode(3, MemoryStorage.withEntries(conf, [], hardState));
    cluster.campaign(1).tick([1], 3);
    expect(cluster.raft(1)).toMatchObject({ state: "leader", term: 8 });
    expect(cluster.node(2).storedTerms()).toEqual([...FIGURE_7.leader, 8]);
    expect(cluster.raft(2).commit).toBe(11);
  });

  test.each(["a", "b", "c", "d", "e", "f"] as const)("follower %s is found with at most two refusals", (name) => {
    const conf = testConf([1, 2, 3]);
    const cluster = new TestCluster([], {}, conf);
    const hardState = { term: 7, vote: 0, commit: 0 };
    cluster.addNode(1, MemoryStorage.withEntries(conf, testLog(...FIGURE_7.leader), hardState));
    cluster.addNode(2, MemoryStorage.withEntries(conf, testLog(...FIGURE_7[name]), hardState));
    cluster.addNode(3, MemoryStorage.withEntries(conf, [], hardState));
    cluster.campaign(1);
    const refusals = cluster.sentOf("MsgAppResp").filter(({ from, reject }) => from === 2 && reject);
    expect(refusals.length).toBeLessThanOrEqual(2);
  });

  test("followers c and d, who have more, do not vote for the leader; a majority of the others does", () => {
    const conf = testConf([1, 2, 3, 4, 5, 6, 7]);
    const cluster = new TestCluster([], {}, conf);
    const hardState = { term: 7, vote: 0, commit: 0 };
    for (const [at, terms] of Object.values(FIGURE_7).entries()) {
      cluster.addNode(at + 1, MemoryStorage.withEntries(conf, testLog(...terms), hardState));
    }
    cluster.campaign(1).tick([1], 3);
    expect(cluster.raft(1).state).toBe("leader");
    const refusing = cluster.sentOf("MsgVoteResp").filter(({ reject }) => reject);
    expect(refusing.map(({ from }) => from).sort()).toEqual([4, 5]);
    for (const node of cluster.nodes.values()) expect(node.storedTerms()).toEqual([...FIGURE_7.leader, 8]);
  });
});
