/** members.test.ts: joining, leaving, moving partitions, fencing, static members: what a member sees of its group. */
import { describe, expect, test } from "vitest";
import { heartbeat, proposed } from "./testing/commands.js";
import { Harness, type TestMember } from "./testing/harness.js";

function pair(partitions = 4): { harness: Harness; a: TestMember; b: TestMember } {
  const harness = new Harness();
  harness.createTopic("orders", partitions);
  const a = harness.member("a", ["orders"]).join();
  const b = harness.member("b", ["orders"]).join();
  return { harness, a, b };
}

function status(harness: Harness): string | undefined {
  return harness.state.describe("billing")?.state;
}

describe("joining and leaving", () => {
  test("the first member gets every partition at once, with its epoch and where to start", () => {
    const harness = new Harness();
    const topicId = harness.createTopic("orders", 2);
    const a = harness.member("a", ["orders"], { startFrom: "latest" }).join();
    expect(a.lastAnswer).toEqual({
      kind: "heartbeat",
      memberId: "a",
      memberEpoch: 1,
      assignment: [
        {
          topic: "orders",
          topicId,
          partitions: [
            { partition: 0, epoch: 1, startOffset: null, startFrom: "latest" },
            { partition: 1, epoch: 1, startOffset: null, startFrom: "latest" },
          ],
        },
      ],
      missingTopics: [],
    });
    expect(status(harness)).toBe("stable");
  });

  test("a partition moves only after its old owner has confirmed, and the others are not touched", () => {
    const { harness, a, b } = pair();
    expect([a.partitions("orders"), b.partitions("orders"), status(harness)]).toEqual([
      [0, 1, 2, 3],
      [],
      "reconciling",
    ]);
    a.beat();
    expect([a.partitions("orders"), b.partitions("orders"), status(harness)]).toEqual([[0, 1], [], "reconciling"]);
    b.beat();
    expect(b.partitions("orders"), "a has not said that it gave them up").toEqual([]);
    a.beat();
    expect(status(harness)).toBe("assigning");
    b.beat();
    expect([a.partitions("orders"), b.partitions("orders"), status(harness)]).toEqual([[0, 1], [2, 3], "stable"]);
    expect(
      [...a.owned.values()].map(({ epoch }) => epoch),
      "what stayed keeps its epoch",
    ).toEqual([1, 1]);
  });

  test("an owner that says nothing about what it owns confirms nothing", () => {
    const { harness, a, b } = pair();
    a.beat();
    harness.beat({ ...a.next(), owned: null });
    b.beat();
    expect(b.partitions("orders")).toEqual([]);
  });

  test("an owner that still has the partition confirms nothing", () => {
    const { harness, a, b } = pair();
    const before = a.ownedList();
    a.beat();
    harness.beat({ ...a.next(), owned: before });
    b.beat();
    expect(b.partitions("orders")).toEqual([]);
    expect(harness.state.members("billing")[0]).toMatchObject({ memberId: "a", revokingSinceMs: 1_000 });
  });

  test("an owner that has not given it up when it shall keep it after all must still confirm first", () => {
    const { harness, a, b } = pair();
    const before = a.ownedList();
    a.beat();
    b.leave();
    harness.beat({ ...a.next(), owned: before });
    expect(harness.state.members("billing")[0]?.revoking).toMatchObject([{ partitions: [2, 3] }]);
    harness.settle([a]);
    expect(a.partitions("orders")).toEqual([0, 1, 2, 3]);
  });

  test("the oldest open request to give something up dates the member", () => {
    const { harness, a } = pair();
    const before = a.ownedList();
    a.beat();
    harness.nowMs = 2_000;
    harness.member("c", ["orders"]).join();
    harness.beat({ ...a.next(), owned: before });
    expect(harness.state.members("billing")[0]).toMatchObject({
      revoking: [{ partitions: [1, 2, 3] }],
      revokingSinceMs: 1_000,
    });
  });

  test.each(["leaves", "expires"])("what a member owned is free as soon as it %s", (how) => {
    const { harness, a, b } = pair();
    harness.settle([a, b]);
    if (how === "leaves") expect(a.leave()).toBe("ok");
    else harness.apply({ kind: "expire", group: "billing", memberIds: ["a", "stranger"], nowMs: 1 });
    b.beat();
    expect(b.partitions("orders")).toEqual([0, 1, 2, 3]);
    expect(a.beat()).toBe("UNKNOWN_MEMBER");
    expect(a.commit("orders", 0, 5)).toBe("UNKNOWN_MEMBER");
  });

  test("a target that changes back before the owner heard of it moves nothing", () => {
    const { harness, a, b } = pair();
    b.leave();
    expect(harness.settle([a])).toBe(0);
    expect(a.partitions("orders")).toEqual([0, 1, 2, 3]);
  });

  test("a partition that comes back to who is giving it up gets a new epoch, after it confirmed", () => {
    const { harness, a, b } = pair();
    a.beat();
    b.leave();
    expect(a.partitions("orders")).toEqual([0, 1]);
    harness.settle([a]);
    expect(a.partitions("orders")).toEqual([0, 1, 2, 3]);
    const [first, , third] = [...a.owned.values()];
    expect(third?.epoch).toBeGreaterThan(first?.epoch ?? 0);
  });

  test("members that come and go leave nothing behind, but no epoch is used twice", () => {
    const harness = new Harness();
    harness.createTopic("orders", 2);
    const empty = harness.state.entries().length;
    for (let at = 0; at < 100; at++) harness.member(`m-${at}`, ["orders"]).join().leave();
    expect(harness.state.entries()).toHaveLength(empty);
    expect(harness.state.groups()).toEqual([]);
    const again = harness.member("again", ["orders"]).join();
    expect(again.epoch).toBeGreaterThan(200);
  });

  test("a refused heartbeat changes nothing, not the bytes either", () => {
    const { harness, a, b } = pair();
    harness.settle([a, b]);
    const before = harness.state.entries().slice(0, -1);
    const refused = harness.apply(proposed({ ...a.next(), memberEpoch: 99 }, [], 1, 1));
    expect(refused).toMatchObject({ ok: false, code: "FENCED_MEMBER" });
    expect(harness.state.entries().slice(0, -1)).toEqual(before);
  });

  test("a heartbeat that changes nothing needs no command and is answered without the assignment", () => {
    const { harness, a, b } = pair();
    harness.settle([a, b]);
    const verdict = harness.state.heartbeat({ ...a.next(), owned: null, topics: null });
    expect(verdict).toEqual({
      ok: true,
      value: { kind: "heartbeat", memberId: "a", memberEpoch: a.epoch, assignment: null, missingTopics: [] },
    });
    expect(harness.state.needsCommand({ ...a.next(), sessionTimeoutMs: 10_000 })).toBe(true);
    expect(harness.state.needsCommand({ ...a.next(), topics: ["orders", "orders"] })).toBe(false);
  });

  test("what a member says about itself is kept", () => {
    const { harness, a } = pair();
    a.request = { ...a.request, host: "host-2", clientId: "other", sessionTimeoutMs: 5_000 };
    a.beat();
    expect(harness.state.members("billing")[0]).toMatchObject({
      host: "host-2",
      clientId: "other",
      sessionTimeoutMs: 5_000,
    });
    expect(harness.state.needsCommand(a.next())).toBe(true);
    a.beat();
    expect(harness.state.needsCommand(a.next())).toBe(false);
  });
});

describe("member epochs", () => {
  test("an answer that was lost is given again to the epoch before", () => {
    const { harness, a } = pair();
    const request = a.next();
    const lost = harness.beat(request);
    const index = harness.index;
    expect(harness.beat(request)).toEqual(lost);
    expect(harness.index, "without a command").toBe(index);
    a.beat();
    expect(a.partitions("orders")).toEqual([0, 1]);
  });

  test("the epoch before confirms nothing: the member has not seen what it was asked for", () => {
    const { harness, a, b } = pair();
    const request = a.next();
    harness.beat(request);
    harness.beat({ ...request, owned: [] });
    b.beat();
    expect(b.partitions("orders")).toEqual([]);
  });

  test("the epoch before is fenced when the member claims what it never had", () => {
    const { harness, a, b } = pair();
    harness.settle([a, b]);
    const owned = [{ topicId: harness.topicId("orders"), partitions: [0, 1, 2] }];
    const previous = { ...a.next(), memberEpoch: 1 };
    expect(harness.beat(previous)).toMatchObject({ ok: true });
    expect(harness.beat({ ...previous, owned })).toMatchObject({ code: "FENCED_MEMBER" });
  });

  test.each([-1, 1, 7])("an epoch that is neither the last nor the one before (last %+i) is fenced", (delta) => {
    const { harness, a, b } = pair();
    harness.settle([a, b]);
    const third = harness.member("c", ["orders"]).join();
    harness.settle([a, b, third]);
    a.epoch += delta;
    expect(a.beat()).toBe("FENCED_MEMBER");
  });

  test("a join that is sent again because its answer was lost gets the same answer", () => {
    const harness = new Harness();
    harness.createTopic("orders", 2);
    const request = heartbeat("a", { topics: ["orders"] });
    expect(harness.beat(request)).toEqual(harness.beat(request));
    expect(harness.index).toBe(1);
  });

  test("a fenced member that joins again has what it had, in a new epoch; its earlier commits are stale", () => {
    const { harness, a, b } = pair();
    harness.settle([a, b]);
    const owned = new Map(a.owned);
    const epoch = [...owned.values()][0]?.epoch;
    a.join();
    expect(a.partitions("orders")).toEqual([0, 1]);
    expect(a.commit("orders", 0, 5, epoch)).toBe("STALE_ASSIGNMENT");
    expect(a.commit("orders", 0, 5)).toBe("ok");
    expect(harness.settle([a, b]), "b is not touched").toBe(0);
  });

  test("somebody unknown is told to join", () => {
    const { harness } = pair();
    expect(harness.beat(heartbeat("stranger", { memberEpoch: 3 }))).toMatchObject({ code: "UNKNOWN_MEMBER" });
    expect(harness.beat(heartbeat("a", { group: "other", memberEpoch: 3 }))).toMatchObject({ code: "UNKNOWN_MEMBER" });
    expect(harness.beat(heartbeat("stranger", { memberEpoch: -1 }))).toMatchObject({ code: "UNKNOWN_MEMBER" });
  });
});

describe("static members", () => {
  function withStatic(): { harness: Harness; a: TestMember; b: TestMember } {
    const harness = new Harness();
    harness.createTopic("orders", 4);
    const a = harness.member("a-1", ["orders"], { staticId: "pod-a" }).join();
    const b = harness.member("b", ["orders"]).join();
    harness.settle([a, b]);
    return { harness, a, b };
  }

  test.each([true, false])("a restart moves nothing, with a farewell (%s) or without", (farewell) => {
    const { harness, a, b } = withStatic();
    const owned = a.partitions("orders");
    if (farewell) expect(a.leave(-2)).toBe("ok");
    expect(harness.settle([b]), "nobody else hears of it").toBe(0);
    const again = harness.member("a-2", ["orders"], { staticId: "pod-a" }).join();
    expect(again.partitions("orders")).toEqual(owned);
    expect(harness.settle([again, b])).toBe(0);
    expect(status(harness)).toBe("stable");
  });

  test("of two with one static id the newer works, the older is fenced in all it does", () => {
    const { harness, a, b } = withStatic();
    expect(a.commit("orders", 0, 3)).toBe("ok");
    const newer = harness.member("a-2", ["orders"], { staticId: "pod-a" }).join();
    expect(a.beat()).toBe("FENCED_INSTANCE");
    expect(a.commit("orders", 0, 9)).toBe("FENCED_INSTANCE");
    expect(harness.beat({ ...a.request, memberEpoch: 0 }), "nor may it come back").toMatchObject({
      code: "FENCED_INSTANCE",
    });
    expect(a.leave()).toBe("FENCED_INSTANCE");
    expect(newer.commit("orders", 0, 4)).toBe("ok");
    expect([harness.committed("orders", 0), b.beat()]).toEqual([4, "ok"]);
  });

  test("of many that fought for one static id only the last works, however many there were", () => {
    const { harness, a } = withStatic();
    const members = [a];
    for (let at = 0; at < 20; at++) members.push(harness.member(`r-${at}`, ["orders"], { staticId: "pod-a" }).join());
    const codes = members.map((member) => member.beat());
    expect(codes.filter((code) => code === "ok")).toHaveLength(1);
    expect(codes.slice(0, -1).every((code) => code === "FENCED_INSTANCE")).toBe(true);
    expect(members.slice(0, -1).map((member) => member.commit("orders", 0, 1))).not.toContain("ok");
    expect(harness.state.members("billing")).toHaveLength(2);
  });

  test("who left for a while is fenced until it joins again", () => {
    const { harness, a } = withStatic();
    a.leave(-2);
    expect([a.beat(), a.commit("orders", 0, 1)]).toEqual(["FENCED_MEMBER", "FENCED_MEMBER"]);
    expect(a.leave(-2), "a repeat").toBe("ok");
    expect(harness.state.members("billing").map(({ away }) => away)).toEqual([true, false]);
    expect(a.join().partitions("orders")).toEqual([0, 1]);
  });

  test("the only member of a group comes back under its own id", () => {
    const harness = new Harness();
    harness.createTopic("orders", 1);
    const only = harness.member("only", ["orders"], { staticId: "pod" }).join();
    only.leave(-2);
    expect(harness.state.needsCommand({ ...only.request, memberEpoch: -2 }), "a repeat").toBe(false);
    expect(only.join().partitions("orders")).toEqual([0]);
    expect([only.beat(), only.commit("orders", 0, 1)]).toEqual(["ok", "ok"]);
  });

  test("a restart that does not come back in time is an expiry as any other", () => {
    const { harness, a, b } = withStatic();
    a.leave(-2);
    harness.apply({ kind: "expire", group: "billing", memberIds: ["a-1"], nowMs: 1 });
    harness.settle([b]);
    expect(b.partitions("orders")).toEqual([0, 1, 2, 3]);
    expect(a.beat(), "nobody replaced it").toBe("UNKNOWN_MEMBER");
  });

  test("a restart with another subscription moves only what that asks for", () => {
    const { harness, b } = withStatic();
    harness.createTopic("refunds", 1);
    b.request = { ...b.request, topics: ["orders", "refunds"] };
    b.beat();
    const again = harness.member("a-2", ["refunds"], { staticId: "pod-a" }).join();
    harness.settle([again, b]);
    expect([again.partitions("refunds"), b.partitions("orders")]).toEqual([[0], [0, 1, 2, 3]]);
  });

  test("a restart in the middle of giving partitions up frees them at once", () => {
    const { harness, a, b } = withStatic();
    const c = harness.member("c", ["orders"]).join();
    const d = harness.member("d", ["orders"]).join();
    a.beat();
    const again = harness.member("a-2", ["orders"], { staticId: "pod-a" }).join();
    expect(harness.state.members("billing").find(({ memberId }) => memberId === "a-2")?.revoking).toEqual([]);
    harness.settle([again, b, c, d]);
    expect([again, b, c, d].map((member) => member.partitions("orders").length)).toEqual([1, 1, 1, 1]);
  });

  test("a member cannot change its static id", () => {
    const { harness, a, b } = withStatic();
    expect(harness.beat({ ...b.next(), staticId: "pod-b" })).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(harness.beat({ ...a.next(), staticId: null })).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(harness.beat({ ...b.next(), memberEpoch: -2 })).toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("topics", () => {
  test("a subscription to a topic that is not there waits, says so, and starts at the first record when it comes", () => {
    const harness = new Harness();
    harness.createTopic("orders", 1);
    const a = harness.member("a", ["orders", "refunds"], { startFrom: "latest" }).join();
    expect(a.lastAnswer?.missingTopics).toEqual(["refunds"]);
    expect(harness.state.describe("billing")?.topics).toContainEqual({
      topic: "refunds",
      topicId: null,
      partitions: 0,
    });
    const topicId = harness.createTopic("refunds", 1);
    harness.announce();
    a.beat();
    expect([a.partitions("refunds"), a.lastAnswer?.missingTopics]).toEqual([[0], []]);
    expect(a.owned.get(`${topicId}/0`)?.startFrom).toBe("earliest");
  });

  test("partitions that are added reach the members; records in them are not skipped by a member that starts at the latest", () => {
    const harness = new Harness();
    const topicId = harness.createTopic("orders", 1);
    const a = harness.member("a", ["orders"], { startFrom: "latest" }).join();
    harness.topics.set("orders", { topic: "orders", topicId, partitions: 3 });
    harness.announce();
    a.beat();
    expect(a.partitions("orders")).toEqual([0, 1, 2]);
    expect([...a.owned.values()].map(({ startFrom }) => startFrom)).toEqual(["latest", "earliest", "earliest"]);
  });

  test("partitions that are added while the group is empty are not skipped either", () => {
    const harness = new Harness();
    const topicId = harness.createTopic("orders", 1);
    const a = harness.member("a", ["orders"], { startFrom: "latest" }).join();
    a.commit("orders", 0, 5);
    a.leave();
    expect(harness.state.describe("billing")).toMatchObject({ state: "empty", emptySinceMs: 1_000 });
    harness.topics.set("orders", { topic: "orders", topicId, partitions: 2 });
    a.join();
    expect(harness.state.describe("billing")).toMatchObject({ state: "stable", emptySinceMs: null });
    expect([...a.owned.values()].map(({ startFrom }) => startFrom)).toEqual(["latest", "earliest"]);
  });

  test("a topic never has fewer partitions than before, and topics that nobody asked for are not kept", () => {
    const { harness } = pair(4);
    const topicId = harness.topicId("orders");
    harness.apply({
      kind: "topicsChanged",
      group: "billing",
      topics: [
        { topic: "orders", topicId, partitions: 3 },
        { topic: "audit", topicId: "5", partitions: 3 },
      ],
      deletedTopicIds: [],
      metadataVersion: 99,
      nowMs: 1,
    });
    expect(harness.state.describe("billing")?.topics).toEqual([{ topic: "orders", topicId, partitions: 4 }]);
  });

  test("who unsubscribes from a topic still commits what it finished there, until it has given it up", () => {
    const harness = new Harness();
    const topicId = harness.createTopic("orders", 1);
    harness.createTopic("refunds", 1);
    const a = harness.member("a", ["orders"]).join();
    const epoch = a.owned.get(`${topicId}/0`)?.epoch ?? 0;
    a.request = { ...a.request, topics: ["refunds"] };
    a.beat();
    expect(a.partitions("orders")).toEqual([]);
    expect(a.commit("orders", 0, 8, epoch)).toBe("ok");
    a.beat();
    expect(a.commit("orders", 0, 9, epoch)).toBe("STALE_ASSIGNMENT");
  });

  test("a topic that was deleted and recreated starts anew; offsets and commits of the old one are gone", () => {
    const { harness, a, b } = pair(2);
    harness.settle([a, b]);
    const oldId = harness.topicId("orders");
    expect(a.commit("orders", 0, 50)).toBe("ok");
    harness.createTopic("orders", 2);
    harness.announce();
    expect(harness.state.offsets("billing")).toEqual([]);
    const epoch = a.owned.get(`${oldId}/0`)?.epoch ?? 0;
    const late = { topicId: oldId, partition: 0, offset: 60, assignmentEpoch: epoch, leaderEpoch: 1, metadata: "" };
    const outcome = harness.apply({
      kind: "commit",
      group: "billing",
      memberId: "a",
      memberEpoch: a.epoch,
      offsets: [late],
      nowMs: 1,
    });
    expect(outcome).toMatchObject({ code: "STALE_ASSIGNMENT" });
    harness.settle([a, b]);
    expect([a.partitions("orders"), b.partitions("orders")]).toEqual([[0], [1]]);
    expect(a.owned.get(`${harness.topicId("orders")}/0`)?.startOffset).toBeNull();
    expect([...a.owned.keys()].some((key) => key.startsWith(oldId))).toBe(false);
  });

  test("a topic that is gone is given up, and its id forgotten", () => {
    const { harness, a, b } = pair(2);
    harness.settle([a, b]);
    a.commit("orders", 0, 50);
    const oldId = harness.topicId("orders");
    harness.topics.delete("orders");
    harness.metadataVersion += 1;
    harness.announce("billing", [oldId]);
    harness.settle([a, b]);
    expect([a.owned.size, b.owned.size, a.lastAnswer?.missingTopics]).toEqual([0, 0, ["orders"]]);
    expect(harness.state.describe("billing")).toMatchObject({ state: "stable", offsetCount: 0 });
  });

  test("offsets of a deleted topic go from an empty group too, and the group with the last of them", () => {
    const { harness, a, b } = pair(2);
    a.commit("orders", 0, 50);
    a.leave();
    b.leave();
    expect(harness.state.groups()).toMatchObject([
      { group: "billing", state: "empty", offsetCount: 1, emptySinceMs: 1_000 },
    ]);
    harness.announce("billing", [harness.topicId("orders")]);
    expect(harness.state.groups()).toEqual([]);
  });

  test("metadata older than what the group has seen takes nothing back", () => {
    const harness = new Harness();
    harness.createTopic("orders", 2);
    const old = [...harness.topics.values()];
    const oldVersion = harness.metadataVersion;
    const recreated = harness.createTopic("orders", 3);
    const a = harness.member("a", ["orders"]).join();
    a.commit("orders", 0, 9);
    harness.apply(proposed(heartbeat("b", { topics: ["orders"] }), old, oldVersion, 1));
    harness.apply({
      kind: "topicsChanged",
      group: "billing",
      topics: old,
      deletedTopicIds: [],
      metadataVersion: oldVersion,
      nowMs: 1,
    });
    expect(harness.state.describe("billing")?.topics).toEqual([{ topic: "orders", topicId: recreated, partitions: 3 }]);
    expect(harness.committed("orders", 0)).toBe(9);
  });

  test("a changed subscription moves what it must and keeps the rest", () => {
    const { harness, a, b } = pair(4);
    harness.createTopic("refunds", 2);
    harness.settle([a, b]);
    b.request = { ...b.request, topics: ["orders", "refunds"] };
    harness.settle([a, b]);
    expect([a.partitions("orders"), b.partitions("orders"), b.partitions("refunds")]).toEqual([[0, 1, 3], [2], [0, 1]]);
    b.request = { ...b.request, topics: ["refunds"] };
    harness.settle([a, b]);
    expect([a.partitions("orders"), b.partitions("orders")]).toEqual([[0, 1, 2, 3], []]);
  });
});
