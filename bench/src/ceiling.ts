/**
 * ceiling.ts: what this machine's grpc-js moves between two processes with nothing behind it: equal bytes in flight, message size swept,
 * the best taken. Up: messages that are answered, as produce is. Down: messages that are asked for, as reading is.
 */
import { type ChildProcess, fork } from "node:child_process";
import { closeSync, fdatasyncSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CeilingPorts } from "./ceiling-server.js";
import { median, quantile } from "./statistics.js";

const require = createRequire(new URL("../../packages/rpc/package.json", import.meta.url));
const grpc = require("@grpc/grpc-js") as typeof import("@grpc/grpc-js");

const SIZES = [16, 64, 256, 1_024].map((kib) => kib * 1024);
/** As the SDK has on the way: 6 partitions, 5 requests each, 256 KiB. */
const IN_FLIGHT_BYTES = 6 * 5 * 256 * 1024;
const MB = 1e6;
const FILE_BYTES_MAX = 2 ** 30;
const TCP_CHUNK_BYTES = 256 * 1024;

export interface Ceilings {
  readonly upMBs: number;
  readonly downMBs: number;
  readonly upBytes: number;
  readonly downBytes: number;
}

export async function grpcCeilings(runs: number, secondsPerRun: number): Promise<Ceilings> {
  const { child, ports } = await startServer();
  try {
    const up = await sweep(ports.grpc, "Up", runs, secondsPerRun);
    const down = await sweep(ports.grpc, "Down", runs, secondsPerRun);
    return { upMBs: up.rate, upBytes: up.size, downMBs: down.rate, downBytes: down.size };
  } finally {
    child.disconnect();
  }
}

async function startServer(): Promise<{ readonly child: ChildProcess; readonly ports: CeilingPorts }> {
  const child = fork(new URL("./ceiling-server.js", import.meta.url), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ports = await new Promise<CeilingPorts>((resolve) =>
    child.once("message", (message) => resolve(message as CeilingPorts)),
  );
  return { child, ports };
}

async function sweep(
  port: number,
  name: "Up" | "Down",
  runs: number,
  seconds: number,
): Promise<{ rate: number; size: number }> {
  let best = { rate: 0, size: 0 };
  for (const size of SIZES) {
    const rates: number[] = [];
    for (let run = 0; run < runs; run++) rates.push(await stream(port, name, size, seconds));
    if (median(rates) > best.rate) best = { rate: median(rates), size };
  }
  return best;
}

async function stream(port: number, name: "Up" | "Down", size: number, seconds: number): Promise<number> {
  const raw = (bytes: Buffer): Buffer => bytes;
  const options = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), options);
  const call = client.makeBidiStreamRequest(`/raw/${name}`, raw, raw);
  const message = Buffer.alloc(name === "Up" ? size : 4, 7);
  if (name === "Down") message.writeUInt32LE(size, 0);
  const window = Math.max(2, Math.floor(IN_FLIGHT_BYTES / size));
  let done = 0;
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1_000;
  await new Promise<void>((resolve, reject) => {
    let open = window;
    call.on("data", () => {
      done++;
      if (performance.now() < endMs) call.write(message);
      else if (--open === 0) resolve();
    });
    call.on("error", reject);
    for (let at = 0; at < window; at++) call.write(message);
  });
  const rate = (done * size) / MB / ((performance.now() - startedMs) / 1_000);
  call.on("error", () => {});
  call.cancel();
  client.close();
  return rate;
}

/** What one file takes: appends of 4 KiB, each with its fdatasync; and bytes per second at the best of several sizes. */
export function diskCeiling(seconds: number): {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly bestMBs: number;
  readonly bestBytes: number;
} {
  const small = appends(4_096, seconds);
  let best = { rate: 0, size: 0 };
  for (const size of SIZES) {
    const times = appends(size, seconds / 2);
    const rate = (times.length * size) / MB / (times.reduce((sum, ms) => sum + ms, 0) / 1_000);
    if (rate > best.rate) best = { rate, size };
  }
  return { p50Ms: median(small), p99Ms: quantile(small, 0.99), bestMBs: best.rate, bestBytes: best.size };
}

/** Milliseconds of each append and fdatasync of `size` bytes to one file, which begins anew at 1 GiB. */
function appends(size: number, seconds: number): number[] {
  const folder = mkdtempSync(join(tmpdir(), "varve-bench-"));
  const file = openSync(join(folder, "file"), "w");
  const bytes = Buffer.alloc(size, 7);
  const times: number[] = [];
  const endMs = performance.now() + seconds * 1_000;
  for (let written = 0; performance.now() < endMs; written += size) {
    if (written >= FILE_BYTES_MAX) {
      ftruncateSync(file, 0);
      written = 0;
    }
    const startedMs = performance.now();
    writeSync(file, bytes, 0, size, written);
    fdatasyncSync(file);
    times.push(performance.now() - startedMs);
  }
  closeSync(file);
  rmSync(folder, { recursive: true, force: true });
  return times;
}

/** Bytes per second through one TCP connection to another process over loopback, nothing behind it. */
export async function tcpCeilingMBs(seconds: number): Promise<number> {
  const { child, ports } = await startServer();
  const socket = connect(ports.tcp, "127.0.0.1");
  const chunk = Buffer.alloc(TCP_CHUNK_BYTES, 7);
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1_000;
  try {
    await new Promise<void>((resolve, reject) => {
      const fill = (): void => {
        while (performance.now() < endMs) if (!socket.write(chunk)) return;
        socket.end();
      };
      socket.on("connect", fill).on("drain", fill).on("error", reject);
      // The far end closes when it has read everything.
      socket.on("close", () => resolve()).resume();
    });
    return socket.bytesWritten / MB / ((performance.now() - startedMs) / 1_000);
  } finally {
    child.disconnect();
  }
}
