import { expect, test } from "vitest";
import { type Pending, PendingAcks, type Waiter } from "./pending-acks.js";

function waiter(deadlineAtMs: number): Waiter {
  return { resolve: () => {}, reject: () => {}, duplicate: false, deadlineAtMs };
}

function pending(index: number, term: number, deadlinesMs: readonly number[] = [1_000]): Pending {
  return {
    index,
    term,
    baseOffset: index * 10,
    bytes: 100,
    stamp: { producerId: 1, producerEpoch: 0, baseSequence: index, recordCount: 1 },
    appendedAtMs: 0,
    waiters: deadlinesMs.map(waiter),
  };
}

test.each([
  { what: "the frame of its term at its index applies it", index: 5, term: 2, taken: [{ index: 5, applied: true }] },
  { what: "a frame of another term replaced it", index: 5, term: 3, taken: [{ index: 5, applied: false }] },
  { what: "a frame at another index says nothing", index: 6, term: 2, taken: [] },
])("a pending batch: $what", ({ index, term, taken }) => {
  for (const orphaned of [false, true]) {
    const acks = new PendingAcks();
    acks.add(pending(5, 2));
    if (orphaned) acks.orphanAll(5_000);
    expect(acks.take(index, term).map(({ pending: { index: at }, applied }) => ({ index: at, applied }))).toEqual(
      taken,
    );
    expect(acks.size).toBe(taken.length === 0 ? 1 : 0);
    expect(acks.take(5, 2)).toHaveLength(taken.length === 0 ? 1 : 0);
  }
});

test("an index that is used again after leadership came back settles both batches, each by its own term", () => {
  const acks = new PendingAcks();
  acks.add(pending(5, 2));
  acks.orphanAll(5_000);
  acks.add(pending(5, 4));
  expect(acks.take(5, 4).map(({ pending: { term }, applied }) => [term, applied])).toEqual([
    [4, true],
    [2, false],
  ]);
  expect(acks.size).toBe(0);
});

test("two batches at one index in one leadership are a programmer's error", () => {
  const acks = new PendingAcks();
  acks.add(pending(5, 2));
  expect(() => acks.add(pending(5, 2))).toThrow("A1");
});

test("a caller that is late leaves; its batch and the callers with time left stay", () => {
  const acks = new PendingAcks();
  const batch = pending(5, 2, [1_000, 3_000, 2_000]);
  acks.add(batch);
  expect(acks.expire(999)).toEqual({ late: [], unknown: [] });
  expect(acks.expire(2_000).late.map(({ waiter: { deadlineAtMs } }) => deadlineAtMs)).toEqual([1_000, 2_000]);
  expect(batch.waiters.map(({ deadlineAtMs }) => deadlineAtMs)).toEqual([3_000]);
  expect(acks.expire(2_000).late).toEqual([]);
  expect(acks.expire(3_000).late).toHaveLength(1);
  expect(acks.take(5, 2)).toEqual([{ pending: batch, applied: true }]);
});

test("a batch that was orphaned is unknown once, when its time is over", () => {
  const acks = new PendingAcks();
  acks.add(pending(5, 2));
  acks.orphanAll(5_000);
  acks.add(pending(6, 4, [90_000]));
  expect(acks.expire(4_999).unknown).toEqual([]);
  expect(acks.expire(5_000).unknown.map(({ index }) => index)).toEqual([5]);
  expect(acks.expire(60_000).unknown).toEqual([]);
  expect(acks.size).toBe(1);
});

test("taking all leaves nothing behind, of this leadership or an earlier one", () => {
  const acks = new PendingAcks();
  acks.add(pending(5, 2));
  acks.orphanAll(5_000);
  acks.add(pending(7, 3));
  expect(
    acks
      .takeAll()
      .map(({ index }) => index)
      .sort(),
  ).toEqual([5, 7]);
  expect([acks.size, acks.takeAll()]).toEqual([0, []]);
});
