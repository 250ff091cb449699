/** read-share.test.ts: one connection that takes nothing holds its share and no more, and nobody waits for it who need not. */
import { fuzzSeed, Prng } from "@varve/base/testing";
import { expect, test } from "vitest";
import { ReadShare } from "./read-share.js";

const never = new AbortController().signal;

/** The outcomes so far; a wait that is not over is missing. */
async function outcomes(taking: readonly Promise<boolean>[]): Promise<boolean[]> {
  const done: boolean[] = [];
  for (const each of taking) void each.then((taken) => done.push(taken));
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

test("a connection waits at its own bound, in order; others do not wait for it", async () => {
  const share = new ReadShare(100, 10);
  expect(await share.take("a", 8, never)).toBe(true);
  const waiting = [share.take("a", 4, never), share.take("a", 1, never)];
  expect(await outcomes(waiting)).toEqual([]);
  expect(await share.take("b", 10, never)).toBe(true);
  share.release("a", 2);
  expect(await outcomes(waiting)).toEqual([true]);
  share.release("a", 1);
  expect(await outcomes(waiting)).toEqual([true, true]);
  expect(share.usedBytes).toBe(20);
});

test("a read larger than the bound is served to a connection that has nothing, so that nobody starves", async () => {
  const share = new ReadShare(100, 10);
  expect(await share.take("a", 50, never)).toBe(true);
  const second = share.take("a", 50, never);
  expect(await outcomes([second])).toEqual([]);
  share.release("a", 50);
  expect(await second).toBe(true);
});

test("who waits for the bound of all goes on when another connection releases", async () => {
  const share = new ReadShare(20, 20);
  await share.take("a", 15, never);
  await share.take("b", 5, never);
  const waiting = share.take("b", 5, never);
  expect(await outcomes([waiting])).toEqual([]);
  share.release("a", 15);
  expect(await waiting).toBe(true);
});

test("an abort ends the wait without taking anything, and lets those behind go on", async () => {
  const share = new ReadShare(100, 10);
  await share.take("a", 10, never);
  const abort = new AbortController();
  const waiting = share.take("a", 10, abort.signal);
  const behind = share.take("a", 2, never);
  abort.abort();
  expect(await waiting).toBe(false);
  share.release("a", 3);
  expect(await behind).toBe(true);
  expect(share.usedBytes).toBe(9);
  expect(await share.take("a", 1, abort.signal)).toBe(false);
});

test("what is held becomes less at once, and more only where it fits and nobody waits", async () => {
  const share = new ReadShare(100, 10);
  await share.take("a", 6, never);
  expect(share.resize("a", 6, 9)).toBe(true);
  expect(share.resize("a", 9, 11), "alone, whatever it is").toBe(true);
  expect(share.resize("a", 11, 2)).toBe(true);
  expect(share.resize("a", 0, 8)).toBe(true);
  expect(share.resize("a", 0, 1), "the share is used up").toBe(false);
  expect(share.usedBytes).toBe(10);
  expect(share.largestBytes).toBe(10);
  const waiting = share.take("a", 5, never);
  share.release("a", 4);
  expect(share.resize("a", 0, 1), "another waits").toBe(false);
  share.release("a", 6);
  expect(await waiting).toBe(true);
});

test("a connection whose reads were larger than their room asks for as much next, and others do not", async () => {
  const share = new ReadShare(100, 10);
  await share.take("a", 10, never);
  expect(share.roomFor("a", 4)).toBe(4);
  expect(share.resize("a", 4, 7)).toBe(false);
  expect([share.roomFor("a", 4), share.roomFor("a", 9), share.roomFor("b", 4)]).toEqual([7, 9, 4]);
  share.release("a", 10);
  expect(share.roomFor("a", 4), "forgotten with the connection").toBe(4);
});

const seed = fuzzSeed();
test(`in any order of takes, releases and aborts the bounds hold and nobody is forgotten (SEED=${seed})`, async () => {
  const prng = new Prng(seed);
  for (let round = 0; round < 200; round++) {
    const share = new ReadShare(60, 20);
    const held: { peer: string; bytes: number }[] = [];
    let pending = 0;
    for (let step = 0; step < 60; step++) {
      if (prng.chance(0.6)) {
        const peer = prng.pick(["a", "b", "c", "d", "e"]);
        const bytes = prng.between(1, 12);
        const abort = new AbortController();
        pending++;
        void share.take(peer, bytes, abort.signal).then((taken) => {
          pending--;
          if (taken) held.push({ peer, bytes });
        });
        if (prng.chance(0.2)) abort.abort();
      } else if (prng.chance(0.5)) {
        const at = prng.between(0, Math.max(0, held.length - 1));
        const one = held[at];
        const bytes = prng.between(1, 12);
        if (one !== undefined && share.resize(one.peer, one.bytes, bytes)) held[at] = { ...one, bytes };
      } else {
        const one = held.splice(prng.between(0, Math.max(0, held.length - 1)), 1)[0];
        if (one !== undefined) share.release(one.peer, one.bytes);
      }
      await Promise.resolve();
      expect(share.usedBytes, `round ${round}`).toBeLessThanOrEqual(60);
      expect(share.largestBytes, `round ${round}`).toBeLessThanOrEqual(20);
    }
    for (let guard = 0; guard < 10_000 && (pending > 0 || held.length > 0); guard++) {
      const one = held.pop();
      if (one !== undefined) share.release(one.peer, one.bytes);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect({ pending, used: share.usedBytes }, `round ${round}`).toEqual({ pending: 0, used: 0 });
  }
});
