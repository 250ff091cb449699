/**
 * abort.ts: any number of callbacks on one AbortSignal through a single listener: Node.js warns on stderr above ten, and a signal that
 * a thousand sends share is no leak.
 *
 * Invariant: a signal has a listener exactly while it has callbacks. Node.js keeps a signal of `AbortSignal.any` or `AbortSignal.timeout` alive
 * for as long as somebody listens, with all that the listener holds.
 */

interface Listening {
  readonly callbacks: Set<() => void>;
  readonly stop: () => void;
}

const listeningTo = new WeakMap<AbortSignal, Listening>();

/** Calls `callback` when `signal` is aborted, not when it already is. Answers how to take it back. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const listening = listeningTo.get(signal) ?? listen(signal);
  listening.callbacks.add(callback);
  return () => {
    if (listening.callbacks.delete(callback) && listening.callbacks.size === 0) listening.stop();
  };
}

function listen(signal: AbortSignal): Listening {
  const callbacks = new Set<() => void>();
  const run = (): void => {
    const now = [...callbacks];
    callbacks.clear();
    listening.stop();
    for (const callback of now) callback();
  };
  const listening = {
    callbacks,
    stop: () => {
      signal.removeEventListener("abort", run);
      listeningTo.delete(signal);
    },
  };
  listeningTo.set(signal, listening);
  signal.addEventListener("abort", run, { once: true });
  return listening;
}
