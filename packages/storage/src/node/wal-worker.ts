/**
 * wal-worker.ts: the WAL thread itself. It sleeps until it is woken, runs the commands that wait, answers, sleeps again.
 *
 * It never returns to its event loop; the main thread ends it with `terminate`.
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { assertDefined, type WalCommand } from "@varve/base";

const port = assertDefined(parentPort, "this file runs in a worker thread");
const { memory, wake } = workerData as { readonly memory: SharedArrayBuffer; readonly wake: SharedArrayBuffer };
const staging = new Uint8Array(memory);
const signal = new Int32Array(wake);
const files = new Map<number, { readonly fd: number; readonly path: string }>();

function run(command: WalCommand): void {
  switch (command.kind) {
    case "open":
      files.set(command.file, { fd: openSync(command.path, "r+"), path: command.path });
      return;
    case "write":
      writeAll(fdOf(command.file), command.bytes, command.position);
      return;
    case "sync":
      fdatasyncSync(fdOf(command.file));
      return;
    case "close":
      closeSync(fdOf(command.file));
      files.delete(command.file);
  }
}

function fdOf(file: number): number {
  return assertDefined(files.get(file), "a file is opened before it is used").fd;
}

function writeAll(fd: number, bytes: number, position: number): void {
  for (let at = 0; at < bytes; ) at += writeSync(fd, staging, at, bytes - at, position + at);
}

/** What the system says of a descriptor does not name the file. */
function runNamed(command: WalCommand): void {
  try {
    run(command);
  } catch (error) {
    const path = files.get(command.file)?.path;
    if (error instanceof Error && path !== undefined) error.message += ` '${path}'`;
    throw error;
  }
}

function answer(commands: readonly WalCommand[]): void {
  try {
    for (const command of commands) runNamed(command);
    port.postMessage({ error: null });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : null;
    port.postMessage({ error: { message: error instanceof Error ? error.message : String(error), code } });
  }
}

for (;;) {
  const seen = Atomics.load(signal, 0);
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
    answer(next.message as readonly WalCommand[]);
  }
  Atomics.wait(signal, 0, seen);
}
