import { VarveError } from "@varve/base";
import { expect, test } from "vitest";
import { SendWindow } from "./send-window.js";

/** A promise that the test settles. */
function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Whether `promise` is settled after all that is ready has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(
    () => {
      settled = true;
    },
    () => {},
  );
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

test("SendWindow: holds back at the limit of records and lets go at the first answer", async () => {
  const window = new SendWindow<number>({ recordsMax: 2, bytesMax: 1_000 });
  const [first, second] = [deferred<number>(), deferred<number>()];
  await window.admit();
  window.track(1, first.promise);
  await window.admit();
  window.track(1, second.promise);
  const third = window.admit();
  expect(await isSettled(third)).toBe(false);
  first.resolve(0);
  expect(await isSettled(third)).toBe(true);
  expect(window).toMatchObject({ sent: 2, acknowledged: 1, unanswered: 1 });
});

test("SendWindow: holds back at the limit of bytes, but one larger record passes", async () => {
  const window = new SendWindow<number>({ recordsMax: 100, bytesMax: 10 });
  const large = deferred<number>();
  await window.admit();
  window.track(50, large.promise);
  const next = window.admit();
  expect(await isSettled(next)).toBe(false);
  large.resolve(0);
  expect(await isSettled(next)).toBe(true);
});

test("SendWindow: keeps the first failure, tells what surely failed from what is unknown, and holds nobody back after it", async () => {
  const window = new SendWindow<number>({ recordsMax: 1, bytesMax: 1_000 });
  const fails = deferred<number>();
  window.track(1, fails.promise);
  const waiting = window.admit();
  const other = deferred<number>();
  window.track(1, other.promise);
  fails.reject(new VarveError("BATCH_TOO_LARGE", { message: "too large" }));
  await waiting;
  expect(await isSettled(window.admit())).toBe(true);
  expect(await isSettled(window.drained())).toBe(false);
  other.reject(new VarveError("TIMEOUT", { message: "late" }));
  await window.drained();
  expect(window).toMatchObject({ sent: 2, acknowledged: 0, notApplied: 1, unknown: 1, unanswered: 0 });
  expect(window.failure).toMatchObject({ recordNumber: 1, error: { code: "BATCH_TOO_LARGE" } });
});

test("SendWindow: several may wait at once", async () => {
  const window = new SendWindow<number>({ recordsMax: 1, bytesMax: 1_000 });
  const answer = deferred<number>();
  window.track(1, answer.promise);
  const waits = [window.admit(), window.drained(), window.admit()];
  answer.resolve(0);
  await Promise.all(waits);
  expect(window.acknowledged).toBe(1);
});
