/**
 * machine-ports.ts: ports of a machine with hooks in them: `reached` tells whether the process is no more after it; then nothing it waits for ever
 * comes.
 */
import type { KeyValueOpener, WalThread } from "@varve/base";
import type { Hook } from "./hooks.js";
import { wrap } from "./wrap.js";

type Reached = (hook: Hook) => boolean;

/** Hooks between the write and the sync of a flush, and between the sync and its completion. `flushed` hears where each flush begins. */
export function hookedWalThread(
  inner: WalThread,
  reached: Reached,
  flushed: (path: string, position: number) => void,
): WalThread {
  const paths = new Map<number, string>();
  wrap(inner, "run", (run) => (commands, done) => {
    for (const command of commands) {
      if (command.kind === "open") paths.set(command.file, command.path);
      else if (command.kind === "write") flushed(paths.get(command.file) ?? "", command.position);
    }
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
