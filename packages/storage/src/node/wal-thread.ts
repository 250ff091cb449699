/**
 * wal-thread.ts: a worker thread that writes and syncs the WAL with synchronous calls.
 *
 * Bytes go through shared memory, commands through a message port that the worker drains after it was woken, so that a flush costs
 * one copy, one wake-up there and one message back.
 */
// The declaration speaks of URL; TypeScript 7 would not include its types unless a program asked.
/// <reference types="node" preserve="true" />
import { Worker } from "node:worker_threads";
import { assert, assertDefined, type WalCommand, type WalThread } from "@varve/base";

/** Holds the largest flush: one record of 8 MiB and its surroundings. */
const STAGING_BYTES = 9 * 1024 * 1024;

type Answer = { readonly error: { readonly message: string; readonly code: string | null } | null };

/** Starts a thread. It does not keep the process alive by itself except while a command runs. `program`: for tests. */
export function nodeWalThread(program = new URL("./wal-worker.js", import.meta.url)): WalThread {
  return new NodeWalThread(program);
}

class NodeWalThread implements WalThread {
  readonly staging: Uint8Array;
  private readonly wake = new Int32Array(new SharedArrayBuffer(4));
  private readonly worker: Worker;
  private done: ((error: Error | null) => void) | null = null;
  private onIdle: (() => void) | null = null;
  private isClosed = false;
  /** The thread has ended, or never began. */
  private failure: Error | null = null;

  constructor(program: URL) {
    const memory = new SharedArrayBuffer(STAGING_BYTES);
    this.staging = new Uint8Array(memory);
    this.worker = new Worker(program, {
      workerData: { memory, wake: this.wake.buffer },
    });
    this.worker.unref();
    this.worker.on("message", (answer: Answer) => this.finish(answer.error === null ? null : toError(answer.error)));
    this.worker.on("error", (error: Error) => this.end(error));
    this.worker.on("exit", () => {
      if (!this.isClosed) this.end(new Error("the WAL thread ended by itself"));
    });
  }

  run(commands: readonly WalCommand[], done: (error: Error | null) => void): void {
    assert(this.done === null, "W1: one run at a time");
    assert(!this.isClosed, "a closed thread runs nothing");
    const { failure } = this;
    if (failure !== null) {
      setImmediate(() => done(failure));
      return;
    }
    this.done = done;
    this.worker.ref();
    this.worker.postMessage(commands);
    Atomics.add(this.wake, 0, 1);
    Atomics.notify(this.wake, 0);
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.done !== null) {
      await new Promise<void>((resolve) => {
        this.onIdle = resolve;
      });
    }
    await this.worker.terminate();
  }

  private end(error: Error): void {
    this.failure ??= error;
    this.finish(this.failure);
  }

  private finish(error: Error | null): void {
    const { done } = this;
    if (done === null) return;
    this.done = null;
    this.worker.unref();
    this.onIdle?.();
    done(error);
  }
}

function toError(error: NonNullable<Answer["error"]>): Error {
  const made = new Error(error.message);
  return error.code === null ? made : Object.assign(made, { code: assertDefined(error.code, "a code is there") });
}
