/** memory-key-value.test.ts: what a power cut, a kill and a loss leave of stores in memory. What all stores promise is tested in the broker. */
import { expect, test } from "vitest";
import type { KeyValue } from "../ports/key-value.js";
import { memoryKeyValue } from "./memory-key-value.js";
import { Prng } from "./prng.js";

const SEED = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const keysOf = (store: KeyValue): string[] => [...store.entries("")].map(([key]) => key);

test(`a power cut keeps the synced transactions and the oldest of the others, whole (seed ${SEED})`, async () => {
  const random = new Prng(SEED);
  const kept = new Set<number>();
  for (let round = 0; round < 200; round++) {
    const machine = memoryKeyValue();
    const store = await machine.open("state");
    for (let at = 0; at < 3; at++)
      await store.write([
        [`a${at}`, bytes(at)],
        ["last", bytes(at)],
      ]);
    machine.sync();
    for (let at = 3; at < 8; at++)
      await store.write([
        [`a${at}`, bytes(at)],
        ["last", bytes(at)],
      ]);
    machine.crash(random);
    const keys = keysOf(await machine.open("state"));
    const count = keys.length - 1;
    expect(keys).toEqual([...Array.from({ length: count }, (_, at) => `a${at}`), "last"]);
    kept.add(count);
  }
  expect([...kept].sort()).toEqual([3, 4, 5, 6, 7, 8]);
});

test("a kill keeps what had resolved; calls of the dead process never settle, and its close takes nothing along", async () => {
  const machine = memoryKeyValue();
  const store = await machine.open("state");
  await store.write([["a", bytes(1)]]);
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  void store.write([["b", bytes(2)]]).then(settle, settle);
  machine.kill();
  const next = await machine.open("state");
  await next.write([["c", bytes(3)]]);
  await store.close();
  expect(keysOf(next)).toEqual(["a", "c"]);
  expect(settled).toBe(false);
  expect(() => machine.open("state")).toThrow("once at a time");
});

test("a closed store survives a power cut, a lost one is empty", async () => {
  const machine = memoryKeyValue();
  const store = await machine.open("state");
  await store.write([["a", bytes(1)]]);
  await store.close();
  machine.crash(new Prng(1));
  const again = await machine.open("state");
  expect(keysOf(again)).toEqual(["a"]);
  machine.kill();
  machine.loseAll();
  expect(keysOf(await machine.open("state"))).toEqual([]);
});

test("stores of two paths are two stores; one path is opened once at a time", async () => {
  const machine = memoryKeyValue();
  const store = await machine.open("one");
  await store.write([["a", bytes(1)]]);
  expect(keysOf(await machine.open("two"))).toEqual([]);
  expect(() => machine.open("one")).toThrow("once at a time");
});
