/** streams.test.ts: streams over real sockets: order, credits, half-close, abort, link break. */
import { Prng } from "@varve/base/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { PeerStream } from "../api.js";
import { PeerStreamAborted } from "../errors.js";
import { PEER_LIMITS } from "../limits.js";
import { nodeLink } from "../node/link.js";
import { eventually, patternBytes, Rig, testSeed } from "../testing/rig.js";

const seed = testSeed();
let a: Rig;
let b: Rig;

beforeEach(async () => {
  a = new Rig({ brokerId: 1, link: nodeLink });
  b = new Rig({ brokerId: 2, link: nodeLink });
  const { port } = await b.hub.listen("127.0.0.1", 0);
  a.hub.connect(`127.0.0.1:${port}`);
  await eventually("link up", () => a.hub.isConnected(2));
});

afterEach(() => {
  a.hub.destroy();
  b.hub.destroy();
});

const nothing = new Uint8Array(0);

/** Opens a stream and gives both ends. */
async function ends(method: number): Promise<{ near: PeerStream; far: PeerStream; signal: AbortSignal }> {
  let accepted: { far: PeerStream; signal: AbortSignal } | null = null;
  b.hub.handleStream(method, (_from, _header, far, { signal }) => {
    accepted = { far, signal };
  });
  const near = a.hub.openStream(2, method, nothing);
  await eventually("accepted", () => accepted !== null);
  const { far, signal } = accepted as unknown as { far: PeerStream; signal: AbortSignal };
  return { near, far, signal };
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => new Error("did not fail"),
    (thrown: unknown) => thrown,
  );
}

/** Writes until a write waits; the bytes that were accepted. */
async function fill(stream: PeerStream, message: Uint8Array): Promise<number> {
  let acceptedBytes = 0;
  for (;;) {
    let waiting = true;
    const write = stream.write(message).then(() => {
      waiting = false;
      acceptedBytes += message.length;
    });
    write.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (waiting) return acceptedBytes;
  }
}

test(`messages of all sizes echo in order through one handler (SEED=${seed})`, async () => {
  const prng = new Prng(seed);
  b.hub.handleStream(1, (from, header, stream) => {
    expect(from).toBe(1);
    expect(new TextDecoder().decode(header)).toBe("header");
    void (async () => {
      for await (const message of stream.incoming) await stream.write(message);
      stream.end();
    })();
  });
  const stream = a.hub.openStream(2, 1, new TextEncoder().encode("header"));
  const lengths = Array.from({ length: 200 }, () => prng.pick([0, 1, 500, 30_000, 200_000, 2_000_000]));
  void (async () => {
    for (const [at, length] of lengths.entries()) await stream.write(patternBytes(length, at));
    stream.end();
  })();
  let at = 0;
  for await (const message of stream.incoming) {
    expect(message.length).toBe(lengths[at]);
    expect(Buffer.compare(message, patternBytes(message.length, at++))).toBe(0);
  }
  expect(at).toBe(lengths.length);
});

test.each([{ length: 0 }, { length: 10_000 }])(
  "a reader that never reads stops a writer of $length byte messages at the window",
  async ({ length }) => {
    const { near, far } = await ends(1);
    const message = new Uint8Array(length);
    let accepted = 0;
    const burst = Array.from({ length: 4_000 }, () => near.write(message).then(() => accepted++));
    for (const write of burst) write.catch(() => {});
    const more = length === 0 ? Array.from({ length: 32_000 }, () => near.write(message).then(() => accepted++)) : [];
    for (const write of more) write.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 100));
    const cost = length + PEER_LIMITS.streamMessageOverheadBytes;
    expect(accepted).toBe(Math.ceil(PEER_LIMITS.streamWindowBytes / cost));
    far.abort(nothing);
    await Promise.allSettled([...burst, ...more]);
  },
);

test("a stalled stream neither blocks other streams nor calls", async () => {
  const { near: stalled } = await ends(1);
  await fill(stalled, new Uint8Array(300_000));
  b.hub.handleStream(2, (_from, _header, stream) => {
    void (async () => {
      for await (const message of stream.incoming) await stream.write(message);
      stream.end();
    })();
  });
  b.hub.handleCall(1, async (_from, payload) => payload);
  const live = a.hub.openStream(2, 2, nothing);
  void (async () => {
    for (let at = 0; at < 100; at++) await live.write(new Uint8Array(100_000));
    live.end();
  })();
  let bytes = 0;
  for await (const message of live.incoming) bytes += message.length;
  expect(bytes).toBe(10_000_000);
  expect((await a.hub.call(2, 1, Uint8Array.of(5), { timeoutMs: 1_000 }))[0]).toBe(5);
});

test("streams that together exceed the connection's backlog each fill their window once it drains", async () => {
  b.hub.handleStream(1, () => {});
  const count = (3 * PEER_LIMITS.streamBacklogBytesMax) / PEER_LIMITS.streamWindowBytes;
  const streams = Array.from({ length: count }, () => a.hub.openStream(2, 1, nothing));
  const message = new Uint8Array(PEER_LIMITS.streamWindowBytes - PEER_LIMITS.streamMessageOverheadBytes);
  let accepted = 0;
  for (const stream of streams)
    stream.write(message).then(
      () => accepted++,
      () => {},
    );
  expect(a.hub.queuedBytes(2, "bulk")).toBeLessThan(PEER_LIMITS.streamBacklogBytesMax + PEER_LIMITS.streamWindowBytes);
  await eventually("all accepted", () => accepted === count);
});

test("half-close: after end the other direction goes on", async () => {
  const { near, far } = await ends(1);
  near.end();
  for await (const _message of far.incoming) throw new Error("nothing was written");
  await far.write(Uint8Array.of(1));
  await far.write(Uint8Array.of(2));
  far.end();
  const heard: number[] = [];
  for await (const message of near.incoming) heard.push(message[0] ?? 0);
  expect(heard).toEqual([1, 2]);
  expect(await failure(near.write(nothing))).toMatchObject({ code: "CLOSED" });
});

test("end waits for the writes before it", async () => {
  const { near, far } = await ends(1);
  const writes = Array.from({ length: 50 }, (_, at) => near.write(patternBytes(100_000, at)));
  near.end();
  let count = 0;
  for await (const message of far.incoming) {
    expect(Buffer.compare(message, patternBytes(100_000, count++))).toBe(0);
  }
  await Promise.all(writes);
  expect(count).toBe(50);
});

test("an abort carries its bytes, after what was written before it, and aborts the handler", async () => {
  const { near, far, signal } = await ends(1);
  await far.write(Uint8Array.of(1));
  far.abort(Uint8Array.of(7, 8));
  const iterator = near.incoming[Symbol.asyncIterator]();
  expect((await iterator.next()).value).toEqual(Uint8Array.of(1));
  const thrown = await failure(iterator.next());
  expect(thrown).toBeInstanceOf(PeerStreamAborted);
  expect(thrown).toMatchObject({ bytes: Uint8Array.of(7, 8) });
  expect(await failure(near.write(nothing))).toBe(thrown);
  expect(signal.aborted).toBe(true);
});

test("the opener's signal cancels both sides", async () => {
  let handlerSignal: AbortSignal | null = null;
  b.hub.handleStream(1, (_from, _header, _stream, { signal }) => {
    handlerSignal = signal;
  });
  const controller = new AbortController();
  const stream = a.hub.openStream(2, 1, nothing, { signal: controller.signal });
  const next = failure(stream.incoming[Symbol.asyncIterator]().next());
  await eventually("accepted", () => handlerSignal !== null);
  controller.abort();
  expect(await next).toMatchObject({ code: "ABORTED" });
  await eventually("handler aborted", () => handlerSignal?.aborted === true);
});

test("leaving the loop early abandons the stream", async () => {
  const { near, far, signal } = await ends(1);
  await far.write(Uint8Array.of(1));
  for await (const _message of near.incoming) break;
  await eventually("handler aborted", () => signal.aborted);
  expect(await failure(far.write(nothing))).toBeInstanceOf(PeerStreamAborted);
});

test("a link that breaks fails both ends as UNREACHABLE, waiting writes too", async () => {
  const { near, far, signal } = await ends(1);
  await fill(near, new Uint8Array(500_000));
  const write = failure(near.write(nothing));
  const read = failure(near.incoming[Symbol.asyncIterator]().next());
  b.hub.destroy();
  expect(await read).toMatchObject({ code: "UNREACHABLE", effect: "UNKNOWN" });
  expect(await write).toMatchObject({ code: "UNREACHABLE" });
  expect(signal.aborted).toBe(true);
  expect(await failure(far.write(nothing))).toMatchObject({ code: "UNREACHABLE" });
});

test("without a link or a handler a stream fails, and nothing is thrown at the opener", async () => {
  const none = a.hub.openStream(9, 1, nothing);
  expect(await failure(none.write(nothing))).toMatchObject({ code: "UNREACHABLE", effect: "NOT_APPLIED" });
  const unknown = a.hub.openStream(2, 99, nothing);
  expect(await failure(unknown.incoming[Symbol.asyncIterator]().next())).toBeInstanceOf(PeerStreamAborted);
});

test("open streams are bounded, and a finished one makes room", async () => {
  const opened: PeerStream[] = [];
  b.hub.handleStream(1, (_from, _header, stream) => opened.push(stream));
  const streams = Array.from({ length: PEER_LIMITS.streamsMax }, () => a.hub.openStream(2, 1, nothing));
  const over = a.hub.openStream(2, 1, nothing);
  expect(await failure(over.write(nothing))).toMatchObject({ code: "BROKER_OVERLOADED", effect: "NOT_APPLIED" });
  streams[0]?.abort(nothing);
  await eventually("opened", () => opened.length === PEER_LIMITS.streamsMax);
  const again = a.hub.openStream(2, 1, nothing);
  await again.write(nothing);
  await eventually("one more", () => opened.length === PEER_LIMITS.streamsMax + 1);
});
