/** snapshot.test.ts: the stored forms: the section of a checkpoint and the entries of a key-value store. */
import { isVarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { GROUP_LIMITS } from "./limits.js";
import type { Entry } from "./snapshot.js";
import { GroupsState } from "./state.js";
import { Harness } from "./testing/harness.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

/** A shard with something of everything: a move under way, a static member that is away, a replaced id, offsets, an empty group. */
function busy(): Harness {
  const harness = new Harness();
  harness.createTopic("orders", 4);
  harness.member("a-1", ["orders"], { staticId: "pod-a" }).join();
  const a = harness.member("a-2", ["orders", "missing"], { staticId: "pod-a" }).join();
  a.commit("orders", 0, 5);
  harness.member("b", ["orders"], { startFrom: "latest" }).join();
  a.beat();
  harness.member("c", ["orders"], { staticId: "pod-c" }).join().leave(-2);
  const gone = harness.member("gone", ["orders"], { group: "empty" }).join();
  gone.commit("orders", 3, 9);
  gone.leave();
  harness.member("x", ["orders"], { group: "vanished" }).join().leave();
  return harness;
}

function text(entries: readonly Entry[]): string[] {
  return entries.map(([key, value]) => `${key} ${new TextDecoder().decode(value)}`);
}

describe("a stored shard", () => {
  test("survives a round trip as a section, byte by byte, and goes on the same way", () => {
    const harness = busy();
    const bytes = harness.state.encode();
    const copy = GroupsState.decode(bytes, GROUP_LIMITS);
    expect(copy.encode()).toEqual(bytes);
    expect(copy.appliedIndex).toBe(harness.index);
    expect(copy.takeChanges(), "nothing to store yet").toEqual([]);
    const command = { kind: "expire" as const, group: "billing", memberIds: ["a-2"], nowMs: 5 };
    expect(copy.apply(command, 99)).toEqual(harness.state.apply(command, 99));
    expect(copy.encode()).toEqual(harness.state.encode());
  });

  test("survives a round trip as entries, in any order", () => {
    const harness = busy();
    const entries = [...harness.state.entries()].reverse();
    expect(GroupsState.fromEntries(entries, GROUP_LIMITS).encode()).toEqual(harness.state.encode());
    expect(GroupsState.fromEntries([], GROUP_LIMITS).encode()).toEqual(GroupsState.empty(GROUP_LIMITS).encode());
  });

  test("format version 1, as it stands in stores", () => {
    const harness = new Harness();
    harness.createTopic("orders", 2);
    harness.member("a", ["orders"]).join().commit("orders", 0, 5);
    expect(text(harness.state.entries())).toEqual([
      'g/billing {"epoch":1,"metadataVersion":2,"emptySinceMs":null,"topics":[{"topic":"orders","topicId":"00000000-0000-4000-8000-000000000001","partitions":2,"initialPartitions":2}]}',
      'm/billing/a {"staticId":null,"clientId":"client","host":"host-1","sessionTimeoutMs":30000,"rebalanceTimeoutMs":60000,"topics":["orders"],"startFrom":"earliest","joinedMs":1000,"away":false,"revokingSinceMs":null,"memberEpoch":1,"previousEpoch":0,"target":[{"topicId":"00000000-0000-4000-8000-000000000001","partitions":[0,1]}],"assigned":[{"topicId":"00000000-0000-4000-8000-000000000001","partitions":[0,1],"epochs":[1,1]}],"revoking":[],"replacedIds":[]}',
      'o/billing/00000000-0000-4000-8000-000000000001/0 {"offset":5,"leaderEpoch":1,"metadata":"","committedMs":1}',
      's {"version":1,"appliedIndex":2,"epochFloor":0}',
    ]);
    expect([...harness.state.encode().subarray(0, 12)]).toEqual([0x56, 0x47, 0x52, 0x50, 1, 0, 0, 0, 4, 0, 0, 0]);
  });

  test("a limit that was lowered since is no damage: what is there stays, nothing is added", () => {
    const copy = GroupsState.decode(busy().state.encode(), { ...GROUP_LIMITS, groupsMax: 1, membersPerGroupMax: 1 });
    expect(copy.members("billing")).toHaveLength(3);
  });

  test.each([
    ["nothing", []],
    ["another header", [1, 2, 3, 4, 1, 0, 0, 0, 0, 0, 0, 0]],
    ["a newer version", [0x56, 0x47, 0x52, 0x50, 2, 0, 0, 0, 0, 0, 0, 0]],
    ["more entries than bytes", [0x56, 0x47, 0x52, 0x50, 1, 0, 0, 0, 255, 255, 255, 255]],
    ["a key longer than the bytes", [0x56, 0x47, 0x52, 0x50, 1, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255]],
    ["bytes too many", [0x56, 0x47, 0x52, 0x50, 1, 0, 0, 0, 0, 0, 0, 0, 0]],
  ])("%s is refused as a section", (_, bytes) => {
    expect(() => GroupsState.decode(Uint8Array.from(bytes), GROUP_LIMITS)).toThrow(
      expect.objectContaining({ code: "DATA_DIR_UNUSABLE" }),
    );
  });

  function refusedWith(change: (entries: Map<string, string>) => void): void {
    const entries = new Map(
      busy()
        .state.entries()
        .map(([key, value]) => [key, new TextDecoder().decode(value)]),
    );
    change(entries);
    const bytes = [...entries].map(([key, value]): Entry => [key, new TextEncoder().encode(value)]);
    expect(() => GroupsState.fromEntries(bytes, GROUP_LIMITS)).toThrow(
      expect.objectContaining({ code: "DATA_DIR_UNUSABLE" }),
    );
  }

  test("two owners of one partition are refused", () => {
    refusedWith((entries) =>
      entries.set("m/billing/d", (entries.get("m/billing/a-2") ?? "").replace("pod-a", "pod-d")),
    );
  });

  test("two members with one static id are refused", () => {
    refusedWith((entries) => entries.set("m/billing/d", entries.get("m/billing/c") ?? ""));
  });

  test("a member, an offset or a group without what it belongs to is refused", () => {
    refusedWith((entries) => entries.delete("g/billing"));
    refusedWith((entries) => entries.delete("g/empty"));
    refusedWith((entries) => entries.delete("s"));
  });

  test("a member or a partition of an epoch that the group has not reached is refused", () => {
    const change = (pattern: RegExp, by: string) => (entries: Map<string, string>) => {
      const value = entries.get("m/billing/a-2") ?? "";
      expect(value).toMatch(pattern);
      entries.set("m/billing/a-2", value.replace(pattern, by));
    };
    refusedWith(change(/"memberEpoch":\d+/, '"memberEpoch":999'));
    refusedWith(change(/"epochs":\[\d+/, '"epochs":[999'));
  });

  test("a section with a key twice is refused", () => {
    const bytes = GroupsState.empty(GROUP_LIMITS).encode();
    const twice = new Uint8Array([...bytes, ...bytes.subarray(12)]);
    twice[8] = 2;
    expect(() => GroupsState.decode(twice, GROUP_LIMITS)).toThrow(
      expect.objectContaining({ code: "DATA_DIR_UNUSABLE" }),
    );
  });

  test("a newer version, a foreign key, a field too many and a negative offset are refused", () => {
    refusedWith((entries) => entries.set("s", '{"version":2}'));
    refusedWith((entries) => entries.set("q/billing", "{}"));
    refusedWith((entries) =>
      entries.set("o/billing/x/01", '{"offset":1,"leaderEpoch":null,"metadata":"","committedMs":1}'),
    );
    refusedWith((entries) =>
      entries.set("o/billing/x/1", '{"offset":1,"leaderEpoch":null,"metadata":"","committedMs":1,"more":1}'),
    );
    refusedWith((entries) =>
      entries.set("o/billing/x/1", '{"offset":-1,"leaderEpoch":null,"metadata":"","committedMs":1}'),
    );
  });

  test(`damaged sections are a state or a VarveError, never anything else (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    const whole = busy().state.encode();
    let refused = 0;
    for (let round = 0; round < 3_000; round++) {
      const bytes = whole.slice();
      for (let flips = prng.between(1, 3); flips > 0; flips--)
        bytes[prng.between(0, bytes.length - 1)] = prng.uint32() & 0xff;
      const cut = prng.chance(0.3) ? bytes.subarray(0, prng.between(0, bytes.length)) : bytes;
      try {
        GroupsState.decode(cut, GROUP_LIMITS).encode();
      } catch (error) {
        if (!isVarveError(error)) throw error;
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(1_000);
  });
});
