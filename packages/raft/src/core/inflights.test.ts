/**
 * inflights.test.ts: the window of unanswered appends, against a plain list.
 */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { RaftAssertionError } from "../assert.js";
import { Inflights } from "./inflights.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

describe("a window of appends", () => {
  test("is full when as many messages are under way as it may hold", () => {
    const window = new Inflights(2, 0);
    window.add(1, 10);
    expect(window.isFull).toBe(false);
    window.add(2, 10);
    expect(window.isFull).toBe(true);
    expect(window.count).toBe(2);
  });

  test("is full when its bytes are used up; one message of any size fits", () => {
    const window = new Inflights(10, 100);
    window.add(1, 1_000);
    expect(window.isFull).toBe(true);
    window.freeTo(1);
    window.add(2, 99);
    expect(window.isFull).toBe(false);
    window.add(3, 1);
    expect(window.isFull).toBe(true);
  });

  test("0 bytes means no limit of bytes", () => {
    const window = new Inflights(10, 0);
    window.add(1, Number.MAX_SAFE_INTEGER);
    expect(window.isFull).toBe(false);
  });

  test("an answer frees every message up to its index", () => {
    const window = new Inflights(10, 0);
    for (const index of [2, 4, 6, 8]) window.add(index, 1);
    window.freeTo(5);
    expect(window.count).toBe(2);
    window.freeTo(1);
    expect(window.count).toBe(2);
    window.freeTo(100);
    expect(window.count).toBe(0);
  });

  test("is empty after clear", () => {
    const window = new Inflights(1, 5);
    window.add(3, 9);
    window.clear();
    expect(window.count).toBe(0);
    expect(window.isFull).toBe(false);
    window.add(1, 1);
    expect(window.count).toBe(1);
  });

  test("takes nothing more when it is full, and no index before the last", () => {
    const window = new Inflights(2, 0);
    window.add(5, 1);
    expect(() => window.add(4, 1)).toThrow(RaftAssertionError);
    window.add(5, 1);
    expect(() => window.add(6, 1)).toThrow(RaftAssertionError);
  });

  test("holds nothing for a bound that is never used", () => {
    const window = new Inflights(Number.MAX_SAFE_INTEGER, 0);
    for (let index = 1; index <= 1_000; index++) window.add(index, 1);
    window.freeTo(999);
    expect(window.count).toBe(1);
  });

  test(`does what a plain list does (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    for (let round = 0; round < 150; round++) {
      const countMax = prng.between(1, 40);
      const bytesMax = prng.pick([0, 50, 500]);
      const window = new Inflights(countMax, bytesMax);
      let list: { index: number; bytes: number }[] = [];
      let index = 0;
      for (let step = 0; step < 100; step++) {
        const bytes = list.reduce((sum, message) => sum + message.bytes, 0);
        const isFull = list.length >= countMax || (bytesMax !== 0 && bytes >= bytesMax);
        expect(window.isFull, `round ${round}, step ${step}`).toBe(isFull);
        expect(window.count).toBe(list.length);
        if (!isFull && prng.chance(0.7)) {
          index += prng.between(1, 5);
          const size = prng.between(0, 60);
          window.add(index, size);
          list.push({ index, bytes: size });
        } else {
          const upTo = prng.between(0, index + 1);
          window.freeTo(upTo);
          list = list.filter((message) => message.index > upTo);
        }
      }
    }
  });
});
