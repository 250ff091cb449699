/**
 * machine-ports.ts: ports of a machine with hooks in them: `reached` tells whether the process is no more after it; then nothing it waits for ever
 * comes.
 */
import type { KeyValueOpener, WalThread } from "@varve/base";
import type { Hook } from "./hooks.js";
import { wrap } from "./observer.js";

type Reached = (hook: Hook) => boolean;

/** Hooks between the write and the sync of a flush, and between the sync and its completion. */
export function hookedWalThread(inner: WalThread, reached: Reached): WalThread {
  wrap(inner, "run", (run) => (commands, done) => {
    run(commands, (error) => {
      if (!reached("after-fsync-before-ack")) done(error);
    });
    reached("after-append-before-fsync");
  });
  return inner;
}

/** A hook before every transaction. */
export function hookedKeyValue(inner: KeyValueOpener, reached: Reached): KeyValueOpener {
  return {
    open: async (path) => {
      const store = await inner.open(path);
      wrap(store, "write", (write) => (changes) => {
        if (reached("before-store-write")) return new Promise(() => {});
        return write(changes);
      });
      return store;
    },
  };
}
