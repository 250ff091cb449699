/** work-queue.test.ts: what is started when, against the obvious model. */
import { Prng } from "@varve/base/testing";
import { expect, test } from "vitest";
import { type WorkItem, WorkQueue } from "./work-queue.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

interface Item extends WorkItem {
  readonly number: number;
}

/** The obvious model: a list of what waits, lists of what is in work and what rests. */
class SlowQueue {
  waiting: Item[] = [];
  readonly inWork = new Set<Item>();
  readonly resting = new Set<Item>();
  readonly paused = new Set<string>();

  /** What may be started now: the first of each lane that is free and not paused. */
  startable(): Item[] {
    const busy = new Set([...this.inWork, ...this.resting].map(({ lane }) => lane));
    const seen = new Set<string>();
    return this.waiting.filter(({ lane, partition }) => {
      const isFirst = !seen.has(lane);
      seen.add(lane);
      return isFirst && !busy.has(lane) && !this.paused.has(partition);
    });
  }
}

test(`starts only what a slow model allows, and always something when there is something, seed ${seed}`, () => {
  const prng = new Prng(seed);
  for (let round = 0; round < 150; round++) {
    const concurrency = prng.between(1, 5);
    const queue = new WorkQueue<Item>(concurrency);
    const slow = new SlowQueue();
    let number = 0;
    for (let step = 0; step < 300; step++) {
      const partition = `p${prng.between(0, 2)}`;
      const action = prng.between(0, 11);
      if (action < 4) {
        const item = { lane: `${partition}/${prng.between(0, 3)}`, partition, number: number++ };
        queue.add(item);
        slow.waiting.push(item);
      } else if (action < 7) {
        const item = queue.next();
        const may = slow.inWork.size < concurrency ? slow.startable() : [];
        if (item === null) expect(may).toEqual([]);
        else {
          expect(may).toContain(item);
          slow.waiting = slow.waiting.filter((each) => each !== item);
          slow.inWork.add(item);
        }
      } else if (action === 7 && slow.inWork.size > 0) {
        const item = prng.pick([...slow.inWork]);
        slow.inWork.delete(item);
        queue.done(item);
      } else if (action === 8 && slow.inWork.size > 0) {
        const item = prng.pick([...slow.inWork]);
        slow.inWork.delete(item);
        slow.resting.add(item);
        queue.rest(item);
      } else if (action === 9 && slow.resting.size > 0) {
        const item = prng.pick([...slow.resting]);
        const isFree = slow.inWork.size < concurrency && !slow.paused.has(item.partition);
        expect(queue.wake(item)).toBe(isFree);
        if (isFree) {
          slow.resting.delete(item);
          slow.inWork.add(item);
        }
      } else if (action === 10) {
        if (slow.paused.delete(partition)) queue.resume(partition);
        else {
          slow.paused.add(partition);
          queue.pause(partition);
        }
      } else if (action === 11 && prng.chance(0.2)) {
        queue.drop(partition);
        slow.waiting = slow.waiting.filter((each) => each.partition !== partition);
      }
      expect(queue.inWork).toBe(slow.inWork.size);
      expect(queue.waiting).toBe(slow.waiting.length);
    }
  }
});

test("lanes take turns: a lane with many items does not hold up the others", () => {
  const queue = new WorkQueue<Item>(1);
  for (let number = 0; number < 6; number++)
    queue.add({ lane: number < 4 ? "p/hot" : `p/${number}`, partition: "p", number });
  const order: number[] = [];
  for (let item = queue.next(); item !== null; item = queue.next()) {
    order.push(item.number);
    queue.done(item);
  }
  expect(order).toEqual([0, 4, 5, 1, 2, 3]);
});
