/**
 * proposals.test.ts: what becomes of a proposal, on a leader and elsewhere, and the host's own entries.
 */
import { describe, expect, test } from "vitest";
import { ProposalDropped, type ProposalDroppedReason } from "../errors.js";
import { RawNode } from "../raw-node.js";
import { MemoryStorage } from "../testing/memory-storage.js";
import { testChange, testConf, testMessage, testProposal } from "../testing/samples.js";
import { TestCluster } from "../testing/test-cluster.js";
import { type Entry, EntryType, type ProposedEntry } from "../types.js";

function threeNodes(settings: ConstructorParameters<typeof TestCluster>[1] = {}): TestCluster {
  return new TestCluster([1, 2, 3], settings).campaign(1);
}

/** Why the call dropped its proposal; null: it did not. */
function reasonOf(call: () => void): ProposalDroppedReason | null {
  try {
    call();
    return null;
  } catch (error) {
    if (error instanceof ProposalDropped) return error.reason;
    throw error;
  }
}

describe("a proposal on a follower", () => {
  test("is passed to the leader and applied by all", () => {
    const cluster = threeNodes().propose(2, "a");
    for (const node of cluster.nodes.values()) expect(node.texts()).toEqual(["a"]);
    expect(cluster.sentOf("MsgProp")).toMatchObject([{ from: 2, to: 1, term: 0 }]);
  });

  test("of several entries enters the log together, in order", () => {
    const cluster = threeNodes();
    cluster.raft(2).propose(["a", "b", "c"].map(testProposal));
    cluster.settle();
    expect(cluster.sentOf("MsgProp")).toHaveLength(1);
    expect(cluster.node(3).texts()).toEqual(["a", "b", "c"]);
  });

  test("is dropped where forwarding is turned off", () => {
    const cluster = threeNodes({ disableProposalForwarding: true });
    expect(reasonOf(() => cluster.propose(2, "a"))).toBe("no-forwarding");
    expect(cluster.sentOf("MsgProp")).toEqual([]);
    expect(reasonOf(() => cluster.propose(1, "a"))).toBeNull();
  });

  test("that its former leader passed on is passed on again, to the leader of now", () => {
    const cluster = threeNodes().campaign(2);
    cluster.raft(1).step(testMessage("MsgProp", 3, 1, { entries: [{ term: 0, index: 0, ...testProposal("a") }] }));
    cluster.settle();
    expect(cluster.node(3).texts()).toEqual(["a"]);
  });
});

describe("a proposal is dropped, and enters no log", () => {
  test("where no leader is known: on a follower, a candidate and a pre-candidate", () => {
    const cluster = new TestCluster([1, 2, 3], { preVote: true });
    expect(reasonOf(() => cluster.propose(1, "a"))).toBe("no-leader");
    cluster.isolate(1);
    cluster.campaign(1);
    expect(cluster.raft(1).state).toBe("preCandidate");
    expect(reasonOf(() => cluster.propose(1, "a"))).toBe("no-leader");
    const alone = new TestCluster([1, 2, 3]);
    alone.isolate(1);
    expect(reasonOf(() => alone.campaign(1).propose(1, "a"))).toBe("no-leader");
    expect(alone.raft(1)).toMatchObject({ state: "candidate", lastIndex: 0 });
  });

  test("by a leader that hands over", () => {
    const cluster = threeNodes();
    cluster.isolate(3);
    cluster.raft(1).transferLeader(3);
    expect(reasonOf(() => cluster.propose(1, "a"))).toBe("transferring");
    expect(cluster.raft(1).lastIndex).toBe(1);
  });

  test("by a leader that was removed and has not stepped down", () => {
    const cluster = threeNodes().change(1, testChange("r1"));
    expect(cluster.raft(1).state).toBe("leader");
    expect(reasonOf(() => cluster.propose(1, "a"))).toBe("removed");
  });

  test("by a leader with too much that is not applied; what was passed to it says so to its host", () => {
    const cluster = threeNodes({ maxUncommittedSize: 10 });
    cluster.isolate(1);
    cluster.propose(1, "x".repeat(10));
    expect(reasonOf(() => cluster.propose(1, "y"))).toBe("too-much-uncommitted");
    const passed = testMessage("MsgProp", 2, 1, { entries: [{ term: 0, index: 0, ...testProposal("y") }] });
    expect(cluster.raft(1).step(passed)).toBe("proposal-dropped");
    expect(cluster.raft(1).lastIndex).toBe(2);
  });

  test("with a change of the membership in it: the next change may still be proposed", () => {
    const cluster = threeNodes({ maxUncommittedSize: 10 });
    cluster.cut(1, 2);
    cluster.cut(1, 3);
    cluster.propose(1, "x".repeat(10));
    expect(reasonOf(() => cluster.raft(1).proposeConfChange(testChange("v4")))).toBe("too-much-uncommitted");
    cluster.heal();
    cluster.tick([1], 2);
    expect(reasonOf(() => cluster.change(1, testChange("l4")))).toBeNull();
    expect(cluster.raft(1).confState.learners).toEqual([4]);
  });
});

test("proposing nothing is a mistake of the host", () => {
  expect(() => threeNodes().raft(1).propose([])).toThrow("something is proposed");
});

describe("createEntry", () => {
  interface Marked extends Entry {
    readonly mark: string;
  }
  interface MarkedProposal extends ProposedEntry {
    readonly note: string;
  }
  const markOf = (proposed: ProposedEntry | MarkedProposal) => ("note" in proposed ? proposed.note : "none");

  function markingCluster(): { cluster: TestCluster; made: Marked[] } {
    const made: Marked[] = [];
    const createEntry = (proposed: ProposedEntry, term: number, index: number): Marked => {
      const entry = { term, index, type: proposed.type, data: proposed.data, mark: markOf(proposed) };
      made.push(entry);
      return entry;
    };
    return { cluster: new TestCluster([1, 2, 3], { createEntry }).campaign(1), made };
  }

  test("makes each entry when it gets its place; everyone is handed those very objects", () => {
    const { cluster, made } = markingCluster();
    cluster.propose(1, "a").propose(2, "b").change(1, testChange("l4"));
    expect(made.map(({ term, index, type }) => [term, index, type])).toEqual([
      [1, 1, EntryType.normal],
      [1, 2, EntryType.normal],
      [1, 3, EntryType.normal],
      [1, 4, EntryType.confChangeV2],
    ]);
    expect(made[0]?.data).toHaveLength(0);
    for (const { applied } of cluster.nodes.values()) {
      expect(applied).toHaveLength(4);
      for (const [at, entry] of applied.entries()) expect(entry).toBe(made[at]);
    }
  });

  test("sees the fields that the host added to what it proposed on the leader; they are not passed on", () => {
    const { cluster, made } = markingCluster();
    const noted: MarkedProposal = { ...testProposal("a"), note: "mine" };
    cluster.raft(1).propose([noted]);
    cluster.raft(2).propose([noted]);
    cluster.settle();
    expect(made.map(({ mark }) => mark)).toEqual(["none", "mine", "none"]);
  });

  test("is not called for what is dropped", () => {
    const { cluster, made } = markingCluster();
    cluster.isolate(3);
    cluster.raft(1).transferLeader(3);
    reasonOf(() => cluster.propose(1, "a"));
    expect(made).toHaveLength(1);
  });

  test("must keep the place that an entry was given", () => {
    const createEntry = ({ type, data }: ProposedEntry, term: number, index: number): Entry => {
      return { term, index: index + 1, type, data };
    };
    const storage = MemoryStorage.bootstrap(testConf([1]));
    const raft = new RawNode({ id: 1, storage, electionTicks: 10, heartbeatTicks: 1, random: () => 0, createEntry });
    raft.campaign();
    raft.ready();
    expect(() => raft.advance()).toThrow("the host keeps the place");
  });
});

describe("a message that is no business of this node", () => {
  test("answers of strangers are not looked at", () => {
    const cluster = threeNodes();
    expect(cluster.raft(1).step(testMessage("MsgAppResp", 9, 1, { term: 7, index: 1 }))).toBe("peer-not-found");
    expect(cluster.raft(1)).toMatchObject({ state: "leader", term: 1 });
  });

  test("storage's completions are not taken from other nodes", () => {
    const cluster = threeNodes();
    expect(cluster.raft(1).step(testMessage("MsgStorageAppendResp", 2, 1, { term: 1, index: 1 }))).toBe(
      "local-message",
    );
  });
});
