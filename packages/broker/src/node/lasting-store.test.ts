/** lasting-store.test.ts: a store whose files come late, or go away, is empty meanwhile and never half of what it was. */
import { type KeyValue, VarveError } from "@varve/base";
import { memoryKeyValue } from "@varve/base/testing";
import { expect, test } from "vitest";
import { type FragileStore, LastingStore } from "./lasting-store.js";

const ONE = Uint8Array.of(1);
const keysOf = (store: KeyValue): string[] => [...store.entries("")].map(([key]) => key);

/** Stores in memory, each opened empty, that lose their files and find no space when they are told to. */
async function machine() {
  const kept: FragileStore[] = [];
  const fate = { isFull: false, isLost: false, closed: 0 };
  const stores = await Promise.all(["a", "b", "c"].map((path) => memoryKeyValue().open(path)));
  const open = (): FragileStore => {
    const inner = stores.shift();
    if (fate.isFull || inner === undefined) throw new VarveError("DISK_FULL", { message: "no space" });
    fate.isLost = false;
    const store: FragileStore = {
      get isLost() {
        return fate.isLost && kept.at(-1) === store;
      },
      entries: (prefix) => inner.entries(prefix),
      write: (changes) => inner.write(changes),
      clear: (prefix) => inner.clear(prefix),
      close: async () => {
        fate.closed++;
        await inner.close();
      },
    };
    kept.push(store);
    return store;
  };
  return { fate, open };
}

test("is empty and refuses writes while there is no space, and is there after the first clear that finds some", async () => {
  const { fate, open } = await machine();
  fate.isFull = true;
  const store = new LastingStore("state", open);
  expect(keysOf(store)).toEqual([]);
  await expect(store.write([["1/a", ONE]])).rejects.toMatchObject({ code: "DATA_DIR_UNUSABLE" });
  await expect(store.clear("1/")).rejects.toMatchObject({ code: "DISK_FULL" });
  fate.isFull = false;
  await store.clear("1/");
  await store.write([["1/a", ONE]]);
  expect(keysOf(store)).toEqual(["1/a"]);
  await store.close();
});

test("takes no changes of what it has lost: each prefix begins with a clear", async () => {
  const { fate, open } = await machine();
  const store = new LastingStore("state", open);
  await store.write([
    ["1/a", ONE],
    ["2/a", ONE],
  ]);
  fate.isLost = true;
  expect(keysOf(store)).toEqual([]);
  await expect(store.write([["1/b", ONE]])).rejects.toMatchObject({ code: "DATA_DIR_UNUSABLE" });
  await store.clear("1/");
  await store.write([["1/b", ONE]]);
  await expect(store.write([["2/b", ONE]])).rejects.toMatchObject({ code: "DATA_DIR_UNUSABLE" });
  expect(keysOf(store)).toEqual(["1/b"]);
  await store.close();
  expect(fate.closed).toBe(2);
});

test("what else keeps a store from opening is told at once", () => {
  const refuse = (): never => {
    throw new VarveError("DATA_DIR_UNUSABLE", { message: "no folder" });
  };
  expect(() => new LastingStore("state", refuse)).toThrow("no folder");
});
