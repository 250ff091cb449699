/** frame-reader.test.ts: whatever the chunks, the frames come out; whatever the bytes, the worst is a problem. */
import { type LinkConnection, MIB } from "@varve/base";
import { Prng, SimClock } from "@varve/base/testing";
import { expect, test } from "vitest";
import { PEER_LIMITS } from "../limits.js";
import { testSeed } from "../testing/rig.js";
import { type Frame, HEADER_BYTES } from "./frame.js";
import { FrameReader } from "./frame-reader.js";
import { Outbox, TurnEnd } from "./outbox.js";

const seed = testSeed();

interface Said {
  readonly type: number;
  readonly kind: number;
  readonly id: number;
  readonly argument: number;
  readonly payload: Uint8Array;
}

function randomFrame(prng: Prng, bytesMax: number): Said {
  return {
    type: prng.between(1, 15),
    kind: prng.between(0, 65_535),
    id: prng.uint32(),
    argument: prng.uint32(),
    payload: prng.bytes(prng.chance(0.2) ? 0 : prng.between(0, bytesMax)),
  };
}

/** The stream that an outbox makes of the frames. */
function encode(frames: readonly Said[], checkWhole = false): Uint8Array {
  const chunks: Uint8Array[] = [];
  const connection: LinkConnection = {
    remoteAddress: "test:1",
    bufferedBytes: 0,
    start: () => {},
    write: (buffers) => chunks.push(...buffers),
    pause: () => {},
    resume: () => {},
    end: () => {},
    destroy: () => {},
  };
  const outbox = new Outbox(connection, new TurnEnd(new SimClock()), checkWhole);
  for (const { type, kind, id, argument, payload } of frames) outbox.push(type, kind, id, argument, [payload]);
  outbox.flush();
  return Buffer.concat(chunks);
}

function reader(frames: Said[], payloadBytesMax: number = PEER_LIMITS.frameBytesMax): FrameReader {
  return new FrameReader(payloadBytesMax, (frame: Frame) => frames.push({ ...frame }));
}

function randomChunks(prng: Prng, bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const sizeMax = prng.pick([1, 5, HEADER_BYTES, 100, 10_000]);
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + prng.between(1, sizeMax));
    chunks.push(bytes.slice(at, end));
    at = end;
  }
  return chunks;
}

test(`frames survive any cut of the stream into chunks (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  for (let round = 0; round < 60; round++) {
    const said = Array.from({ length: prng.between(1, 20) }, () => randomFrame(prng, prng.pick([3, 200, 6_000])));
    const heard: Said[] = [];
    const target = reader(heard);
    for (const chunk of randomChunks(prng, encode(said))) expect(target.feed(chunk), `round ${round}`).toBeNull();
    expect(heard.length).toBe(said.length);
    for (const [at, frame] of heard.entries()) {
      expect(Buffer.compare(frame.payload, said[at]?.payload ?? Buffer.of(1)), `round ${round}`).toBe(0);
      expect({ ...frame, payload: null }).toEqual({ ...said[at], payload: null });
    }
  }
});

test("a payload that lies in one chunk is a view of the chunk", () => {
  const heard: Said[] = [];
  const chunk = encode([{ type: 6, kind: 1, id: 0, argument: 0, payload: new Uint8Array(500) }]);
  reader(heard).feed(chunk);
  expect(heard[0]?.payload.buffer).toBe(chunk.buffer);
});

test(`a changed byte in a header or a checked payload is never handed out (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  for (let round = 0; round < 3_000; round++) {
    const bytes = encode([randomFrame(prng, 300)]);
    const at = prng.between(0, bytes.length - 1);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << prng.between(0, 7));
    const heard: Said[] = [];
    const problem = reader(heard).feed(bytes);
    expect(heard, `round ${round}, byte ${at}`).toEqual([]);
    expect(problem, `round ${round}, byte ${at}`).not.toBeNull();
  }
});

test("the head of a large payload is checked on the bulk lane, all of it on the control lane", () => {
  const payload = new Uint8Array(100_000);
  const frame = { type: 6, kind: 1, id: 0, argument: 0, payload };
  for (const { checkWhole, at, wrong } of [
    { checkWhole: false, at: 10, wrong: true },
    { checkWhole: false, at: 90_000, wrong: false },
    { checkWhole: true, at: 90_000, wrong: true },
  ]) {
    const bytes = encode([frame], checkWhole);
    bytes[HEADER_BYTES + at] = 1;
    expect(reader([]).feed(bytes) !== null, `whole: ${checkWhole}, byte ${at}`).toBe(wrong);
  }
});

test("a frame above the limit is refused by its header, before its payload is there", () => {
  const bytes = encode([{ type: 6, kind: 1, id: 0, argument: 0, payload: new Uint8Array(2 * MIB) }]);
  expect(reader([], MIB).feed(bytes.subarray(0, HEADER_BYTES))).toMatch(/at most 1048576/);
});

test(`random bytes end in a problem or in waiting for more, never in a throw or a frame (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  for (let round = 0; round < 5_000; round++) {
    const heard: Said[] = [];
    const target = reader(heard);
    for (const chunk of randomChunks(prng, prng.bytes(prng.between(0, 120)))) target.feed(chunk);
    expect(heard).toEqual([]);
  }
});

test("after a problem, and after stop, nothing is handed out", () => {
  const good = encode([{ type: 6, kind: 1, id: 0, argument: 0, payload: new Uint8Array(5) }]);
  const heard: Said[] = [];
  const target = reader(heard);
  expect(target.feed(new Uint8Array(HEADER_BYTES))).not.toBeNull();
  expect(target.feed(good)).toBeNull();
  const stopped = reader(heard);
  stopped.stop();
  expect(stopped.feed(good)).toBeNull();
  expect(heard).toEqual([]);
});
