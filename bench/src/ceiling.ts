/**
 * ceiling.ts: what this machine's grpc-js moves between two processes with nothing behind it: equal bytes in flight, message size swept,
 * the best taken. Up: messages that are answered, as produce is. Down: messages that are asked for, as reading is.
 */
import { fork } from "node:child_process";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median, quantile } from "./statistics.js";

const require = createRequire(new URL("../../packages/rpc/package.json", import.meta.url));
const grpc = require("@grpc/grpc-js") as typeof import("@grpc/grpc-js");

const SIZES = [16, 64, 256, 1_024].map((kib) => kib * 1024);
/** As the SDK has on the way: 6 partitions, 5 requests each, 256 KiB. */
const IN_FLIGHT_BYTES = 6 * 5 * 256 * 1024;
const MB = 1e6;

export interface Ceilings {
  readonly upMBs: number;
  readonly downMBs: number;
  readonly upBytes: number;
  readonly downBytes: number;
}

export async function grpcCeilings(runs: number, secondsPerRun: number): Promise<Ceilings> {
  const server = fork(new URL("./ceiling-server.js", import.meta.url), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const port = await new Promise<number>((resolve) =>
    server.once("message", (message) => resolve((message as { port: number }).port)),
  );
  try {
    const up = await sweep(port, "Up", runs, secondsPerRun);
    const down = await sweep(port, "Down", runs, secondsPerRun);
    return { upMBs: up.rate, upBytes: up.size, downMBs: down.rate, downBytes: down.size };
  } finally {
    server.disconnect();
  }
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

/** Append and fdatasync of one file, 4 KiB at a time: p50 and p99, milliseconds. */
export function fdatasyncFigures(seconds: number): { readonly p50Ms: number; readonly p99Ms: number } {
  const folder = mkdtempSync(join(tmpdir(), "varve-bench-"));
  const file = openSync(join(folder, "file"), "w");
  const bytes = Buffer.alloc(4_096, 7);
  const times: number[] = [];
  const endMs = performance.now() + seconds * 1_000;
  while (performance.now() < endMs) {
    const startedMs = performance.now();
    writeSync(file, bytes);
    fdatasyncSync(file);
    times.push(performance.now() - startedMs);
  }
  closeSync(file);
  rmSync(folder, { recursive: true, force: true });
  return { p50Ms: median(times), p99Ms: quantile(times, 0.99) };
}
