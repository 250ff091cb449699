/** materialised.test.ts: the store is always some whole state, and the last one in the end, however writes and power cuts fall. */
import { silentLogger } from "@varve/base";
import { memoryKeyValue, Prng } from "@varve/base/testing";
import { type CommitCommand, GROUP_LIMITS, GroupsState } from "@varve/groups";
import { describe, expect, test } from "vitest";
import { Materialised } from "./materialised.js";

const SEED = Number(process.env["SEED"] ?? Date.now());
const TOPIC = "11111111-1111-4111-8111-111111111111";

function commit(at: number): CommitCommand {
  const offset = { topicId: TOPIC, partition: at % 5, assignmentEpoch: null, offset: at, leaderEpoch: 1, metadata: "" };
  return { kind: "commit", group: `g${at % 3}`, memberId: null, memberEpoch: 0, offsets: [offset], nowMs: at };
}

/** The state after so many commands. */
function stateAfter(count: number): Uint8Array {
  const state = GroupsState.empty(GROUP_LIMITS);
  for (let index = 1; index <= count; index++) state.apply(commit(index), index);
  return state.encode();
}

describe("a materialised state", () => {
  test("is in the store when it is closed, under its own prefix", async () => {
    const machine = memoryKeyValue();
    const store = await machine.open("state");
    await store.write([["70/s", new Uint8Array([1])]]);
    const view = new Materialised(store, 7, silentLogger);
    const state = GroupsState.empty(GROUP_LIMITS);
    view.follow(state, state.entries());
    for (let index = 1; index <= 100; index++) {
      state.apply(commit(index), index);
      view.changed();
    }
    await view.close();
    expect(GroupsState.fromEntries(view.entries(), GROUP_LIMITS).encode()).toEqual(state.encode());
    expect([...store.entries("70/")]).toHaveLength(1);
  });

  test("replaces what was there before", async () => {
    const store = await memoryKeyValue().open("state");
    await store.write([["7/g/old", new Uint8Array([1])]]);
    const view = new Materialised(store, 7, silentLogger);
    const state = GroupsState.decode(stateAfter(10), GROUP_LIMITS);
    state.takeChanges();
    view.follow(state, state.entries());
    await view.close();
    expect(GroupsState.fromEntries(view.entries(), GROUP_LIMITS).encode()).toEqual(stateAfter(10));
  });

  test(`after a power cut it is a state that was, whole (SEED=${SEED})`, async () => {
    const prng = new Prng(SEED);
    for (let round = 0; round < 50; round++) {
      const machine = memoryKeyValue();
      const view = new Materialised(await machine.open("state"), 7, silentLogger);
      const state = GroupsState.empty(GROUP_LIMITS);
      view.follow(state, state.entries());
      const count = prng.between(1, 60);
      for (let index = 1; index <= count; index++) {
        state.apply(commit(index), index);
        view.changed();
        if (prng.between(0, 3) === 0) await Promise.resolve();
        if (prng.between(0, 9) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      machine.crash(prng);
      const found = new Materialised(await machine.open("state"), 7, silentLogger);
      const entries = [...found.entries()];
      const kept = GroupsState.fromEntries(entries, GROUP_LIMITS);
      expect(kept.appliedIndex).toBeLessThanOrEqual(count);
      expect(kept.encode()).toEqual(stateAfter(kept.appliedIndex));
    }
  });
});
