/** materialised.test.ts: the store is always some whole state, and the last one in the end, however writes and power cuts fall. */
import { type KeyValue, silentLogger } from "@varve/base";
import { memoryKeyValue, Prng, SimClock } from "@varve/base/testing";
import { type CommitCommand, GROUP_LIMITS, GroupsState } from "@varve/groups";
import { describe, expect, test } from "vitest";
import { Materialised } from "./materialised.js";

const SEED = Number(process.env["SEED"] ?? Date.now());
const TOPIC = "11111111-1111-4111-8111-111111111111";

function commit(at: number): CommitCommand {
  const offset = { topicId: TOPIC, partition: at % 5, assignmentEpoch: null, offset: at, leaderEpoch: 1, metadata: "" };
  return { kind: "commit", group: `g${at % 3}`, memberId: null, memberEpoch: 0, offsets: [offset], nowMs: at };
}

const materialised = (store: KeyValue, clock = new SimClock()): Materialised =>
  new Materialised({ store, groupId: 7, clock, logger: silentLogger });

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
    const view = materialised(store);
    const state = GroupsState.empty(GROUP_LIMITS);
    view.follow(state, false);
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
    const view = materialised(store);
    const state = GroupsState.decode(stateAfter(10), GROUP_LIMITS);
    view.follow(state, false);
    await view.close();
    expect(GroupsState.fromEntries(view.entries(), GROUP_LIMITS).encode()).toEqual(stateAfter(10));
  });

  test(`after a power cut it is a state that was, whole (SEED=${SEED})`, async () => {
    const prng = new Prng(SEED);
    for (let round = 0; round < 50; round++) {
      const machine = memoryKeyValue();
      const view = materialised(await machine.open("state"));
      const state = GroupsState.empty(GROUP_LIMITS);
      view.follow(state, false);
      const count = prng.between(1, 60);
      for (let index = 1; index <= count; index++) {
        state.apply(commit(index), index);
        view.changed();
        if (prng.between(0, 3) === 0) await Promise.resolve();
        if (prng.between(0, 9) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      machine.crash(prng);
      const found = materialised(await machine.open("state"));
      const entries = [...found.entries()];
      const kept = GroupsState.fromEntries(entries, GROUP_LIMITS);
      expect(kept.appliedIndex).toBeLessThanOrEqual(count);
      expect(kept.encode()).toEqual(stateAfter(kept.appliedIndex));
    }
  });

  test("is written again as a whole after a write that failed, also when what it holds in doubt is wrong", async () => {
    const { store, clock, view, state, faults } = await followed();
    await changed(3);
    faults.writes = 1;
    await changed(4);
    await store.write([["7/s", new Uint8Array([1])]]);
    await changed(5);
    expect(faults.refused).toBe(1);
    await passes(clock, 1_000);
    expect(GroupsState.fromEntries(view.entries(), GROUP_LIMITS).encode()).toEqual(state.encode());

    async function changed(index: number): Promise<void> {
      state.apply(commit(index), index);
      view.changed();
      await passes(clock, 0);
    }
  });

  test("is tried at waits that double up to a minute, for ever, and a close does not wait for it", async () => {
    const { clock, view, state, faults } = await followed();
    faults.writes = Number.POSITIVE_INFINITY;
    state.apply(commit(1), 1);
    view.changed();
    await passes(clock, 600_000);
    expect(faults.refused).toBeGreaterThan(10);
    expect(faults.refused).toBeLessThan(20);
    faults.writes = 0;
    await passes(clock, 60_000);
    expect(GroupsState.fromEntries(view.entries(), GROUP_LIMITS).encode()).toEqual(state.encode());
    faults.writes = Number.POSITIVE_INFINITY;
    state.apply(commit(2), 2);
    view.changed();
    await view.close();
  });
});

/** A followed state on a store that refuses as many writes as it is told. */
async function followed() {
  const inner = await memoryKeyValue().open("state");
  const faults = { writes: 0, refused: 0 };
  const store: KeyValue = {
    entries: (prefix) => inner.entries(prefix),
    clear: (prefix) => inner.clear(prefix),
    close: () => inner.close(),
    write: (changes) => {
      if (faults.writes === 0) return inner.write(changes);
      faults.writes--;
      faults.refused++;
      return Promise.reject(new Error("no space"));
    },
  };
  const clock = new SimClock();
  const view = materialised(store, clock);
  const state = GroupsState.empty(GROUP_LIMITS);
  view.follow(state, false);
  await passes(clock, 0);
  return { store: inner, clock, view, state, faults };
}

const passes = (clock: SimClock, ms: number): Promise<void> => clock.runUntil(clock.monotonicMs() + ms);
