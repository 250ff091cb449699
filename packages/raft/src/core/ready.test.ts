/**
 * ready.test.ts: what a Ready holds, in both modes of storage, and when it may be taken.
 */
import { describe, expect, test } from "vitest";
import { assert } from "../assert.js";
import { RawNode } from "../raw-node.js";
import { MemoryStorage } from "../testing/memory-storage.js";
import { testConf, testEntry, testMessage, testProposal } from "../testing/samples.js";
import type { TestSettings } from "../testing/test-cluster.js";
import { APPEND_THREAD, APPLY_THREAD, type Message, type Ready } from "../types.js";

function nodeOf(voters: readonly number[], settings: TestSettings = {}): { raft: RawNode; storage: MemoryStorage } {
  const storage = MemoryStorage.bootstrap(testConf(voters));
  const raft = new RawNode({ id: 1, storage, electionTicks: 10, heartbeatTicks: 1, random: () => 0, ...settings });
  return { raft, storage };
}

/** More than any of these tests needs. */
const READIES_MAX = 100;

/** Does what a Ready says, as a host with synchronous storage does. */
function obey({ raft, storage }: { raft: RawNode; storage: MemoryStorage }): Ready[] {
  const done: Ready[] = [];
  while (raft.hasReady()) {
    assert(done.length < READIES_MAX, "a node that is told nothing comes to rest");
    const ready = raft.ready();
    done.push(ready);
    if (ready.hardState !== null) storage.hardState = ready.hardState;
    storage.append(ready.entries);
    raft.advance();
  }
  return done;
}

describe("synchronous storage", () => {
  test("a candidate's vote for itself is in the Ready whose messages ask for votes, and must be synced", () => {
    const { raft } = nodeOf([1, 2, 3]);
    raft.campaign();
    const ready = raft.ready();
    expect(ready.hardState).toEqual({ term: 1, vote: 1, commit: 0 });
    expect(ready.mustSync).toBe(true);
    expect(ready.messages.map(({ type, to }) => [type, to])).toEqual([
      ["MsgVote", 2],
      ["MsgVote", 3],
    ]);
  });

  test("entries come once, and committed ones once, in order", () => {
    const node = nodeOf([1]);
    node.raft.campaign();
    obey(node);
    for (const text of ["a", "b", "c"]) node.raft.propose([testProposal(text)]);
    const all = obey(node);
    expect(all.flatMap(({ entries }) => entries.map(({ index }) => index))).toEqual([2, 3, 4]);
    expect(all.flatMap(({ committedEntries }) => committedEntries.map(({ index }) => index))).toEqual([2, 3, 4]);
    expect(node.raft.hasReady()).toBe(false);
  });

  test("a commit index that moved alone needs no sync", () => {
    const { raft, storage } = nodeOf([1, 2]);
    raft.step(testMessage("MsgApp", 2, 1, { term: 1, entries: [testEntry(1, 1, "a")] }));
    obey({ raft, storage });
    raft.step(testMessage("MsgHeartbeat", 2, 1, { term: 1, commit: 1 }));
    const ready = raft.ready();
    expect(ready.hardState).toMatchObject({ commit: 1 });
    expect(ready.mustSync).toBe(false);
    expect(ready.committedEntries.map(({ index }) => index)).toEqual([1]);
  });

  test("a snapshot and its answer share a Ready; mustSync speaks of entries and hard state, not of the snapshot", () => {
    const { raft } = nodeOf([1, 2]);
    raft.step(testMessage("MsgHeartbeat", 2, 1, { term: 1 }));
    obey({ raft, storage: MemoryStorage.bootstrap(testConf([1, 2])) });
    const snapshot = { metadata: { index: 9, term: 1, confState: testConf([1, 2]) }, data: new Uint8Array(0) };
    raft.step(testMessage("MsgSnap", 2, 1, { term: 1, snapshot }));
    const ready = raft.ready();
    expect(ready.snapshot).toBe(snapshot);
    expect(ready.messages.map(({ type, index }) => [type, index])).toEqual([["MsgAppResp", 9]]);
    expect(ready.mustSync).toBe(false);
  });

  test("a vote must be synced, in a term that was stored before, too", () => {
    const { raft, storage } = nodeOf([1, 2, 3]);
    raft.step(testMessage("MsgHeartbeat", 2, 1, { term: 1 }));
    obey({ raft, storage });
    raft.forgetLeader();
    raft.step(testMessage("MsgVote", 3, 1, { term: 1 }));
    expect(raft.ready()).toMatchObject({ hardState: { term: 1, vote: 3 }, mustSync: true });
  });

  test("a vote and an answer to an append are in the Ready that stores what they speak of", () => {
    const { raft, storage } = nodeOf([1, 2, 3]);
    raft.step(testMessage("MsgVote", 2, 1, { term: 1 }));
    const vote = raft.ready();
    expect(vote).toMatchObject({ hardState: { term: 1, vote: 2, commit: 0 }, mustSync: true });
    expect(vote.messages.map(({ type, reject }) => [type, reject])).toEqual([["MsgVoteResp", false]]);
    storage.hardState = { term: 1, vote: 2, commit: 0 };
    raft.advance();
    raft.step(testMessage("MsgApp", 2, 1, { term: 1, entries: [testEntry(1, 1, "a")] }));
    const append = raft.ready();
    expect(append).toMatchObject({ hardState: null, mustSync: true, entries: [{ index: 1 }] });
    expect(append.messages.map(({ type, index }) => [type, index])).toEqual([["MsgAppResp", 1]]);
  });

  test("a leader counts itself only when advance() says that its log is stored", () => {
    const { raft, storage } = nodeOf([1]);
    raft.campaign();
    raft.ready();
    raft.advance();
    const ready = raft.ready();
    storage.append(ready.entries);
    expect(raft.progress(1)?.match).toBe(0);
    expect(raft.commit).toBe(0);
    raft.advance();
    expect(raft.progress(1)?.match).toBe(1);
    expect(raft.commit).toBe(1);
  });

  test("ticks, messages and proposals may come between ready() and advance(), and are in the next Ready", () => {
    const node = nodeOf([1]);
    node.raft.campaign();
    obey(node);
    node.raft.propose([testProposal("a")]);
    const first = node.raft.ready();
    node.raft.propose([testProposal("b")]);
    node.raft.tick();
    node.storage.append(first.entries);
    node.raft.advance();
    expect(node.raft.commit).toBe(2);
    expect(obey(node).flatMap(({ entries }) => entries.map(({ index }) => index))).toEqual([3]);
    expect(node.raft.commit).toBe(3);
  });

  test("roles, hard state and reads are told when they change, and once", () => {
    const node = nodeOf([1]);
    expect(node.raft.hasReady()).toBe(false);
    node.raft.campaign();
    const told = obey(node);
    expect(told.map(({ softState }) => softState).filter((state) => state !== null)).toEqual([
      { leader: 0, state: "candidate" },
      { leader: 1, state: "leader" },
    ]);
    expect(told.map(({ hardState }) => hardState).filter((state) => state !== null)).toEqual([
      { term: 1, vote: 1, commit: 0 },
      { term: 1, vote: 1, commit: 1 },
    ]);
    node.raft.readIndex("r");
    expect(node.raft.ready()).toMatchObject({
      softState: null,
      hardState: null,
      readStates: [{ index: 1, context: "r" }],
    });
    node.raft.advance();
    expect(node.raft.hasReady()).toBe(false);
  });

  test("another Ready before advance() is a mistake of the host, and so is advance() without one", () => {
    const { raft } = nodeOf([1]);
    expect(() => raft.advance()).toThrow("advance() follows ready()");
    raft.campaign();
    raft.ready();
    expect(() => raft.ready()).toThrow("advance() comes between");
  });
});

describe("asynchronous storage", () => {
  const asyncNode = (voters: readonly number[]) => nodeOf(voters, { asyncStorageWrites: true });
  const storageMessage = (ready: Ready, to: number): Message | undefined =>
    ready.messages.find((message) => message.to === to);

  test("an answer to an append leaves only as a response of the write that covers it", () => {
    const { raft } = asyncNode([1, 2]);
    raft.step(testMessage("MsgApp", 2, 1, { term: 1, entries: [testEntry(1, 1, "a")] }));
    const ready = raft.ready();
    expect(ready.messages.filter(({ type }) => type === "MsgAppResp")).toEqual([]);
    const write = storageMessage(ready, APPEND_THREAD);
    expect(write?.entries.map(({ index }) => index)).toEqual([1]);
    expect(write?.responses.map(({ type, to }) => [type, to])).toEqual([
      ["MsgAppResp", 2],
      ["MsgStorageAppendResp", 1],
    ]);
  });

  test("a granted vote waits for the write of the vote", () => {
    const { raft } = asyncNode([1, 2, 3]);
    raft.step(testMessage("MsgVote", 2, 1, { term: 1 }));
    const ready = raft.ready();
    expect(ready.messages.map(({ type }) => type)).toEqual(["MsgStorageAppend"]);
    const write = storageMessage(ready, APPEND_THREAD);
    expect(write).toMatchObject({ term: 1, vote: 2 });
    expect(write?.responses.map(({ type, to, reject }) => [type, to, reject])).toEqual([["MsgVoteResp", 2, false]]);
  });

  test("a leader sends its entries before they are durable here, and counts itself only afterwards", () => {
    const { raft } = asyncNode([1, 2, 3]);
    raft.campaign();
    raft.ready();
    for (const from of [1, 2]) raft.step(testMessage("MsgVoteResp", from, 1, { term: 1 }));
    const ready = raft.ready();
    expect(ready.messages.filter(({ type }) => type === "MsgApp").map(({ to }) => to)).toEqual([2, 3]);
    expect(raft.progress(1)?.match).toBe(0);
    for (const response of storageMessage(ready, APPEND_THREAD)?.responses ?? []) raft.step(response);
    expect(raft.progress(1)?.match).toBe(1);
  });

  test("committed entries that are not durable here are not applied yet", () => {
    const { raft, storage } = asyncNode([1, 2]);
    raft.step(testMessage("MsgApp", 2, 1, { term: 1, entries: [testEntry(1, 1, "a")], commit: 1 }));
    const ready = raft.ready();
    expect(storageMessage(ready, APPLY_THREAD)).toBeUndefined();
    const write = storageMessage(ready, APPEND_THREAD);
    storage.append(write?.entries ?? []);
    for (const response of write?.responses ?? []) if (response.to === 1) raft.step(response);
    expect(storageMessage(raft.ready(), APPLY_THREAD)?.entries.map(({ index }) => index)).toEqual([1]);
  });

  test("a write from before a change of the term acknowledges nothing, though its entry is in the log again", () => {
    const { raft } = asyncNode([1, 2, 3]);
    const writes = [
      testMessage("MsgApp", 2, 1, { term: 1, entries: [testEntry(1, 1, "a")] }),
      testMessage("MsgApp", 3, 1, { term: 2, entries: [testEntry(2, 1, "b")] }),
      testMessage("MsgApp", 2, 1, { term: 3, entries: [testEntry(1, 1, "a")], commit: 1 }),
    ].map((message) => {
      raft.step(message);
      return storageMessage(raft.ready(), APPEND_THREAD);
    });
    const finish = (at: number) => {
      for (const response of writes[at]?.responses ?? []) if (response.to === 1) raft.step(response);
    };
    finish(0);
    expect(raft.hasReady(), "the second write may yet replace it on the disk").toBe(false);
    finish(1);
    expect(raft.hasReady()).toBe(false);
    finish(2);
    expect(raft.hasReady(), "now it is durable and can be applied").toBe(true);
  });

  test("a Ready may be taken while earlier writes are under way; entries are handed out once", () => {
    const { raft } = asyncNode([1, 2]);
    raft.step(testMessage("MsgApp", 2, 1, { term: 1, entries: [testEntry(1, 1, "a")] }));
    raft.ready();
    raft.step(testMessage("MsgApp", 2, 1, { term: 1, index: 1, logTerm: 1, entries: [testEntry(1, 2, "b")] }));
    const write = storageMessage(raft.ready(), APPEND_THREAD);
    expect(write?.entries.map(({ index }) => index)).toEqual([2]);
    expect(write?.responses.map(({ type, index }) => [type, index])).toEqual([
      ["MsgAppResp", 2],
      ["MsgStorageAppendResp", 2],
    ]);
  });

  test("advance() does not belong to it", () => {
    const { raft } = asyncNode([1]);
    expect(() => raft.advance()).toThrow("synchronous mode");
  });
});
