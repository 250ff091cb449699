/**
 * flow-control.test.ts: what a leader takes and sends ahead, and where it stops.
 */
import { describe, expect, test } from "vitest";
import { assertDefined } from "../assert.js";
import { ProposalDropped } from "../errors.js";
import { RawNode } from "../raw-node.js";
import { MemoryStorage } from "../testing/memory-storage.js";
import { testConf, testEntry, testMessage, testProposal } from "../testing/samples.js";
import { TestCluster } from "../testing/test-cluster.js";
import { type Entry, EntryType, type ProposedEntry } from "../types.js";

describe("payload that is not applied yet", () => {
  const bounded = () => new TestCluster([1, 2, 3], { maxUncommittedSize: 100 }).campaign(1);

  test("beyond its limit a proposal is dropped and enters no log", () => {
    const cluster = bounded();
    cluster.isolate(1);
    cluster.propose(1, "x".repeat(60));
    const lastIndex = cluster.raft(1).lastIndex;
    expect(() => cluster.propose(1, "y".repeat(60))).toThrow(ProposalDropped);
    expect(cluster.raft(1).lastIndex).toBe(lastIndex);
  });

  test("one proposal always goes, and one without payload is never refused", () => {
    const cluster = bounded();
    cluster.isolate(1);
    cluster.propose(1, "x".repeat(1_000));
    cluster.propose(1, "");
    expect(cluster.node(1).storedTerms()).toHaveLength(3);
  });

  test("is free again when it was applied", () => {
    const cluster = bounded();
    for (let round = 0; round < 10; round++) cluster.propose(1, "x".repeat(90));
    expect(cluster.node(3).texts()).toHaveLength(10);
  });
});

describe("appends under way to one follower", () => {
  /** Messages with entries that leave for node 2 while it answers nothing. */
  function sentAhead(settings: ConstructorParameters<typeof TestCluster>[1]): number {
    const cluster = new TestCluster([1, 2, 3], settings).campaign(1);
    cluster.filter = ({ from, type }) => !(from === 2 && type === "MsgAppResp");
    const start = cluster.sent.length;
    for (let at = 0; at < 20; at++) cluster.propose(1, "x".repeat(100));
    return cluster.sentOf("MsgApp", start).filter(({ to, entries }) => to === 2 && entries.length > 0).length;
  }

  test("are bounded by number", () => {
    expect(sentAhead({ maxInflightMessages: 3 })).toBe(3);
  });

  test("are bounded by bytes; one message always goes", () => {
    expect(sentAhead({ maxInflightBytes: 450 })).toBe(5);
    expect(sentAhead({ maxInflightBytes: 1, maxSizePerMessage: 1 })).toBe(1);
  });

  test("do not hold up the group", () => {
    const cluster = new TestCluster([1, 2, 3], { maxInflightMessages: 1 }).campaign(1);
    cluster.isolate(2);
    cluster.propose(1, "a", "b", "c");
    expect(cluster.node(3).texts()).toEqual(["a", "b", "c"]);
    cluster.heal();
    cluster.tick([1], 3);
    expect(cluster.node(2).texts()).toEqual(["a", "b", "c"]);
  });
});

describe("the states of replication", () => {
  test("a follower that answers is sent to ahead; a loss makes it probed, one message until it answers", () => {
    const cluster = new TestCluster([1, 2, 3]).campaign(1).propose(1, "a");
    expect(cluster.raft(1).progress(2)?.state).toBe("replicate");
    cluster.isolate(2);
    cluster.raft(1).reportUnreachable(2);
    expect(cluster.raft(1).progress(2)?.state).toBe("probe");
    const start = cluster.sent.length;
    cluster.propose(1, "b", "c", "d");
    expect(cluster.sentOf("MsgApp", start).filter(({ to }) => to === 2)).toHaveLength(1);
    cluster.heal();
    cluster.tick([1], 2);
    expect(cluster.raft(1).progress(2)?.state).toBe("replicate");
    expect(cluster.node(2).texts()).toEqual(["a", "b", "c", "d"]);
  });
});

describe("entries that storage has to load first", () => {
  class LoadingStorage extends MemoryStorage {
    isLoaded = false;
    asked = 0;

    override entries(lo: number, hi: number, bytesMax: number): readonly Entry[] | "compacted" | "unavailable" {
      if (this.isLoaded || lo > 2) return super.entries(lo, hi, bytesMax);
      this.asked++;
      return "pending" as "unavailable"; // The port allows it; only this class of tests answers so.
    }
  }

  function leaderBehindLoading(): { raft: RawNode; storage: LoadingStorage } {
    const storage = new LoadingStorage();
    const base = MemoryStorage.bootstrap(testConf([1, 2])).storedSnapshot();
    storage.applySnapshot(base);
    storage.append([1, 2, 3].map((index) => testEntry(1, index, "x")));
    storage.hardState = { term: 1, vote: 0, commit: 3 };
    const raft = new RawNode({ id: 1, storage, applied: 3, electionTicks: 10, heartbeatTicks: 1, random: () => 0 });
    raft.campaign();
    drain(raft, storage);
    raft.step(testMessage("MsgVoteResp", 2, 1, { term: 2 }));
    drain(raft, storage);
    return { raft, storage };
  }

  function drain(raft: RawNode, storage: MemoryStorage) {
    const messages = [];
    while (raft.hasReady()) {
      const ready = raft.ready();
      storage.append(ready.entries);
      messages.push(...ready.messages);
      raft.advance();
    }
    return messages;
  }

  test("are asked for once, and sent when the host says that they are there", () => {
    const { raft, storage } = leaderBehindLoading();
    // The follower has nothing: the entries from 1 on are wanted, and must be loaded.
    raft.step(testMessage("MsgAppResp", 2, 1, { term: 2, index: 3, reject: true, rejectHint: 0, logTerm: 0 }));
    expect(drain(raft, storage).filter(({ type }) => type === "MsgApp")).toEqual([]);
    expect(storage.asked).toBe(1);
    storage.isLoaded = true;
    raft.retry(2);
    const append = assertDefined(
      drain(raft, storage).find(({ type }) => type === "MsgApp"),
      "an append leaves",
    );
    expect(append.entries.map(({ index }) => index)).toEqual([1, 2, 3, 4]);
  });
});

test("a host's own entry objects are made when they get their place, and come back as they are", () => {
  const made: Entry[] = [];
  const createEntry = (proposed: ProposedEntry, term: number, index: number): Entry => {
    const entry = { term, index, type: proposed.type, data: proposed.data, mark: made.length };
    made.push(entry);
    return entry;
  };
  const cluster = new TestCluster([1], { createEntry }).campaign(1);
  cluster.raft(1).propose([testProposal("a"), testProposal("b")]);
  cluster.settle();
  expect(made.map(({ term, index }) => [term, index])).toEqual([
    [1, 1],
    [1, 2],
    [1, 3],
  ]);
  expect(cluster.node(1).applied).toHaveLength(3);
  for (const [at, entry] of cluster.node(1).applied.entries()) expect(entry).toBe(made[at]);
  expect(made[0]).toMatchObject({ type: EntryType.normal, data: new Uint8Array(0) });
});
