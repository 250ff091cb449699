/** abort.test.ts: callbacks of signals, and that none of them keeps a signal. */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { onAbort } from "./abort.js";

function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, "abort").length;
}

test("many callbacks are one listener, and each is called once", () => {
  const controller = new AbortController();
  const called: number[] = [];
  for (let at = 0; at < 100; at++) onAbort(controller.signal, () => called.push(at));
  expect(listeners(controller.signal)).toBe(1);
  controller.abort();
  expect(called).toEqual(Array.from({ length: 100 }, (_, at) => at));
});

test("a callback that was taken back is not called, and the last one takes the listener with it", () => {
  const shutdown = new AbortController();
  const signal = AbortSignal.any([shutdown.signal]);
  const called: string[] = [];
  const forgetFirst = onAbort(signal, () => called.push("first"));
  const forgetSecond = onAbort(signal, () => called.push("second"));
  forgetFirst();
  forgetFirst();
  expect(listeners(signal)).toBe(1);
  forgetSecond();
  expect(listeners(signal)).toBe(0);
  onAbort(signal, () => called.push("third"));
  forgetSecond();
  shutdown.abort();
  expect(called).toEqual(["third"]);
});

test("callbacks may take back others while they are called", () => {
  const controller = new AbortController();
  const called: string[] = [];
  const forget: (() => void)[] = [];
  onAbort(controller.signal, () => {
    called.push("first");
    for (const each of forget) each();
  });
  forget.push(onAbort(controller.signal, () => called.push("second")));
  controller.abort();
  expect(called, "all that waited hear it").toEqual(["first", "second"]);
});
