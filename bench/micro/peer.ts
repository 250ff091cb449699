/**
 * peer.ts: the link between two brokers against raw TCP, two processes on one machine, in one run.
 *
 * Method: the parent sends for `RUN_MS`, the child counts what arrives and reports bytes, frames and its CPU time; the median of `RUNS`.
 * Raw TCP writes equal bytes through node:net with nothing on top, at most the same amount unsent. Each turn the sender fills the queue up to
 * `BACKLOG_BYTES` (large) or sends `BURST` frames (small), as a broker with many groups does. Absolute figures depend on the
 * machine: read the ratio.
 *
 * Usage: npx tsc -b packages/peer && npx tsc -p bench/micro && node bench/micro/dist/peer.js [--json]
 */
import { type ChildProcess, fork } from "node:child_process";
import { connect, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@varve/base";
import { nodeClock, nodeRandom } from "@varve/base/node";
import { createPeerHub, type PeerHub } from "@varve/peer";
import { nodeLink } from "@varve/peer/node";

const RUN_MS = Number(process.env["RUN_MS"] ?? 1_000);
const RUNS = Number(process.env["RUNS"] ?? 5);
const BACKLOG_BYTES = 4 * 1024 * 1024;
const BURST = 256;
const SMALL_BYTES = 100;
const LARGE_BYTES = 64 * 1024;

interface Received {
  readonly bytes: number;
  readonly frames: number;
  readonly cpuMs: number;
}

interface Row {
  readonly name: string;
  readonly framesPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly senderCpuUsPerFrame: number;
  readonly receiverCpuUsPerFrame: number;
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function makeHub(brokerId: number, onMessage: (payload: Uint8Array) => void, onUp: () => void): PeerHub {
  return createPeerHub({
    link: nodeLink,
    clock: nodeClock,
    random: nodeRandom,
    logger: silentLogger,
    queueBytesMax: 2 * BACKLOG_BYTES,
    hello: () => ({
      brokerId,
      clusterId: null,
      directoryId: `directory-${brokerId}`,
      bootId: `boot-${brokerId}`,
      protocolMin: 1,
      protocolMax: 1,
    }),
    onMessage: (_from, _lane, _kind, payload) => onMessage(payload),
    onLinkUp: onUp,
    onLinkDown: () => {},
  });
}

/** The receiving process: counts, answers calls, reports on request. */
async function runChild(): Promise<void> {
  let bytes = 0;
  let frames = 0;
  let cpuStartMs = cpuMs();
  const hub = makeHub(
    2,
    (payload) => {
      bytes += payload.length;
      frames++;
    },
    () => {},
  );
  hub.handleCall(1, (_from, payload) => Promise.resolve(payload));
  hub.handleStream(1, (_from, _header, stream) => {
    void (async () => {
      for await (const message of stream.incoming) {
        bytes += message.length;
        frames++;
      }
      stream.end();
    })().catch(() => {}); // The parent has gone: the run is over.
  });
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("data", (chunk) => {
      bytes += chunk.length;
    });
  });
  const { port } = await hub.listen("127.0.0.1", 0);
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    process.send?.({ hubPort: port, rawPort: typeof address === "object" && address !== null ? address.port : 0 });
  });
  process.on("message", () => {
    const now = cpuMs();
    process.send?.({ bytes, frames, cpuMs: now - cpuStartMs } satisfies Received);
    bytes = 0;
    frames = 0;
    cpuStartMs = now;
  });
}

function ask<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve) => {
    child.once("message", (message) => resolve(message as T));
    child.send("report");
  });
}

/** One timed run: `step` sends what one turn allows; the child's count is the result. */
async function measure(child: ChildProcess, frameBytes: number, step: () => Promise<void>): Promise<Row> {
  await ask<Received>(child);
  const cpuStartMs = cpuMs();
  const startMs = performance.now();
  while (performance.now() - startMs < RUN_MS) await step();
  const seconds = (performance.now() - startMs) / 1_000;
  const senderMs = cpuMs() - cpuStartMs;
  const received = await ask<Received>(child);
  await new Promise((resolve) => setTimeout(resolve, 100)); // The rest arrives before the next run starts.
  const frames = received.frames > 0 ? received.frames : received.bytes / frameBytes;
  return {
    name: "",
    framesPerSecond: frames / seconds,
    megabytesPerSecond: received.bytes / seconds / 1e6,
    senderCpuUsPerFrame: (senderMs * 1_000) / frames,
    receiverCpuUsPerFrame: (received.cpuMs * 1_000) / frames,
  };
}

async function repeat(name: string, run: () => Promise<Row>): Promise<Row> {
  const rows: Row[] = [];
  for (let at = 0; at < RUNS; at++) rows.push(await run());
  const of = (pick: (row: Row) => number): number => median(rows.map(pick));
  return {
    name,
    framesPerSecond: of((row) => row.framesPerSecond),
    megabytesPerSecond: of((row) => row.megabytesPerSecond),
    senderCpuUsPerFrame: of((row) => row.senderCpuUsPerFrame),
    receiverCpuUsPerFrame: of((row) => row.receiverCpuUsPerFrame),
  };
}

function rawStep(socket: Socket, frame: Uint8Array, burst: number): () => Promise<void> {
  return async () => {
    socket.cork();
    for (let at = 0; at < burst && socket.writableLength < BACKLOG_BYTES; at++) socket.write(frame);
    socket.uncork();
    await turn();
  };
}

function hubStep(hub: PeerHub, frame: Uint8Array, burst: number): () => Promise<void> {
  return async () => {
    for (let at = 0; at < burst && hub.queuedBytes(2, "bulk") < BACKLOG_BYTES; at++) hub.send(2, "bulk", 1, [frame]);
    await turn();
  };
}

async function callRow(hub: PeerHub): Promise<Row> {
  const payload = new Uint8Array(SMALL_BYTES);
  let done = 0;
  let running = true;
  const cpuStartMs = cpuMs();
  const startMs = performance.now();
  const worker = async (): Promise<void> => {
    while (running) {
      await hub.call(2, 1, payload, { timeoutMs: 10_000 });
      done++;
    }
  };
  const workers = Array.from({ length: 64 }, worker);
  await new Promise((resolve) => setTimeout(resolve, RUN_MS));
  running = false;
  await Promise.all(workers);
  const seconds = (performance.now() - startMs) / 1_000;
  return {
    name: "",
    framesPerSecond: done / seconds,
    megabytesPerSecond: (done * SMALL_BYTES) / seconds / 1e6,
    senderCpuUsPerFrame: ((cpuMs() - cpuStartMs) * 1_000) / done,
    receiverCpuUsPerFrame: 0,
  };
}

async function roundTripUs(hub: PeerHub): Promise<number> {
  const payload = new Uint8Array(SMALL_BYTES);
  const times: number[] = [];
  for (let at = 0; at < 2_000; at++) {
    const startMs = performance.now();
    await hub.call(2, 1, payload, { timeoutMs: 10_000 });
    times.push((performance.now() - startMs) * 1_000);
  }
  return median(times);
}

async function runParent(): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ["child"]);
  const ports = await new Promise<{ hubPort: number; rawPort: number }>((resolve) => {
    child.once("message", (message) => resolve(message as { hubPort: number; rawPort: number }));
  });
  const socket = connect({ host: "127.0.0.1", port: ports.rawPort, noDelay: true });
  const hub = await new Promise<PeerHub>((resolve) => {
    const made = makeHub(
      1,
      () => {},
      () => resolve(made),
    );
    made.connect(`127.0.0.1:${ports.hubPort}`);
  });
  const small = new Uint8Array(SMALL_BYTES);
  const large = new Uint8Array(LARGE_BYTES);
  const stream = hub.openStream(2, 1, new Uint8Array(0));
  const rows = [
    await repeat("raw TCP, 64 KiB writes", () => measure(child, LARGE_BYTES, rawStep(socket, large, BURST))),
    await repeat("link, 64 KiB messages", () => measure(child, LARGE_BYTES, hubStep(hub, large, BURST))),
    await repeat("link, 64 KiB stream messages", () => measure(child, LARGE_BYTES, () => stream.write(large))),
    await repeat("raw TCP, 100 B writes, corked", () => measure(child, SMALL_BYTES, rawStep(socket, small, BURST))),
    await repeat("link, 100 B messages", () => measure(child, SMALL_BYTES, hubStep(hub, small, BURST))),
    await repeat("link, 100 B calls, 64 in flight", () => callRow(hub)),
  ];
  const callRoundTripUs = await roundTripUs(hub);
  report(rows, callRoundTripUs);
  socket.destroy();
  await hub.close();
  child.kill();
}

function report(rows: readonly Row[], callRoundTripUs: number): void {
  if (process.argv.includes("--json")) {
    process.stdout.write(`${JSON.stringify({ rows, callRoundTripUs })}\n`);
    return;
  }
  for (const row of rows) {
    const rate = `${Math.round(row.framesPerSecond).toLocaleString("en").padStart(10)} frames/s`;
    const speed = `${row.megabytesPerSecond.toFixed(0).padStart(6)} MB/s`;
    const cpu = `CPU us/frame: sender ${row.senderCpuUsPerFrame.toFixed(2)}, receiver ${row.receiverCpuUsPerFrame.toFixed(2)}`;
    process.stdout.write(`${row.name.padEnd(34)} ${rate} ${speed}   ${cpu}\n`);
  }
  process.stdout.write(`call round trip, one at a time: median ${callRoundTripUs.toFixed(0)} us\n`);
}

if (process.argv[2] === "child") await runChild();
else await runParent();
