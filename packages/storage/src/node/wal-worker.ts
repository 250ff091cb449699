/**
 * wal-worker.ts: the thread that makes the write-ahead log durable: synchronous calls, so that nothing else delays them.
 */
import { closeSync, constants, fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { parentPort } from "node:worker_threads";

/** One command with its number; the bytes of a flush are transferred, not copied. */
export type WalOrder =
  | {
      readonly id: number;
      readonly kind: "open";
      readonly file: number;
      readonly path: string;
      readonly dir: string;
      readonly reserveBytes: number;
    }
  | {
      readonly id: number;
      readonly kind: "flush";
      readonly file: number;
      readonly position: number;
      readonly bytes: ArrayBuffer;
    }
  | { readonly id: number; readonly kind: "close"; readonly file: number };

export interface WalReport {
  readonly id: number;
  readonly error: string | null;
}

const files = new Map<number, number>();

function carryOut(order: WalOrder): void {
  if (order.kind === "open") {
    const fd = openSync(order.path, constants.O_RDWR | constants.O_CREAT, 0o600);
    if (fstatSync(fd).size < order.reserveBytes) ftruncateSync(fd, order.reserveBytes);
    fsyncSync(fd);
    files.set(order.file, fd);
    const dir = openSync(order.dir, constants.O_RDONLY);
    fsyncSync(dir);
    closeSync(dir);
    return;
  }
  const fd = files.get(order.file);
  if (fd === undefined) throw new Error(`file ${order.file} is not open`);
  if (order.kind === "close") {
    files.delete(order.file);
    closeSync(fd);
    return;
  }
  const bytes = new Uint8Array(order.bytes);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, order.position + at);
  fdatasyncSync(fd);
}

parentPort?.on("message", (order: WalOrder) => {
  let error: string | null = null;
  try {
    carryOut(order);
  } catch (thrown) {
    error = thrown instanceof Error ? thrown.message : String(thrown);
  }
  parentPort?.postMessage({ id: order.id, error } satisfies WalReport);
});
