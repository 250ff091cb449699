/**
 * paper-5-2-election.test.ts: leader election, as sections 5.2 and 5.4.1 of the Raft paper have it.
 */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { MemoryStorage } from "../testing/memory-storage.js";
import { testConf, testEntry, testLog, testMessage } from "../testing/samples.js";
import { TEST_ELECTION_TICKS, TestCluster, TestNode } from "../testing/test-cluster.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const FIVE = [1, 2, 3, 4, 5];

describe("an election", () => {
  test("raises the term, votes for itself and asks everybody", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.raft(1).campaign();
    expect(cluster.raft(1)).toMatchObject({ state: "candidate", term: 1, vote: 1, leader: 0 });
    cluster.filter = () => false;
    cluster.settle();
    expect(cluster.sentOf("MsgVote").map(({ to, term }) => [to, term])).toEqual([
      [2, 1],
      [3, 1],
    ]);
  });

  test("asks for no vote before the own one is durable", () => {
    const node = new TestNode(1, MemoryStorage.bootstrap(testConf([1])), {});
    node.raft.campaign();
    node.diskStopped = true;
    node.takeMessages();
    expect(node.raft.state).toBe("candidate");
    node.diskStopped = false;
    for (const message of node.work()) node.raft.step(message);
    expect(node.raft.state).toBe("leader");
    expect(node.storage.hardState).toMatchObject({ term: 1, vote: 1 });
  });

  test.each([
    { why: "alone", voters: [1], granting: [], want: "leader" },
    { why: "with all", voters: FIVE, granting: [2, 3, 4, 5], want: "leader" },
    { why: "with a majority", voters: FIVE, granting: [2, 3], want: "leader" },
    { why: "not with less", voters: FIVE, granting: [2], want: "candidate" },
    { why: "not with half of four", voters: [1, 2, 3, 4], granting: [2], want: "candidate" },
  ])("is won $why: $granting of $voters", ({ voters, granting, want }) => {
    const cluster = new TestCluster(voters);
    cluster.filter = ({ from, to }) => from === 1 || granting.includes(from) || to !== 1;
    for (const id of voters) if (id !== 1 && !granting.includes(id)) cluster.isolate(id);
    cluster.campaign(1);
    expect(cluster.raft(1).state).toBe(want);
  });

  test("is lost when a majority refuses: the candidate waits as a follower", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.raft(1).campaign();
    cluster.filter = () => false;
    cluster.settle();
    for (const from of [2, 3]) cluster.raft(1).step(testMessage("MsgVoteResp", from, 1, { term: 1, reject: true }));
    expect(cluster.raft(1)).toMatchObject({ state: "follower", term: 1, vote: 1 });
  });

  test("is given up when somebody else leads the term", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.raft(1).campaign();
    cluster.raft(1).step(testMessage("MsgHeartbeat", 2, 1, { term: 1 }));
    expect(cluster.raft(1)).toMatchObject({ state: "follower", term: 1, leader: 2, vote: 1 });
  });

  test("that nobody wins is followed by another one", () => {
    const cluster = new TestCluster([1, 2]);
    cluster.raft(1).campaign();
    cluster.raft(2).campaign();
    cluster.settle();
    expect(cluster.leaders()).toEqual([]);
    cluster.tick([1, 2], 2 * TEST_ELECTION_TICKS);
    expect(cluster.leaders()).toHaveLength(1);
  });

  test("one voter's second answer does not count", () => {
    const cluster = new TestCluster(FIVE);
    cluster.filter = () => false;
    cluster.campaign(1);
    for (let at = 0; at < 3; at++) cluster.raft(1).step(testMessage("MsgVoteResp", 2, 1, { term: 1 }));
    expect(cluster.raft(1).state).toBe("candidate");
  });
});

describe("a vote", () => {
  function voter(vote: number, terms: readonly number[] = [1]): TestNode {
    return new TestNode(
      1,
      MemoryStorage.withEntries(testConf([1, 2, 3]), testLog(...terms), { term: 3, vote, commit: 0 }),
      {},
    );
  }

  function answerOf(node: TestNode): unknown {
    node.takeMessages();
    const [answer] = node.work();
    return answer;
  }

  test.each([
    { why: "nobody has it yet", vote: 0, from: 2, reject: false },
    { why: "the same candidate asks again", vote: 2, from: 2, reject: false },
    { why: "another one has it", vote: 3, from: 2, reject: true },
  ])("is given once per term: $why", ({ vote, from, reject }) => {
    const node = voter(vote);
    node.raft.step(testMessage("MsgVote", from, 1, { term: 3, index: 1, logTerm: 1 }));
    expect(answerOf(node)).toMatchObject({ type: "MsgVoteResp", to: from, term: 3, reject });
  });

  test("is free again in the next term", () => {
    const node = voter(3);
    node.raft.step(testMessage("MsgVote", 2, 1, { term: 4, index: 1, logTerm: 1 }));
    expect(node.raft).toMatchObject({ term: 4, vote: 2 });
  });

  test("survives a restart", () => {
    const node = voter(0);
    node.raft.step(testMessage("MsgVote", 2, 1, { term: 3, index: 1, logTerm: 1 }));
    answerOf(node);
    node.restart();
    node.raft.step(testMessage("MsgVote", 3, 1, { term: 3, index: 1, logTerm: 1 }));
    expect(answerOf(node)).toMatchObject({ to: 3, reject: true });
  });

  test("is refused where a leader of the term is known", () => {
    const node = voter(0);
    node.raft.step(testMessage("MsgHeartbeat", 3, 1, { term: 3 }));
    answerOf(node);
    node.raft.step(testMessage("MsgVote", 2, 1, { term: 3, index: 1, logTerm: 1 }));
    expect(answerOf(node)).toMatchObject({ to: 2, reject: true });
  });

  test.each([
    { own: [1], index: 1, logTerm: 1, reject: false },
    { own: [1], index: 2, logTerm: 1, reject: false },
    { own: [1, 1], index: 1, logTerm: 1, reject: true },
    { own: [1], index: 1, logTerm: 2, reject: false },
    { own: [1, 1], index: 1, logTerm: 2, reject: false },
    { own: [2], index: 1, logTerm: 1, reject: true },
    { own: [2], index: 2, logTerm: 1, reject: true },
    { own: [1, 2], index: 1, logTerm: 1, reject: true },
  ])("goes only to logs that are as complete (5.4.1): $own against $logTerm/$index, refused: $reject", (row) => {
    const node = voter(0, row.own);
    node.raft.step(testMessage("MsgVote", 2, 1, { term: 3, index: row.index, logTerm: row.logTerm }));
    expect(answerOf(node)).toMatchObject({ reject: row.reject });
  });

  test("restarts the voter's patience; a refusal does not", () => {
    for (const [logTerm, ticks] of [
      [1, TEST_ELECTION_TICKS],
      [0, 0],
    ] as const) {
      const node = voter(0);
      for (let at = 0; at < TEST_ELECTION_TICKS; at++) node.raft.tick();
      node.raft.step(testMessage("MsgVote", 2, 1, { term: 3, index: 1, logTerm }));
      for (let at = 0; at < ticks; at++) node.raft.tick();
      expect(node.raft.state).toBe("follower");
      node.raft.tick();
      expect(node.raft.state).toBe("candidate");
    }
  });
});

describe("a leader", () => {
  test("tells everybody at once, with an empty entry of its term", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.campaign(1);
    const [first] = cluster.sentOf("MsgApp");
    expect(first).toMatchObject({ term: 1, index: 0, logTerm: 0, entries: [{ term: 1, index: 1 }] });
    expect(cluster.node(2).storedTerms()).toEqual([1]);
  });

  test("sends heartbeats, which keep others from standing", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.campaign(1).tick([1, 2, 3], 10 * TEST_ELECTION_TICKS);
    expect(cluster.leaders()).toEqual([1]);
    expect(cluster.raft(1).term).toBe(1);
    expect(cluster.sentOf("MsgHeartbeat")).toHaveLength(2 * 10 * TEST_ELECTION_TICKS);
  });

  test("does not stand again", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.campaign(1).campaign(1);
    expect(cluster.raft(1)).toMatchObject({ state: "leader", term: 1 });
  });

  test("is replaced when it falls silent", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.campaign(1);
    cluster.isolate(1);
    cluster.tick([1, 2, 3], 2 * TEST_ELECTION_TICKS);
    expect(cluster.leaders()).toEqual([1, 2]);
    cluster.heal();
    cluster.tick([1, 2, 3], 1);
    expect(cluster.leaders()).toEqual([2]);
  });
});

test(`timeouts are spread over one to two times the configured one (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  const seen = new Map<number, number>();
  for (let round = 0; round < 2_000; round++) {
    const node = new TestNode(1, MemoryStorage.bootstrap(testConf([1, 2])), {
      random: (endExclusive) => prng.between(0, endExclusive - 1),
    });
    let ticks = 0;
    while (node.raft.state === "follower") {
      node.raft.tick();
      ticks++;
    }
    seen.set(ticks, (seen.get(ticks) ?? 0) + 1);
  }
  expect(Math.min(...seen.keys())).toBe(TEST_ELECTION_TICKS);
  expect(Math.max(...seen.keys())).toBe(2 * TEST_ELECTION_TICKS - 1);
  expect(seen.size).toBe(TEST_ELECTION_TICKS);
});

test("a node does not stand while a change of the membership is committed and not applied", () => {
  const storage = MemoryStorage.bootstrap(testConf([1, 2]));
  storage.append([{ ...testEntry(1, 1), type: 2 }]);
  storage.hardState = { term: 1, vote: 0, commit: 1 };
  const node = new TestNode(1, storage, {});
  node.raft.campaign();
  expect(node.raft.state).toBe("follower");
});
