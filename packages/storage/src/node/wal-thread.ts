/** wal-thread.ts: a worker thread behind the WalThread port. */
import { Worker } from "node:worker_threads";
import type { WalCommand, WalThread } from "@varve/base";
import type { WalOrder, WalReport } from "./wal-worker.js";

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Starts the thread; it ends with `close`. */
export function nodeWalThread(): WalThread {
  const worker = new Worker(new URL("./wal-worker.js", import.meta.url));
  const waiting = new Map<number, Waiting>();
  let nextId = 1;
  const failAll = (error: Error): void => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.on("message", ({ id, error }: WalReport) => {
    const entry = waiting.get(id);
    waiting.delete(id);
    if (error === null) entry?.resolve();
    else entry?.reject(new Error(`the write-ahead log cannot be written: ${error}`));
  });
  worker.on("error", failAll);
  worker.on("exit", () => failAll(new Error("the thread of the write-ahead log has ended")));
  worker.unref();
  return {
    run: (command) =>
      new Promise<void>((resolve, reject) => {
        const id = nextId++;
        waiting.set(id, { resolve, reject });
        const order = toOrder(id, command);
        worker.postMessage(order, order.kind === "flush" ? [order.bytes] : []);
      }),
    close: async () => {
      waiting.clear();
      await worker.terminate();
    },
  };
}

function toOrder(id: number, command: WalCommand): WalOrder {
  if (command.kind !== "flush") return { id, ...command };
  const { buffers, file, position } = command;
  const bytes = new Uint8Array(buffers.reduce((sum, buffer) => sum + buffer.length, 0));
  let at = 0;
  for (const buffer of buffers) {
    bytes.set(buffer, at);
    at += buffer.length;
  }
  return { id, kind: "flush", file, position, bytes: bytes.buffer };
}
