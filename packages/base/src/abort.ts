/**
 * abort.ts: any number of callbacks on one AbortSignal through a single listener: Node.js warns on stderr above ten, and a signal that
 * a thousand sends share is no leak.
 */
const callbacksOf = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `callback` when `signal` is aborted, not when it already is. Answers how to take it back. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let callbacks = callbacksOf.get(signal);
  if (callbacks === undefined) {
    callbacks = new Set();
    callbacksOf.set(signal, callbacks);
    listen(signal, callbacks);
  }
  callbacks.add(callback);
  const all = callbacks;
  return () => all.delete(callback);
}

function listen(signal: AbortSignal, callbacks: Set<() => void>): void {
  const run = (): void => {
    const now = [...callbacks];
    callbacks.clear();
    for (const callback of now) callback();
  };
  signal.addEventListener("abort", run, { once: true });
}
