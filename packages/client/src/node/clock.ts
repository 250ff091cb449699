/**
 * clock.ts: the process's clocks and timers. Unlike a broker's, a client's timers keep the process alive: each belongs to work that
 * somebody waits for.
 */
import type { Clock } from "@varve/base";

export const clientClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, Math.max(0, delayMs));
    return { cancel: () => clearTimeout(timer) };
  },
  defer: (callback) => {
    setImmediate(callback);
  },
};
