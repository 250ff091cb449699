/**
 * read-queue.test.ts: reads that wait for their leader to be confirmed.
 */
import { expect, test } from "vitest";
import { RaftAssertionError } from "../assert.js";
import { READS_MAX, ReadQueue } from "./read-queue.js";

test("reads are numbered in the order of their arrival, and released up to a number", () => {
  const queue = new ReadQueue();
  expect(queue.newestRound).toBeNull();
  for (const context of ["a", "b", "c"]) queue.add({ from: 1, context }, 7);
  expect(queue.newestRound).toBe(3);
  expect(queue.release(0)).toEqual([]);
  expect(queue.release(2).map(({ context }) => context)).toEqual(["a", "b"]);
  expect(queue.release(2)).toEqual([]);
  expect(queue.release(99).map(({ context }) => context)).toEqual(["c"]);
  expect(queue.newestRound).toBeNull();
});

test("a read keeps the commit index of its arrival", () => {
  const queue = new ReadQueue();
  queue.add({ from: 1, context: 1 }, 5);
  queue.add({ from: 2, context: 1 }, 9);
  expect(queue.release(2).map(({ from, index }) => [from, index])).toEqual([
    [1, 5],
    [2, 9],
  ]);
});

test("postponed reads are taken once", () => {
  const queue = new ReadQueue();
  queue.postpone({ from: 1, context: "x" });
  expect(queue.newestRound).toBeNull();
  expect(queue.takePostponed()).toHaveLength(1);
  expect(queue.takePostponed()).toHaveLength(0);
});

test("numbers start again after clear, and nothing waits", () => {
  const queue = new ReadQueue();
  queue.add({ from: 1, context: 1 }, 5);
  queue.postpone({ from: 1, context: 2 });
  queue.clear();
  expect(queue.release(99)).toEqual([]);
  expect(queue.takePostponed()).toEqual([]);
  queue.add({ from: 1, context: 3 }, 5);
  expect(queue.newestRound).toBe(1);
});

test("is full at its bound; postponed reads count", () => {
  const queue = new ReadQueue();
  for (let at = 0; at < READS_MAX - 1; at++) queue.add({ from: 1, context: at }, 1);
  expect(queue.isFull).toBe(false);
  queue.postpone({ from: 1, context: "last" });
  expect(queue.isFull).toBe(true);
  expect(() => queue.postpone({ from: 1, context: "too many" })).toThrow(RaftAssertionError);
});

test("a leader that serves reads has committed something", () => {
  expect(() => new ReadQueue().add({ from: 1, context: 1 }, 0)).toThrow(RaftAssertionError);
});
