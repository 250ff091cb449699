/** state.test.ts: the shard as a whole: groups, limits, bad input, indexes, changes to store, bytes. */
import { describe, expect, test } from "vitest";
import type { Heartbeat } from "./commands.js";
import { GROUP_LIMITS } from "./limits.js";
import { refusalError } from "./result.js";
import { GroupsState } from "./state.js";
import { commit, heartbeat, offsetCommit, proposed, topicIdOf } from "./testing/commands.js";
import { Harness } from "./testing/harness.js";

describe("groups", () => {
  test("are listed by name and described; an unknown one is null", () => {
    const harness = new Harness();
    harness.createTopic("orders", 2);
    harness.member("m", ["orders"], { group: "zebra" }).join();
    harness.member("m", ["orders"], { group: "ant" }).join();
    expect(harness.state.groups().map(({ group }) => group)).toEqual(["ant", "zebra"]);
    expect(harness.state.describe("ant")).toEqual({
      group: "ant",
      state: "stable",
      epoch: 1,
      memberCount: 1,
      offsetCount: 0,
      emptySinceMs: null,
      members: harness.state.members("ant"),
      topics: [{ topic: "orders", topicId: harness.topicId("orders"), partitions: 2 }],
    });
    expect(harness.state.describe("bee")).toBeNull();
    expect(harness.state.members("bee")).toEqual([]);
  });

  test("a group with members is not deleted; an empty one goes with its offsets; a second delete says UNKNOWN_GROUP", () => {
    const harness = new Harness();
    harness.createTopic("orders", 1);
    const a = harness.member("a", ["orders"]).join();
    a.commit("orders", 0, 5);
    const remove = () => harness.apply({ kind: "deleteGroup", group: "billing" });
    expect(remove()).toMatchObject({ code: "GROUP_NOT_EMPTY", details: { members: 1 } });
    a.leave();
    expect(harness.committed("orders", 0), "offsets outlive the members").toBe(5);
    expect(remove()).toMatchObject({ ok: true });
    expect([harness.state.groups(), harness.state.offsets("billing")]).toEqual([[], []]);
    expect(remove()).toMatchObject({ code: "UNKNOWN_GROUP" });
  });
});

describe("limits and bad input", () => {
  test("groups, members and offsets are bounded; what is there goes on", () => {
    const harness = new Harness({ groupsMax: 2, membersPerGroupMax: 2, offsetsPerGroupMax: 2 });
    harness.createTopic("orders", 3);
    const a = harness.member("a", ["orders"]).join();
    harness.member("b", ["orders"], { staticId: "pod-b" }).join();
    expect(harness.beat(heartbeat("c", { topics: ["orders"] }))).toMatchObject({
      code: "BROKER_OVERLOADED",
      details: { membersPerGroupMax: 2 },
    });
    expect(
      harness.beat(heartbeat("b2", { topics: ["orders"], staticId: "pod-b" })),
      "takes a place that is there",
    ).toMatchObject({ ok: true });
    harness.member("a", ["orders"], { group: "second" }).join();
    const third = harness.beat(heartbeat("a", { group: "third", topics: ["orders"] }));
    expect(third).toMatchObject({ code: "BROKER_OVERLOADED", details: { groupsMax: 2 } });
    const topicId = topicIdOf(9);
    const many = [0, 1, 2].map((partition) => offsetCommit(topicId, partition, 1));
    expect(harness.apply(commit(null, -1, many, "third"))).toMatchObject({
      code: "BROKER_OVERLOADED",
      details: { groupsMax: 2 },
    });
    for (const offset of [1, 2, 3]) expect(a.commit("orders", 0, offset)).toBe("ok");
    const seek = { kind: "seek" as const, group: "billing", offsets: many, nowMs: 1 };
    expect(harness.apply(seek)).toMatchObject({ code: "BROKER_OVERLOADED", details: { offsetsPerGroupMax: 2 } });
    expect(harness.state.offsets("billing")).toHaveLength(1);
  });

  const bad: readonly [string, Partial<Heartbeat>, string][] = [
    ["an illegal group name", { group: "a/b" }, "INVALID_GROUP_NAME"],
    ["an empty group name", { group: "" }, "INVALID_GROUP_NAME"],
    ["a reserved group name", { group: "__x" }, "INVALID_GROUP_NAME"],
    ["an empty member id", { memberId: "" }, "INVALID_ARGUMENT"],
    ["a member id with a slash", { memberId: "a/b" }, "INVALID_ARGUMENT"],
    ["a member id that is too long", { memberId: "x".repeat(129) }, "INVALID_ARGUMENT"],
    ["an epoch that means nothing", { memberEpoch: -3 }, "INVALID_ARGUMENT"],
    ["half an epoch", { memberEpoch: 0.5 }, "INVALID_ARGUMENT"],
    ["an empty static id", { staticId: "" }, "INVALID_ARGUMENT"],
    ["metadata over the limit", { host: "ü".repeat(2_048) }, "INVALID_ARGUMENT"],
    ["a session timeout of nothing", { sessionTimeoutMs: 0 }, "INVALID_ARGUMENT"],
    ["a rebalance timeout of years", { rebalanceTimeoutMs: 1e12 }, "INVALID_ARGUMENT"],
    ["a join without topics", { topics: null }, "INVALID_ARGUMENT"],
    ["an illegal topic name", { topics: ["orders", ".."] }, "INVALID_TOPIC_NAME"],
    ["too many topics", { topics: Array.from({ length: 1_001 }, (_, at) => `t${at}`) }, "INVALID_ARGUMENT"],
  ];
  test.each(bad)("%s is refused and changes nothing", (_, fields, code) => {
    const harness = new Harness();
    const request = heartbeat("a", { topics: ["orders"], ...fields });
    expect(harness.state.heartbeat(request)).toMatchObject({ ok: false, code });
    expect(harness.apply(proposed(request, [], 1, 1))).toMatchObject({ ok: false, code });
    expect(harness.state.groups()).toEqual([]);
  });

  test.each([
    [{ topicId: "../x" }, "UNKNOWN_TOPIC_ID"],
    [{ partition: -1 }, "UNKNOWN_PARTITION"],
    [{ partition: 1_000_000 }, "UNKNOWN_PARTITION"],
    [{ metadata: "x".repeat(4_097) }, "INVALID_ARGUMENT"],
  ])("a commit with %o is refused", (fields, code) => {
    const harness = new Harness();
    const offsets = [{ ...offsetCommit(topicIdOf(1), 0, 1), ...fields }];
    expect(harness.apply(commit(null, -1, offsets))).toMatchObject({ ok: false, code });
    expect(harness.state.groups()).toEqual([]);
  });

  test("a refusal is an error of the catalogue that says that nothing happened", () => {
    const outcome = new Harness().apply({ kind: "deleteGroup", group: "nobody" });
    if (outcome.ok !== false) throw new Error("not refused");
    expect(refusalError(outcome)).toMatchObject({ code: "UNKNOWN_GROUP", effect: "NOT_APPLIED" });
  });
});

describe("the log", () => {
  test("an index that was applied before is skipped", () => {
    const harness = new Harness();
    const command = commit(null, -1, [offsetCommit(topicIdOf(1), 0, 5)]);
    harness.state.apply(command, 7);
    const later = commit(null, -1, [offsetCommit(topicIdOf(1), 0, 3)]);
    expect(harness.state.apply(later, 7)).toEqual({ ok: "skipped" });
    expect(harness.state.apply(later, 2)).toEqual({ ok: "skipped" });
    expect([harness.state.appliedIndex, harness.state.offsets("billing")[0]?.offset]).toEqual([7, 5]);
  });

  test("a commit rewrites its own entry and the shard's, nothing else", () => {
    const harness = new Harness();
    const topicId = harness.createTopic("orders", 100);
    const a = harness.member("a", ["orders"]).join();
    expect(harness.state.takeChanges().map(([key]) => key)).toEqual(["g/billing", "m/billing/a", "s"]);
    a.commit("orders", 7, 5);
    const changes = harness.state.takeChanges();
    expect(changes.map(([key]) => key)).toEqual([`o/billing/${topicId}/7`, "s"]);
    expect(changes.map(([, value]) => new TextDecoder().decode(value ?? undefined))).toEqual([
      '{"offset":5,"leaderEpoch":1,"metadata":"","committedMs":1}',
      '{"version":1,"appliedIndex":2,"epochFloor":0}',
    ]);
    expect(harness.state.takeChanges(), "asked again").toEqual([]);
  });

  test("a million commits leave a state as small as the offsets that they committed", () => {
    const state = GroupsState.empty(GROUP_LIMITS);
    const partitions = 100;
    const commits = Array.from({ length: 1_000 }, (_, at) =>
      commit(null, -1, [offsetCommit(topicIdOf(1), at % partitions, at)]),
    );
    for (let index = 1; index <= 1_000_000; index++) {
      const command = commits[index % 1_000];
      if (command !== undefined) state.apply(command, index);
      if (index % 1_000 === 0) state.takeChanges();
    }
    expect(state.encode().length).toBeLessThan(partitions * 150);
  });
});
