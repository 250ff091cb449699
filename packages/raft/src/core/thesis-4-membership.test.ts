/**
 * thesis-4-membership.test.ts: changes of the membership, as chapter 4 of the Raft thesis has them.
 */
import { describe, expect, test } from "vitest";
import { ConfChangeError, ProposalDropped } from "../errors.js";
import { MemoryStorage } from "../testing/memory-storage.js";
import { testChange, testConf, testMessage, testProposal } from "../testing/samples.js";
import { TEST_ELECTION_TICKS, TestCluster, TestNode } from "../testing/test-cluster.js";
import { type ConfChange, type ConfState, EntryType } from "../types.js";
import { encodeConfChange } from "./confchange-codec.js";

const NOTHING = new Uint8Array(0);

function single(type: ConfChange["type"], nodeId: number): ConfChange {
  return { type, nodeId, context: NOTHING };
}

/** Nodes 1 to 3 vote, node 1 leads; nodes 4 and 5 stand by with the founding configuration. */
function founded(settings: ConstructorParameters<typeof TestCluster>[1] = {}): TestCluster {
  const cluster = new TestCluster([1, 2, 3], settings);
  for (const id of [4, 5]) cluster.addNode(id, MemoryStorage.bootstrap(testConf([1, 2, 3])));
  return cluster.campaign(1);
}

describe("one node at a time (4.1)", () => {
  test("a new voter gets the log and counts", () => {
    const cluster = founded().propose(1, "a");
    cluster.change(1, single("addVoter", 4));
    expect(cluster.node(4).texts()).toEqual(["a"]);
    for (const id of [1, 2, 3, 4]) expect(cluster.raft(id).confState).toEqual(testConf([1, 2, 3, 4]));
    cluster.isolate(2);
    cluster.propose(1, "b");
    expect(cluster.node(4).texts()).toEqual(["a", "b"]);
    cluster.isolate(3);
    cluster.propose(1, "c");
    expect(cluster.node(1).texts()).toEqual(["a", "b"]);
  });

  test("a removed voter no longer counts, nor gets anything", () => {
    const cluster = founded();
    cluster.change(1, single("removeNode", 3));
    cluster.isolate(3);
    const start = cluster.sent.length;
    cluster.propose(1, "a");
    expect(cluster.node(2).texts()).toEqual(["a"]);
    expect(cluster.sent.slice(start).some(({ to }) => to === 3)).toBe(false);
  });

  test("a smaller quorum commits at once what a larger one lacked", () => {
    const cluster = new TestCluster([1, 2]).campaign(1);
    cluster.change(1, single("addVoter", 3));
    cluster.propose(1, "waits");
    cluster.raft(1).proposeConfChange(single("removeNode", 3));
    cluster.settle();
    expect(cluster.raft(1).commit).toBe(cluster.raft(1).lastIndex);
  });

  test("a second change is refused while the first one may not be applied", () => {
    const cluster = founded();
    cluster.isolate(1);
    cluster.raft(1).proposeConfChange(single("addVoter", 4));
    expect(cluster.raft(1).confChangeRefusal(single("addVoter", 5))).toContain("may not be applied yet");
    expect(() => cluster.raft(1).proposeConfChange(single("addVoter", 5))).toThrow(ProposalDropped);
    expect(cluster.raft(1).lastIndex).toBe(2);
    cluster.heal();
    cluster.tick([1], 2);
    expect(cluster.raft(1).confChangeRefusal(single("addVoter", 5))).toBeNull();
  });

  test("a second change that is proposed as an entry becomes an empty one", () => {
    const cluster = founded();
    cluster.isolate(1);
    const data = encodeConfChange(single("addVoter", 4));
    cluster
      .raft(1)
      .propose([{ type: EntryType.confChange, data }, { type: EntryType.confChange, data }, testProposal("x")]);
    cluster.settle();
    expect(
      cluster
        .node(1)
        .storage.allEntries()
        .map(({ type }) => type),
    ).toEqual([0, EntryType.confChange, 0, 0]);
  });

  test("bytes that are no change become an empty entry", () => {
    const cluster = founded();
    cluster.raft(1).propose([{ type: EntryType.confChangeV2, data: Uint8Array.from([99]) }]);
    cluster.settle();
    expect(cluster.node(2).storage.allEntries().at(-1)).toMatchObject({ type: EntryType.normal, index: 2 });
  });

  test("a new leader proposes none before it knows all that were committed (raft-dev, July 2015)", () => {
    const cluster = founded();
    cluster.node(2).diskStopped = true;
    cluster.node(3).diskStopped = true;
    expect(cluster.raft(1).confChangeRefusal(single("addVoter", 4))).toBeNull();
    cluster.node(2).diskStopped = false;
    cluster.node(3).diskStopped = false;
    cluster.isolate(1);
    cluster.filter = ({ type }) => type !== "MsgAppResp";
    cluster.campaign(2);
    expect(cluster.raft(2).state).toBe("leader");
    cluster.node(2).raft.propose([testProposal("x")]);
    expect(cluster.raft(2).committedInTerm).toBe(false);
  });
});

describe("a leader that removes itself (4.2.2)", () => {
  test("leads until the change is committed, then hands over by silence or steps down", () => {
    for (const stepDownOnRemoval of [false, true]) {
      const cluster = founded({ stepDownOnRemoval });
      cluster.change(1, single("removeNode", 1));
      expect(cluster.raft(1).state).toBe(stepDownOnRemoval ? "follower" : "leader");
      expect(() => cluster.raft(1).propose([testProposal("x")])).toThrow(ProposalDropped);
      cluster.isolate(1);
      cluster.tick([2, 3], 2 * TEST_ELECTION_TICKS);
      expect(cluster.leaders().filter((id) => id !== 1)).toHaveLength(1);
    }
  });

  test("does not count itself", () => {
    const cluster = new TestCluster([1, 2]).campaign(1);
    cluster.raft(1).proposeConfChange(single("removeNode", 1));
    cluster.isolate(2);
    cluster.settle();
    expect(cluster.raft(1).commit).toBe(1);
  });

  test("never stands again", () => {
    const cluster = founded({ stepDownOnRemoval: true });
    cluster.change(1, single("removeNode", 1));
    cluster.campaign(1);
    cluster.tick([1], 3 * TEST_ELECTION_TICKS);
    expect(cluster.raft(1).state).toBe("follower");
  });
});

describe("learners (4.2.1)", () => {
  test("get the log and do not count", () => {
    const cluster = founded();
    cluster.change(1, single("addLearner", 4));
    expect(cluster.node(4).storedTerms()).toEqual(cluster.node(1).storedTerms());
    cluster.isolate(2);
    cluster.isolate(3);
    cluster.propose(1, "a");
    expect(cluster.node(1).texts()).toEqual([]);
    expect(cluster.raft(1).progress(4)).toMatchObject({ isLearner: true, match: 3 });
  });

  test("do not stand", () => {
    const cluster = new TestCluster([1, 2], {}, testConf([1], [2])).campaign(1);
    cluster.campaign(2);
    cluster.tick([2], 3 * TEST_ELECTION_TICKS);
    expect(cluster.raft(2).state).toBe("follower");
  });

  test("vote when asked: they may have been promoted without knowing it yet", () => {
    const node = new TestNode(2, MemoryStorage.bootstrap(testConf([1, 3], [2])), {});
    node.raft.step(testMessage("MsgVote", 1, 2, { term: 1 }));
    node.takeMessages();
    expect(node.work()).toMatchObject([{ type: "MsgVoteResp", reject: false }]);
  });

  test("become voters when they have caught up", () => {
    const cluster = founded();
    cluster.change(1, single("addLearner", 4)).change(1, single("addVoter", 4));
    expect(cluster.raft(4).confState).toEqual(testConf([1, 2, 3, 4]));
    cluster.raft(1).transferLeader(4);
    cluster.settle();
    expect(cluster.leaders()).toEqual([4]);
  });

  test("demoted leaders step down if that is asked for", () => {
    const cluster = founded({ stepDownOnRemoval: true });
    cluster.change(1, single("addLearner", 1));
    expect(cluster.raft(1)).toMatchObject({ state: "follower" });
    expect(cluster.raft(1).confState).toEqual(testConf([2, 3], [1]));
  });
});

describe("joint consensus (4.3)", () => {
  const JOINT: Partial<ConfState> = { voters: [1, 4, 5], votersOutgoing: [1, 2, 3] };
  const REPLACE = "v4 v5 r2 r3";

  test.each([
    { away: [2, 3], want: [] },
    { away: [4, 5], want: [] },
    { away: [3, 5], want: ["a"] },
  ])("needs both majorities to commit: without $away it commits $want", ({ away, want }) => {
    const cluster = founded().change(1, testChange(REPLACE, "jointExplicit"));
    expect(cluster.raft(1).confState).toMatchObject(JOINT);
    for (const id of away) cluster.isolate(id);
    cluster.propose(1, "a").tick([1], 2);
    expect(cluster.node(1).texts()).toEqual(want);
  });

  test("needs both majorities to elect", () => {
    const cluster = founded().change(1, testChange(REPLACE, "jointExplicit"));
    cluster.isolate(2);
    cluster.isolate(3);
    cluster.isolate(1);
    cluster.campaign(4);
    expect(cluster.raft(4).state).toBe("candidate");
    cluster.heal();
    cluster.isolate(1);
    cluster.campaign(4);
    expect(cluster.raft(4).state).toBe("leader");
  });

  test("is left by an empty change, if that was asked for", () => {
    const cluster = founded().change(1, testChange(REPLACE, "jointExplicit"));
    cluster.tick([1], 5);
    expect(cluster.raft(1).confState).toMatchObject(JOINT);
    expect(() => cluster.raft(1).proposeConfChange(single("addVoter", 9))).toThrow(ProposalDropped);
    cluster.change(1, testChange(""));
    for (const id of [1, 4, 5]) expect(cluster.raft(id).confState).toEqual(testConf([1, 4, 5]));
  });

  test.each([
    { why: "several changes", change: testChange("v4 v5"), want: testConf([1, 2, 3, 4, 5]) },
    { why: "one implicit change", change: testChange("v4", "jointImplicit"), want: testConf([1, 2, 3, 4]) },
  ])("is left by the leader itself: $why", ({ change, want }) => {
    const cluster = founded().change(1, change);
    expect(cluster.raft(1).confState).toEqual(want);
    expect(cluster.raft(4).confState).toEqual(want);
  });

  test("is left once, however many entries are applied meanwhile", () => {
    const cluster = founded();
    cluster.raft(1).proposeConfChange(testChange("v4 v5"));
    cluster.raft(1).propose([testProposal("a"), testProposal("b")]);
    cluster.settle();
    const changes = cluster
      .node(1)
      .storage.allEntries()
      .filter(({ type }) => type !== EntryType.normal);
    expect(changes).toHaveLength(2);
    expect(cluster.raft(1).confState.votersOutgoing).toEqual([]);
  });

  test("is left by the next leader if the first one fell", () => {
    const cluster = founded();
    cluster.filter = ({ from, type, commit }) => !(from === 1 && type === "MsgApp" && commit >= 2);
    cluster.raft(1).proposeConfChange(testChange("v4 v5"));
    cluster.settle();
    cluster.heal();
    cluster.isolate(1);
    cluster.tick([2, 3, 4, 5], 4 * TEST_ELECTION_TICKS);
    const leader = cluster.leaders().find((id) => id !== 1) ?? 0;
    expect(cluster.raft(leader).confState).toEqual(testConf([1, 2, 3, 4, 5]));
  });

  test("demotes voters to learners at its end", () => {
    const cluster = founded().change(1, testChange("l2 v4"));
    expect(cluster.raft(1).confState).toEqual(testConf([1, 3, 4], [2]));
    expect(cluster.raft(1).progress(2)).toMatchObject({ isLearner: true });
  });

  test("leaving where nothing is joint is refused", () => {
    const cluster = founded();
    expect(cluster.raft(1).confChangeRefusal(testChange(""))).toContain("not in joint state");
  });
});

describe("applying", () => {
  test("a change that does not fit is an error that changes nothing", () => {
    const node = new TestNode(1, MemoryStorage.bootstrap(testConf([1])), {});
    expect(() => node.raft.applyConfChange(single("removeNode", 1))).toThrow(ConfChangeError);
    expect(node.raft.confState).toEqual(testConf([1]));
  });

  test("a change of nobody is nothing", () => {
    const node = new TestNode(1, MemoryStorage.bootstrap(testConf([1])), {});
    expect(node.raft.applyConfChange(single("addVoter", 0))).toEqual(testConf([1]));
  });

  test("a newcomer counts as heard, so that the next check of the quorum does not fail", () => {
    const cluster = new TestCluster([1], { checkQuorum: true }).campaign(1);
    cluster.change(1, single("addVoter", 2));
    expect(cluster.raft(1).progress(2)?.recentActive).toBe(true);
    cluster.tick([1], TEST_ELECTION_TICKS);
    expect(cluster.raft(1).state).toBe("leader");
  });

  test("who answers is told at any time, also right after a check of the quorum; who has gone silent is not, from the second check on", () => {
    const cluster = new TestCluster([1, 2, 3], { checkQuorum: true }).campaign(1);
    const answering = () => [2, 3].map((id) => cluster.raft(1).progress(id)?.isAnswering);
    for (let tick = 0; tick < 5 * TEST_ELECTION_TICKS; tick++) {
      cluster.tick([1], 1);
      expect(answering()).toEqual([true, true]);
    }
    cluster.isolate(3);
    cluster.tick([1], 2 * TEST_ELECTION_TICKS);
    expect(answering()).toEqual([true, false]);
    expect(cluster.raft(1).state).toBe("leader");
  });

  test("without validation the log takes every change; the host decides what it means", () => {
    const cluster = founded({ disableConfChangeValidation: true });
    cluster.isolate(1);
    cluster.raft(1).proposeConfChange(single("addVoter", 4));
    cluster.raft(1).proposeConfChange(single("addVoter", 5));
    cluster.settle();
    expect(
      cluster
        .node(1)
        .storage.allEntries()
        .filter(({ type }) => type === EntryType.confChange),
    ).toHaveLength(2);
  });
});

describe("catching up (4.2.1) and snapshots (5.1 of the thesis)", () => {
  test("a newcomer gets a snapshot from before it was added, and then the entries", () => {
    const cluster = founded().propose(1, "a", "b");
    for (const id of [1, 2, 3]) cluster.node(id).compact();
    cluster.propose(1, "c");
    cluster.change(1, single("addLearner", 4));
    cluster.tick([1], 2);
    expect(cluster.node(4).texts()).toEqual(["c"]);
    expect(cluster.node(4).storage.storedSnapshot().metadata).toMatchObject({
      index: 3,
      confState: testConf([1, 2, 3]),
    });
    expect(cluster.raft(4).confState).toEqual(testConf([1, 2, 3], [4]));
    expect(cluster.raft(1).progress(4)).toMatchObject({ state: "replicate", match: 5 });
  });
});
