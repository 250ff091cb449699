/**
 * ready-pages.test.ts: committed entries are given out for application in bounded pages, and some have to be loaded first.
 */
import { describe, expect, test } from "vitest";
import { RawNode } from "../raw-node.js";
import { MemoryStorage } from "../testing/memory-storage.js";
import { testConf, testEntry, testMessage } from "../testing/samples.js";
import { APPLY_THREAD, type RaftConfig, type RaftStorage, type Ready } from "../types.js";

/** Ten committed entries of 100 bytes and a header. */
function tenEntries(): MemoryStorage {
  const entries = Array.from({ length: 10 }, (_, at) => testEntry(1, at + 1, "x".repeat(100)));
  return MemoryStorage.withEntries(testConf([1, 2]), entries, { term: 1, vote: 0, commit: 10 });
}

function nodeOn(storage: RaftStorage, settings: Partial<RaftConfig>): RawNode {
  return new RawNode({ id: 1, storage, electionTicks: 10, heartbeatTicks: 1, random: () => 0, ...settings });
}

function indexesOf(ready: Ready): readonly number[] {
  return ready.committedEntries.map(({ index }) => index);
}

function finishApply(raft: RawNode, ready: Ready): void {
  for (const { responses } of ready.messages.filter(({ to }) => to === APPLY_THREAD)) {
    for (const response of responses) raft.step(response);
  }
}

describe("maxCommittedSizePerReady", () => {
  test.each([
    {
      limit: 250,
      pages: [
        [1, 2],
        [3, 4],
        [5, 6],
        [7, 8],
        [9, 10],
      ],
    },
    { limit: 1, pages: [[1], [2], [3], [4], [5], [6], [7], [8], [9], [10]] },
    { limit: 10_000, pages: [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]] },
  ])("$limit bytes: one Ready gives out at most that, and at least one entry", ({ limit, pages }) => {
    const raft = nodeOn(tenEntries(), { maxCommittedSizePerReady: limit });
    for (const page of pages) {
      expect(indexesOf(raft.ready())).toEqual(page);
      raft.advance();
    }
    expect(raft.hasReady()).toBe(false);
  });

  test("bounds what is given out and not yet applied over all Readies", () => {
    const raft = nodeOn(tenEntries(), { maxCommittedSizePerReady: 250, asyncStorageWrites: true });
    const first = raft.ready();
    expect(indexesOf(first)).toEqual([1, 2]);
    raft.step(testMessage("MsgHeartbeat", 2, 1, { term: 1, commit: 10 }));
    expect(indexesOf(raft.ready()), "a Ready for the answer holds no more of them").toEqual([]);
    finishApply(raft, first);
    expect(raft.applied).toBe(2);
    expect(indexesOf(raft.ready())).toEqual([3, 4]);
  });

  test("is maxSizePerMessage unless it is set", () => {
    expect(indexesOf(nodeOn(tenEntries(), { maxSizePerMessage: 250 }).ready())).toEqual([1, 2]);
  });
});

test("a node that had applied entries before it started is given those behind them", () => {
  expect(indexesOf(nodeOn(tenEntries(), { applied: 7 }).ready())).toEqual([8, 9, 10]);
});

describe("committed entries that storage has to load first", () => {
  function loading(): { raft: RawNode; load: () => void; asked: () => number } {
    const inner = tenEntries();
    let isLoaded = false;
    let asked = 0;
    const storage: RaftStorage = {
      initialState: () => inner.initialState(),
      firstIndex: () => inner.firstIndex(),
      lastIndex: () => inner.lastIndex(),
      term: (index) => inner.term(index),
      snapshot: () => inner.snapshot(),
      entries: (lo, hi, bytesMax) => {
        asked++;
        return isLoaded ? inner.entries(lo, hi, bytesMax) : "pending";
      },
    };
    const load = () => {
      isLoaded = true;
    };
    return { raft: nodeOn(storage, {}), load, asked: () => asked };
  }

  test("are asked for once, until the host says that they may be there", () => {
    const { raft, load, asked } = loading();
    expect(indexesOf(raft.ready())).toEqual([]);
    raft.advance();
    expect(raft.hasReady(), "the host must not turn in circles").toBe(false);
    expect(asked()).toBe(1);
    load();
    raft.retry(1);
    expect(indexesOf(raft.ready())).toHaveLength(10);
  });

  test("are asked for again with the next tick", () => {
    const { raft, load } = loading();
    raft.ready();
    raft.advance();
    load();
    raft.tick();
    expect(indexesOf(raft.ready())).toHaveLength(10);
  });

  test("keep their node from standing: a change that makes it no voter may be among them", () => {
    const { raft, load } = loading();
    raft.ready();
    raft.advance();
    raft.campaign();
    expect(raft.state).toBe("follower");
    load();
    raft.campaign();
    expect(raft.state).toBe("candidate");
  });
});
