/**
 * paper-5-4-safety.test.ts: what may be committed, as section 5.4 of the Raft paper has it, figure 8 included.
 */
import { describe, expect, test } from "vitest";
import { MemoryStorage } from "../testing/memory-storage.js";
import { testConf, testLog } from "../testing/samples.js";
import { TestCluster, type TestSettings } from "../testing/test-cluster.js";
import type { Message } from "../types.js";

const FIVE = [1, 2, 3, 4, 5];

/** Whether the message would bring entries of `term` or later into the log of its receiver. */
function wouldAppend(cluster: TestCluster, message: Message, term: number): boolean {
  const { type, to, index, entries } = message;
  return type === "MsgApp" && entries.some((entry) => entry.term >= term) && cluster.raft(to).lastIndex >= index;
}

describe("an entry of an earlier term (5.4.2)", () => {
  /** Node 1 leads term 3 with logs that hold a term 2 entry; nothing of term 3 reaches the others. */
  function newLeader(settings: TestSettings = {}): TestCluster {
    const conf = testConf([1, 2, 3]);
    const cluster = new TestCluster([], settings, conf);
    const hardState = { term: 2, vote: 0, commit: 0 };
    cluster.addNode(1, MemoryStorage.withEntries(conf, testLog(1, 2), hardState));
    cluster.addNode(2, MemoryStorage.withEntries(conf, testLog(1), hardState));
    cluster.addNode(3, MemoryStorage.withEntries(conf, testLog(1), hardState));
    // Append messages are so small that each carries one entry; those of term 3 are lost, unless they only probe.
    cluster.filter = (message) => !wouldAppend(cluster, message, 3);
    return cluster.campaign(1);
  }

  test("is not committed by counting replicas", () => {
    const cluster = newLeader({ maxSizePerMessage: 1 });
    cluster.tick([1], 3);
    expect(cluster.node(2).storedTerms()).toEqual([1, 2]);
    expect(cluster.node(3).storedTerms()).toEqual([1, 2]);
    expect(cluster.raft(1).commit).toBe(0);
  });

  test("is committed with the first entry of the new term", () => {
    const cluster = newLeader({ maxSizePerMessage: 1 });
    cluster.heal();
    cluster.tick([1], 3);
    expect(cluster.raft(1)).toMatchObject({ commit: 3, committedInTerm: true });
  });

  test("would be committed by the fault that simulators switch on", () => {
    const cluster = newLeader({ maxSizePerMessage: 1, faults: { commitOldTerm: true } });
    cluster.tick([1], 3);
    expect(cluster.raft(1).commit).toBe(2);
  });
});

describe("a leader that has committed nothing of its term", () => {
  test("says so", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.campaign(1);
    expect(cluster.raft(1).committedInTerm).toBe(true);
    cluster.isolate(2);
    cluster.raft(2).campaign();
    cluster.settle();
    expect(cluster.raft(2).committedInTerm).toBe(false);
  });
});

/**
 * Figure 8: (a) S1 leads term 2 and appends index 2; (b) S5 is elected in term 3 and appends another index 2; (c) S1
 * restarts, leads term 4 and replicates its index 2 to S2 and S3: a majority holds it. (In the figure S2 has it from the
 * start; that it gets it late changes nothing.)
 */
function figure8(settings: TestSettings = {}): TestCluster {
  const conf = testConf(FIVE);
  const cluster = new TestCluster([], settings, conf);
  const hardState = { term: 1, vote: 0, commit: 1 };
  for (const id of FIVE) cluster.addNode(id, MemoryStorage.withEntries(conf, testLog(1), hardState));
  cluster.filter = ({ type }) => type !== "MsgApp"; // (a)
  cluster.campaign(1);
  cluster.isolate(1);
  cluster.filter = ({ type }) => type !== "MsgApp"; // (b)
  cluster.campaign(5);
  cluster.campaign(5);
  cluster.heal();
  cluster.isolate(5);
  cluster.node(1).restart();
  cluster.filter = (message) => message.to <= 3 && !wouldAppend(cluster, message, 3);
  for (let round = 0; round < 3 && cluster.raft(1).state !== "leader"; round++) cluster.campaign(1); // (c)
  cluster.tick([1], 3);
  return cluster;
}

describe("figure 8", () => {
  test("the entry of term 2 is on a majority and yet not committed", () => {
    const cluster = figure8({ maxSizePerMessage: 1 });
    expect(cluster.raft(1).state).toBe("leader");
    for (const id of [1, 2, 3]) expect(cluster.node(id).storedTerms()[1]).toBe(2);
    expect(cluster.node(5).storedTerms()[1]).toBe(3);
    expect(cluster.raft(1).commit).toBe(1);
  });

  test("(d) it can still be replaced, since nobody was told otherwise", () => {
    const cluster = figure8({ maxSizePerMessage: 1 });
    cluster.heal();
    cluster.isolate(1);
    cluster.node(5).restart();
    for (let round = 0; round < 5 && cluster.raft(5).state !== "leader"; round++) cluster.campaign(5);
    expect(cluster.raft(5).state).toBe("leader");
    for (const id of [2, 3, 4, 5]) expect(cluster.node(id).storedTerms()[1]).toBe(3);
    cluster.heal();
    cluster.tick([5], 3);
    expect(cluster.node(1).storedTerms()).toEqual(cluster.node(5).storedTerms());
  });

  test("(e) once an entry of term 4 is on a majority, S5 can no longer be elected", () => {
    const cluster = figure8({ maxSizePerMessage: 1 });
    cluster.filter = ({ to }) => to <= 3;
    cluster.tick([1], 4);
    expect(cluster.raft(1).commit).toBeGreaterThan(2);
    cluster.heal();
    cluster.isolate(1);
    cluster.node(5).restart();
    for (let round = 0; round < 5; round++) cluster.campaign(5);
    expect(cluster.raft(5).state).not.toBe("leader");
  });

  test("counting old entries would commit it, although S5 can still be elected without it", () => {
    const cluster = figure8({ maxSizePerMessage: 1, faults: { commitOldTerm: true } });
    expect(cluster.raft(1).commit).toBe(2);
    expect(cluster.node(1).storedTerms()[1]).toBe(2);
    cluster.heal();
    cluster.isolate(1);
    cluster.node(5).restart();
    cluster.filter = ({ type }) => type !== "MsgApp";
    for (let round = 0; round < 5 && cluster.raft(5).state !== "leader"; round++) cluster.campaign(5);
    expect(cluster.raft(5).state).toBe("leader");
    expect(cluster.node(5).storedTerms()[1]).toBe(3);
  });
});

test("leader completeness: who lacks a committed entry is never elected", () => {
  const cluster = new TestCluster(FIVE);
  cluster.campaign(1);
  cluster.isolate(5);
  cluster.propose(1, "a");
  cluster.heal();
  cluster.isolate(1);
  for (let round = 0; round < 5; round++) cluster.raft(5).campaign();
  cluster.filter = ({ type }) => type !== "MsgApp";
  cluster.settle();
  expect(cluster.raft(5).state).not.toBe("leader");
  for (const id of [2, 3, 4]) expect(cluster.node(id).texts()).toEqual(["a"]);
});

test("an uncommitted entry of a leader that fell is replaced everywhere", () => {
  const cluster = new TestCluster([1, 2, 3]);
  cluster.campaign(1);
  cluster.isolate(1);
  cluster.propose(1, "lost");
  cluster.campaign(2).propose(2, "kept");
  cluster.heal();
  cluster.tick([2], 3);
  for (const node of cluster.nodes.values()) expect(node.texts()).toEqual(["kept"]);
  expect(cluster.node(1).storedTerms()).toEqual(cluster.node(2).storedTerms());
});
