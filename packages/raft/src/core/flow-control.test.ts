/**
 * flow-control.test.ts: what a leader takes and sends ahead, and where it stops.
 */
import { describe, expect, test } from "vitest";
import { ProposalDropped } from "../errors.js";
import { RawNode } from "../raw-node.js";
import { MemoryStorage } from "../testing/memory-storage.js";
import { testConf, testLog, testMessage, testProposal } from "../testing/samples.js";
import { TestCluster } from "../testing/test-cluster.js";
import type { RaftStorage } from "../types.js";

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

  test("is free again when it was applied, not when it was committed", () => {
    const cluster = bounded();
    for (let round = 0; round < 10; round++) cluster.propose(1, "x".repeat(90));
    expect(cluster.node(3).texts()).toHaveLength(10);
    cluster.node(1).diskStopped = true; // The others commit; this leader can apply nothing.
    cluster.propose(1, "x".repeat(90));
    expect(cluster.raft(1).commit).toBe(12);
    expect(() => cluster.propose(1, "y".repeat(90))).toThrow(ProposalDropped);
    cluster.node(1).diskStopped = false;
    cluster.settle().propose(1, "y".repeat(90));
    expect(cluster.node(1).texts()).toHaveLength(12);
  });

  test("is counted anew by a node that leads again: what it proposed in a former term was replaced", () => {
    const cluster = bounded();
    cluster.isolate(1);
    cluster.propose(1, "x".repeat(90));
    cluster.campaign(2);
    cluster.heal();
    cluster.tick([2], 2).campaign(1).propose(1, "y".repeat(90));
    expect(cluster.raft(1).state).toBe("leader");
    expect(cluster.node(3).texts()).toEqual(["y".repeat(90)]);
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

  test("a new leader probes; the first match opens the pipeline", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.filter = ({ type }) => type !== "MsgAppResp";
    cluster.campaign(1);
    expect(cluster.raft(1).progress(2)).toMatchObject({ state: "probe", match: 0, isPaused: true });
    cluster.propose(1, "a", "b");
    expect(cluster.sentOf("MsgApp").filter(({ to }) => to === 2)).toHaveLength(1);
    cluster.heal();
    cluster.tick([1], 1);
    expect(cluster.raft(1).progress(2)).toMatchObject({ state: "replicate", match: 3, next: 4, isPaused: false });
  });

  test("a refusal of what was sent ahead makes the follower probed from its match, and the pipeline comes back", () => {
    const cluster = new TestCluster([1, 2, 3]).campaign(1).propose(1, "a");
    cluster.filter = ({ type, to, entries }) => !(type === "MsgApp" && to === 2 && entries[0]?.index === 3);
    cluster.raft(1).propose([testProposal("lost")]);
    for (const message of cluster.node(1).takeMessages()) cluster.post(message);
    expect(cluster.raft(1).progress(2)).toMatchObject({ state: "replicate", match: 2, next: 4 });
    cluster.heal();
    const start = cluster.sent.length;
    cluster.propose(1, "b");
    const answers = cluster.sentOf("MsgAppResp", start).filter(({ from }) => from === 2);
    expect(answers[0]).toMatchObject({ reject: true, index: 3, rejectHint: 2 });
    const again = cluster.sentOf("MsgApp", start).filter(({ to }) => to === 2);
    expect(again[1]?.entries.map(({ index }) => index)).toEqual([3, 4]);
    expect(cluster.raft(1).progress(2)).toMatchObject({ state: "replicate", match: 4 });
    expect(cluster.node(2).texts()).toEqual(["a", "lost", "b"]);
  });

  test("a refused follower is sent one append, and nothing more before it answers", () => {
    const cluster = new TestCluster([1, 2, 3]).campaign(1).propose(1, "a");
    cluster.cut(1, 2);
    cluster.propose(1, "b", "c");
    expect(cluster.raft(1).progress(2)).toMatchObject({ state: "replicate", match: 2, next: 5 });
    const start = cluster.sent.length;
    cluster.raft(1).step(testMessage("MsgAppResp", 2, 1, { term: 1, index: 4, reject: true, rejectHint: 2 }));
    expect(cluster.raft(1).progress(2)).toMatchObject({ state: "probe", match: 2, next: 3, isPaused: true });
    cluster.propose(1, "d");
    const sent = cluster.sentOf("MsgApp", start).filter(({ to }) => to === 2);
    expect(sent.map(({ index, entries }) => [index, entries.length])).toEqual([[2, 2]]);
  });

  test("an old refusal moves nothing back", () => {
    const cluster = new TestCluster([1, 2, 3]).campaign(1).propose(1, "a", "b");
    const start = cluster.sent.length;
    cluster.raft(1).step(testMessage("MsgAppResp", 2, 1, { term: 1, index: 2, reject: true, rejectHint: 1 }));
    cluster.settle();
    expect(cluster.raft(1).progress(2)).toMatchObject({ state: "replicate", match: 3, next: 4 });
    expect(cluster.sentOf("MsgApp", start)).toEqual([]);
  });
});

describe("entries that storage has to load first", () => {
  /** A leader of term 2 whose storage answers "pending" for entries 1 and 2, and its follower 2, which has nothing. */
  function leaderBehindLoading() {
    const inner = MemoryStorage.withEntries(testConf([1, 2]), testLog(1, 1, 1), { term: 1, vote: 0, commit: 3 });
    const disk = { isLoaded: false, asked: 0 };
    const storage: RaftStorage = {
      initialState: () => inner.initialState(),
      firstIndex: () => inner.firstIndex(),
      lastIndex: () => inner.lastIndex(),
      term: (index) => inner.term(index),
      snapshot: () => inner.snapshot(),
      entries: (lo, hi, bytesMax) => {
        if (disk.isLoaded || lo > 2) return inner.entries(lo, hi, bytesMax);
        disk.asked++;
        return "pending";
      },
    };
    const raft = new RawNode({ id: 1, storage, applied: 3, electionTicks: 10, heartbeatTicks: 1, random: () => 0 });
    /** Does what the node asks for. Returns the indexes of the entries of each append to the follower. */
    const appends = () => {
      const sent: (readonly number[])[] = [];
      while (raft.hasReady()) {
        const ready = raft.ready();
        inner.append(ready.entries);
        for (const { type, entries } of ready.messages)
          if (type === "MsgApp") sent.push(entries.map(({ index }) => index));
        raft.advance();
      }
      return sent;
    };
    raft.campaign();
    appends();
    raft.step(testMessage("MsgVoteResp", 2, 1, { term: 2 }));
    appends();
    raft.step(testMessage("MsgAppResp", 2, 1, { term: 2, index: 3, reject: true }));
    return { raft, disk, appends };
  }

  test("are asked for once, and sent when the host says that they are there", () => {
    const { raft, disk, appends } = leaderBehindLoading();
    expect(appends()).toEqual([]);
    raft.propose([testProposal("meanwhile")]);
    expect(appends()).toEqual([]);
    expect(disk.asked).toBe(1);
    disk.isLoaded = true;
    raft.retry(2);
    expect(appends()).toEqual([[1, 2, 3, 4, 5]]);
  });

  test("are asked for again when the host says so too early", () => {
    const { raft, disk, appends } = leaderBehindLoading();
    raft.retry(2);
    expect(appends()).toEqual([]);
    expect(disk.asked).toBe(2);
  });

  test("are asked for again when the follower answers a heartbeat", () => {
    const { raft, disk, appends } = leaderBehindLoading();
    disk.isLoaded = true;
    raft.step(testMessage("MsgHeartbeatResp", 2, 1, { term: 2 }));
    expect(appends()).toEqual([[1, 2, 3, 4]]);
  });

  test("do not make the leader forget how far the follower is", () => {
    const { raft, disk, appends } = leaderBehindLoading();
    appends();
    expect(raft.progress(2)).toMatchObject({ state: "probe", match: 0, next: 1 });
    disk.isLoaded = true;
    raft.retry(2);
    appends();
    raft.step(testMessage("MsgAppResp", 2, 1, { term: 2, index: 4 }));
    expect(raft.progress(2)).toMatchObject({ state: "replicate", match: 4, next: 5 });
    expect(raft.commit).toBe(4);
  });
});
