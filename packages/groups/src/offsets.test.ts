/** offsets.test.ts: commits and seeks: what is accepted, what is refused, and that a refusal changes nothing. */
import { describe, expect, test } from "vitest";
import { expectValue } from "./result.js";
import { commit, offsetCommit } from "./testing/commands.js";
import { Harness, type TestMember } from "./testing/harness.js";

function running(): { harness: Harness; a: TestMember; b: TestMember; topicId: string } {
  const harness = new Harness();
  const topicId = harness.createTopic("orders", 4);
  const a = harness.member("a", ["orders"]).join();
  const b = harness.member("b", ["orders"]).join();
  harness.settle([a, b]);
  return { harness, a, b, topicId };
}

function seek(harness: Harness, partition: number, offset: number) {
  const offsets = [{ topicId: harness.topicId("orders"), partition, offset }];
  return harness.apply({ kind: "seek", group: "billing", offsets, nowMs: 5 });
}

describe("commits", () => {
  test("a commit is read back with all that came with it", () => {
    const { harness, a, topicId } = running();
    const epoch = a.owned.get(`${topicId}/1`)?.epoch ?? null;
    const offsets = [{ topicId, partition: 1, offset: 7, assignmentEpoch: epoch, leaderEpoch: 3, metadata: "note" }];
    harness.apply({ kind: "commit", group: "billing", memberId: "a", memberEpoch: a.epoch, offsets, nowMs: 77 });
    const stored = { topicId, partition: 1, offset: 7, leaderEpoch: 3, metadata: "note", committedMs: 77 };
    expect(harness.state.offsets("billing")).toEqual([stored]);
    expect(harness.state.offsets("billing", [{ topicId, partitions: [0, 1] }])).toEqual([stored]);
    expect(harness.state.offsets("nobody")).toEqual([]);
  });

  test("the next owner starts where the last one committed", () => {
    const { harness, a, b, topicId } = running();
    a.commit("orders", 0, 41);
    a.leave();
    harness.settle([b]);
    expect(b.owned.get(`${topicId}/0`)).toMatchObject({ startOffset: 41 });
  });

  test("a partition that is somebody else's, or nobody's, refuses the whole command", () => {
    const { harness, a, b, topicId } = running();
    expect(a.commit("orders", 2, 5)).toBe("STALE_ASSIGNMENT");
    expect(a.commit("orders", 99, 5)).toBe("STALE_ASSIGNMENT");
    const [mine, theirs] = [a.owned.get(`${topicId}/0`), b.owned.get(`${topicId}/2`)];
    const offsets = [offsetCommit(topicId, 0, 5, mine?.epoch), offsetCommit(topicId, 2, 5, theirs?.epoch)];
    expect(harness.apply(commit("a", a.epoch, offsets))).toMatchObject({ code: "STALE_ASSIGNMENT" });
    expect(harness.state.offsets("billing"), "nothing of it was committed").toEqual([]);
  });

  test("an owner commits what it finished while it gives a partition up, until it has confirmed", () => {
    const { harness, a, b, topicId } = running();
    const epoch = a.owned.get(`${topicId}/1`)?.epoch ?? 0;
    const [c, d] = ["c", "d"].map((id) => harness.member(id, ["orders"]).join());
    a.beat();
    expect(a.partitions("orders")).toEqual([0]);
    expect(a.commit("orders", 1, 12, epoch)).toBe("ok");
    a.beat();
    expect(a.commit("orders", 1, 13, epoch)).toBe("STALE_ASSIGNMENT");
    if (c === undefined || d === undefined) throw new Error("no member");
    harness.settle([a, b, c, d]);
    expect([c, d].map((member) => member.owned.get(`${topicId}/1`)?.startOffset)).toContain(12);
  });

  test("an epoch at which the partition was given before is stale, even to the same member", () => {
    const { harness, a, b, topicId } = running();
    const before = b.owned.get(`${topicId}/2`)?.epoch ?? 0;
    b.leave();
    harness.settle([a]);
    b.join();
    harness.settle([a, b]);
    expect(b.partitions("orders")).toEqual([2, 3]);
    expect(b.commit("orders", 2, 5, before)).toBe("STALE_ASSIGNMENT");
    expect(b.commit("orders", 2, 5)).toBe("ok");
  });

  test("a commit that crossed a change of view is accepted for what did not move; a later epoch than the member's is fenced", () => {
    const { harness, a, topicId } = running();
    const epoch = a.owned.get(`${topicId}/0`)?.epoch ?? 0;
    const memberEpoch = a.epoch;
    harness.member("c", ["orders"]).join();
    a.beat();
    expect(a.epoch).toBeGreaterThan(memberEpoch);
    expect(harness.apply(commit("a", memberEpoch, [offsetCommit(topicId, 0, 3, epoch)]))).toMatchObject({ ok: true });
    for (const wrong of [a.epoch + 1, 0, -1])
      expect(harness.apply(commit("a", wrong, [offsetCommit(topicId, 0, 4, epoch)]))).toMatchObject({
        code: "FENCED_MEMBER",
      });
  });

  test("a client that knows no assignment epochs commits by its member epoch, and not to what it got after it", () => {
    const { harness, a, topicId } = running();
    expect(harness.apply(commit("a", a.epoch, [offsetCommit(topicId, 0, 3)]))).toMatchObject({ ok: true });
    seek(harness, 0, 1);
    expect(harness.apply(commit("a", a.epoch, [offsetCommit(topicId, 0, 4)]))).toMatchObject({
      code: "STALE_ASSIGNMENT",
    });
  });

  test("of two commits that overtook each other the higher stays, and the answer says so", () => {
    const { harness, a, topicId } = running();
    a.commit("orders", 0, 9);
    const epoch = a.owned.get(`${topicId}/0`)?.epoch ?? 0;
    const value = expectValue(harness.apply(commit("a", a.epoch, [offsetCommit(topicId, 0, 8, epoch)])), "offsets");
    expect(value.offsets).toEqual([{ topicId, partition: 0, offset: 9 }]);
    expect(harness.committed("orders", 0)).toBe(9);
  });

  test.each([
    ["a negative offset", -1],
    ["no integer", 1.5],
    ["an offset beyond 2^53", 2 ** 53],
  ])("%s is refused", (_, offset) => {
    const { harness, a, topicId } = running();
    expect(a.commit("orders", 0, offset)).toBe("INVALID_ARGUMENT");
    expect(harness.apply(commit(null, -1, [offsetCommit(topicId, 0, offset)], "other"))).toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    expect(harness.state.groups()).toHaveLength(1);
  });

  test("without a member an offset is committed only while the group is empty, also downwards", () => {
    const { harness, a, b, topicId } = running();
    expect(harness.apply(commit(null, -1, [offsetCommit(topicId, 0, 3)]))).toMatchObject({ code: "GROUP_NOT_EMPTY" });
    a.commit("orders", 0, 9);
    a.leave();
    b.leave();
    expect(harness.apply(commit(null, -1, [offsetCommit(topicId, 0, 3)]))).toMatchObject({ ok: true });
    expect(harness.committed("orders", 0)).toBe(3);
    expect(harness.apply(commit(null, -1, [offsetCommit(topicId, 0, 3)], "new"))).toMatchObject({ ok: true });
    expect(harness.state.describe("new")).toMatchObject({ state: "empty", offsetCount: 1 });
  });

  test("a commit of nothing makes no group", () => {
    const harness = new Harness();
    expect(harness.apply(commit(null, -1, []))).toMatchObject({ ok: true });
    expect(harness.state.groups()).toEqual([]);
  });
});

describe("a live seek", () => {
  test("sets where the owner goes on, and refuses what was in work", () => {
    const { harness, a, b, topicId } = running();
    a.commit("orders", 0, 50);
    a.commit("orders", 1, 50);
    const epoch = a.owned.get(`${topicId}/0`)?.epoch ?? 0;
    expectValue(seek(harness, 0, 10), "offsets");
    expect(a.commit("orders", 0, 51, epoch), "in work before the seek").toBe("STALE_ASSIGNMENT");
    expect(harness.committed("orders", 0)).toBe(10);
    expect(a.commit("orders", 1, 51), "the other partition is not touched").toBe("ok");
    expect(harness.state.needsCommand(a.next()), "the owner is to be told").toBe(true);
    expect(harness.state.needsCommand(b.next())).toBe(false);
    a.beat();
    expect(a.owned.get(`${topicId}/0`)).toMatchObject({ startOffset: 10 });
    expect(a.commit("orders", 0, 11)).toBe("ok");
    expect(harness.state.needsCommand(a.next())).toBe(false);
  });

  test("two seeks in a row need one answer, and only the last counts", () => {
    const { harness, a, topicId } = running();
    seek(harness, 0, 10);
    seek(harness, 0, 20);
    a.beat();
    expect(a.owned.get(`${topicId}/0`)).toMatchObject({ startOffset: 20 });
    expect(harness.state.needsCommand(a.next())).toBe(false);
  });

  test("holds when the owner dies before it hears of it", () => {
    const { harness, a, b, topicId } = running();
    a.commit("orders", 0, 50);
    seek(harness, 0, 10);
    a.leave();
    harness.settle([b]);
    expect(b.owned.get(`${topicId}/0`)).toMatchObject({ startOffset: 10 });
  });

  test("refuses the commits of an owner that is giving the partition up", () => {
    const { harness, a, b, topicId } = running();
    const epoch = a.owned.get(`${topicId}/1`)?.epoch ?? 0;
    const joiners = ["c", "d"].map((id) => harness.member(id, ["orders"]).join());
    a.beat();
    seek(harness, 1, 3);
    expect(a.commit("orders", 1, 60, epoch)).toBe("STALE_ASSIGNMENT");
    harness.settle([a, b, ...joiners]);
    expect(joiners.map((member) => member.owned.get(`${topicId}/1`)?.startOffset)).toContain(3);
  });

  test("of a group without members sets the committed offset; of an unknown group is refused", () => {
    const { harness, a, b } = running();
    expect(harness.apply({ kind: "seek", group: "nobody", offsets: [], nowMs: 1 })).toMatchObject({
      code: "UNKNOWN_GROUP",
    });
    a.commit("orders", 0, 50);
    a.leave();
    b.leave();
    seek(harness, 0, 7);
    expect(harness.committed("orders", 0)).toBe(7);
  });
});
