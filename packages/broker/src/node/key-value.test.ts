/** key-value.test.ts: what every key-value store promises, asked of the one on disk and of the one in memory. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KEY_BYTES_MAX, type KeyValue, type KeyValueChange, type KeyValueOpener, silentLogger } from "@varve/base";
import { memoryKeyValue, Prng } from "@varve/base/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { lmdbStores } from "./lmdb-store.js";

const SEED = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const ADAPTERS: readonly (readonly [name: string, make: () => KeyValueOpener])[] = [
  ["LMDB", () => lmdbStores({ logger: silentLogger })],
  ["memory", memoryKeyValue],
];

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const contentOf = (store: KeyValue, prefix = ""): [string, number[]][] =>
  [...store.entries(prefix)].map(([key, value]) => [key, [...value]]);
const keysOf = (store: KeyValue, prefix = ""): string[] => [...store.entries(prefix)].map(([key]) => key);

describe.each(ADAPTERS)("a key-value store: %s", (_, make) => {
  let folder = "";
  let stores: KeyValueOpener;
  let store: KeyValue;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "varve-key-value-"));
    stores = make();
    store = await stores.open(join(folder, "state"));
  });

  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function reopen(): Promise<void> {
    await store.close();
    store = await stores.open(join(folder, "state"));
  }

  test("begins empty, and has what was written, also after it was opened again", async () => {
    expect(contentOf(store)).toEqual([]);
    await store.write([
      ["b", bytes(2)],
      ["a", bytes()],
      ["c", bytes(3, 3)],
    ]);
    const written = [
      ["a", []],
      ["b", [2]],
      ["c", [3, 3]],
    ];
    expect(contentOf(store)).toEqual(written);
    await reopen();
    expect(contentOf(store)).toEqual(written);
  });

  test("of two changes of a key in one write the later counts; removing what is absent does nothing", async () => {
    await store.write([
      ["a", bytes(1)],
      ["a", bytes(2)],
      ["b", bytes(1)],
      ["b", null],
      ["none", null],
    ]);
    expect(contentOf(store)).toEqual([["a", [2]]]);
    await store.write([]);
    expect(contentOf(store)).toEqual([["a", [2]]]);
  });

  test("entries are those of a prefix, in the order of the keys' bytes", async () => {
    const keys = ["1/", "1/a", "1/a/b", "1/aa", "10/a", "1", "2/a", "\x00", "\x7f", "1/\x7f", "1/\x00", "Z", "z", " "];
    await store.write(keys.map((key) => [key, bytes(1)]));
    const sorted = keys.toSorted();
    expect(keysOf(store)).toEqual(sorted);
    for (const prefix of ["1", "1/", "1/a", "\x00", "\x7f", "1/\x7f", "absent", "zz"])
      expect(keysOf(store, prefix)).toEqual(sorted.filter((key) => key.startsWith(prefix)));
  });

  test("keys may be as long as the bound, values empty or large", async () => {
    const long = "k".repeat(KEY_BYTES_MAX);
    const large = new Prng(1).bytes(300_000);
    await store.write([
      [long, large],
      [`${long.slice(1)}l`, bytes()],
    ]);
    await reopen();
    const entries = [...store.entries("")];
    expect(entries.map(([key]) => key)).toEqual([long, `${long.slice(1)}l`]);
    expect(Buffer.compare(entries[0]?.[1] ?? bytes(), large)).toBe(0);
  });

  test("what is no key is refused, and nothing is written", async () => {
    for (const key of ["", "ä", "k".repeat(KEY_BYTES_MAX + 1)])
      expect(() =>
        store.write([
          ["a", bytes(1)],
          [key, bytes(1)],
        ]),
      ).toThrow("a key");
    expect(() => store.entries("ä")).toThrow("ASCII");
    expect(keysOf(store)).toEqual([]);
  });

  test("calls take effect in their order, also when nobody waits in between", async () => {
    const calls = [
      store.write([
        ["x/1", bytes(1)],
        ["y/1", bytes(1)],
      ]),
      store.clear("x/"),
      store.write([["x/2", bytes(2)]]),
      store.write([
        ["x/2", bytes(3)],
        ["x/3", bytes(3)],
      ]),
      store.clear("y/"),
    ];
    await Promise.all(calls);
    expect(contentOf(store)).toEqual([
      ["x/2", [3]],
      ["x/3", [3]],
    ]);
  });

  test("clear removes a prefix and nothing beside it", async () => {
    await store.write(["1/a", "1/b", "10/a", "1", "2"].map((key) => [key, bytes(1)]));
    await store.clear("1/");
    expect(keysOf(store)).toEqual(["1", "10/a", "2"]);
    await store.clear("absent");
    await store.clear("");
    expect(keysOf(store)).toEqual([]);
  });

  test("an iteration sees the state at its first step, whatever is written meanwhile", async () => {
    const all = (value: number): KeyValueChange[] =>
      Array.from({ length: 500 }, (_, at) => [`k/${at}`, bytes(value, 0, 0, 0)]);
    await store.write(all(1));
    const iterator = store.entries("k/")[Symbol.iterator]();
    const values = [iterator.next().value?.[1][0]];
    await store.write(all(2));
    await store.clear("k/1");
    for (let step = iterator.next(); step.done !== true; step = iterator.next()) values.push(step.value[1][0]);
    expect(values).toEqual(Array.from({ length: 500 }, () => 1));
    expect(new Set([...store.entries("k/")].map(([, value]) => value[0]))).toEqual(new Set([2]));
  });

  test("readers never see half a transaction", async () => {
    let isWriting = true;
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const writing = (async () => {
      for (let number = 0; number < 60; number++) {
        await store.write(Array.from({ length: 400 }, (_, at) => [`k/${at}`, bytes(number)]));
        await turn();
      }
      isWriting = false;
    })();
    let reads = 0;
    while (isWriting) {
      expect(new Set([...store.entries("k/")].map(([, value]) => value[0])).size).toBeLessThanOrEqual(1);
      reads++;
      await turn();
    }
    await writing;
    expect(reads).toBeGreaterThan(10);
  });

  test("values are the reader's own: neither writing to them nor later transactions change what others see", async () => {
    await store.write([["a", bytes(1, 2, 3, 4)]]);
    const [first] = [...store.entries("")];
    first?.[1].fill(9);
    const [second] = [...store.entries("")];
    expect([...(second?.[1] ?? [])]).toEqual([1, 2, 3, 4]);
    await store.write([["a", bytes(5, 5, 5, 5)]]);
    expect([...(second?.[1] ?? [])]).toEqual([1, 2, 3, 4]);
  });

  test("close waits for what is under way; nothing may be called afterwards", async () => {
    let resolved = 0;
    for (let number = 0; number < 20; number++)
      void store.write([[`k/${number}`, bytes(number)]]).then(() => resolved++);
    const closed = store;
    await reopen();
    expect(resolved).toBe(20);
    expect(keysOf(store)).toHaveLength(20);
    expect(() => closed.write([])).toThrow("closed");
    expect(() => closed.entries("")).toThrow("closed");
  });

  test(`is equal to a sorted map through random transactions and restarts (seed ${SEED})`, async () => {
    const random = new Prng(SEED);
    const model = new Map<string, number[]>();
    const key = (): string =>
      `${random.between(0, 4)}/${random.between(0, 60)}${random.chance(0.1) ? "x".repeat(random.between(1, 900)) : ""}`;
    for (let step = 0; step < 150; step++) {
      const roll = random.ratio();
      if (roll < 0.05) await reopen();
      else if (roll < 0.15) {
        const prefix = random.pick(["0/", "1", "2/3", "4/", "9"]);
        for (const known of model.keys()) if (known.startsWith(prefix)) model.delete(known);
        await store.clear(prefix);
      } else {
        const changes = Array.from({ length: random.between(0, 40) }, (): KeyValueChange => {
          const size = random.chance(0.05) ? random.between(1_000, 20_000) : random.between(0, 50);
          return [key(), random.chance(0.3) ? null : random.bytes(size)];
        });
        for (const [changed, value] of changes) {
          if (value === null) model.delete(changed);
          else model.set(changed, [...value]);
        }
        await store.write(changes);
      }
      if (step % 10 !== 0) continue;
      const prefix = random.pick(["", "0/", "1", "3/2"]);
      const expected = [...model].filter(([known]) => known.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
      expect(contentOf(store, prefix)).toEqual(expected);
    }
  });
});
