/**
 * violations.fuzz.test.ts: whatever a peer sends, frames are frames or a problem, hellos are hellos or a text, and a hub in the middle of it
 * goes on serving its other links. Checksums are right for most inputs, since damage that they find is the easy case.
 */
import { VarveError } from "@varve/base";
import { fuzzDecoder, fuzzSeed, mutateBytes, Prng, SimClock } from "@varve/base/testing";
import { expect, test } from "vitest";
import { PEER_LIMITS } from "./limits.js";
import { patternBytes, Rig, simEventually } from "./testing/rig.js";
import { SimNetwork } from "./testing/sim-network.js";
import { crc32c } from "./wire/crc32c.js";
import { type Frame, FrameType, HEADER_BYTES, readUint32, writeHeader } from "./wire/frame.js";
import { FrameReader } from "./wire/frame-reader.js";
import { decodeHello, encodeHello, type LaneHello } from "./wire/hello.js";

const seed = fuzzSeed();

function frame(type: number, kind: number, id: number, argument: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const crc = crc32c(payload, 0, payload.length);
  writeHeader(bytes, 0, type, kind, id, argument, payload.length, payload.length, crc);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** Header and payload checksums anew, as far as frames follow one another. */
function withSums(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const end = at + HEADER_BYTES + readUint32(bytes, at);
    const checkedEnd = Math.min(bytes.length, at + HEADER_BYTES + readUint32(bytes, at + 16));
    view.setUint32(at + 20, crc32c(bytes, at + HEADER_BYTES, checkedEnd), true);
    view.setUint32(at + 24, crc32c(bytes, at, at + 24), true);
    at = end;
  }
  return bytes;
}

function refused(problem: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", { message: problem });
}

function decodeFrames(bytes: Uint8Array): Frame[] {
  const heard: Frame[] = [];
  const reader = new FrameReader(PEER_LIMITS.helloBytesMax, (each) => heard.push({ ...each }));
  const problem = reader.feed(bytes);
  if (problem !== null) throw refused(problem);
  return heard;
}

const encodeFrames = (frames: readonly Frame[]): Uint8Array =>
  Buffer.concat(frames.map(({ type, kind, id, argument, payload }) => frame(type, kind, id, argument, payload)));

test(`frames (SEED=${seed})`, () => {
  const samples = [
    frame(FrameType.call, 3, 77, 30_000, patternBytes(200, 1)),
    Buffer.concat([
      frame(FrameType.ping, 0, 0, 0, new Uint8Array(0)),
      frame(FrameType.data, 1, 5, 0, patternBytes(900, 2)),
    ]),
  ];
  const run = { samples, decode: decodeFrames, encode: encodeFrames, repair: withSums, seed };
  const { decoded, refused: refusals } = fuzzDecoder({ ...run, codes: ["INVALID_ARGUMENT"] });
  expect(decoded).toBeGreaterThan(20);
  expect(refusals).toBeGreaterThan(100);
});

const HELLO = {
  brokerId: 2,
  clusterId: "c",
  directoryId: "directory-é",
  bootId: "b".repeat(255),
  protocolMin: 1,
  protocolMax: 4,
};

test(`hellos (SEED=${seed})`, () => {
  const decode = (bytes: Uint8Array): LaneHello => {
    const hello = decodeHello(bytes);
    if (typeof hello === "string") throw refused(hello);
    return hello;
  };
  const encode = ({ hello, lane }: LaneHello): Uint8Array => encodeHello(hello, lane);
  const samples = [encodeHello(HELLO, "bulk"), encodeHello({ ...HELLO, clusterId: null, bootId: "b" }, "control")];
  const { decoded } = fuzzDecoder({ samples, decode, encode, codes: ["INVALID_ARGUMENT"], seed });
  expect(decoded).toBeGreaterThan(20);
});

/** What a peer gone mad says after a good handshake: frames of any type about few ids, some spoiled, none with a wrong checksum. */
function madFrames(prng: Prng): Uint8Array {
  const said = Array.from({ length: prng.between(1, 12) }, () => {
    const payload = prng.bytes(prng.pick([0, 1, 14, 200, 3_000]));
    return frame(
      prng.between(1, 17),
      prng.between(0, 3),
      prng.between(0, 4),
      prng.pick([0, 1, 100, 2 ** 31, 2 ** 32 - 1]),
      payload,
    );
  });
  const all = Buffer.concat(said);
  return prng.chance(0.3) ? withSums(mutateBytes(prng, all, said)) : all;
}

test(`a hub between mad peers keeps its good link, its handlers' errors to itself, and no connection of theirs (SEED=${seed})`, async () => {
  const prng = new Prng(seed);
  const clock = new SimClock();
  const network = new SimNetwork({ clock, prng: prng.fork() });
  const [good, middle] = [1, 2].map((brokerId) => new Rig({ brokerId, link: network.host(`h${brokerId}`), clock }));
  if (good === undefined || middle === undefined) throw new Error("two rigs");
  middle.hub.handleCall(1, async () => patternBytes(10, 1));
  middle.hub.handleCall(2, async () => Promise.reject(new TypeError("a handler that fails")));
  middle.hub.handleStream(1, () => {});
  await middle.hub.listen("h2", 1);
  good.hub.connect("h2:1");
  await simEventually(clock, "the good link is up", () => good.hub.isConnected(2));

  const open = new Set<string>();
  for (let round = 0; round < 150; round++) {
    const connection = network.host(`mad${round}`).dial("h2:1");
    open.add(`mad${round}`);
    connection.start({ onData: () => {}, onDrain: () => {}, onClose: () => open.delete(`mad${round}`) });
    const hello = { ...HELLO, brokerId: 9, clusterId: null, bootId: `boot-${round}`, directoryId: "mad" };
    connection.write([frame(FrameType.hello, 0, 0, 0, encodeHello(hello, prng.pick(["bulk", "control"])))]);
    connection.write([madFrames(prng)]);
    await clock.runUntil(clock.monotonicMs() + prng.between(1, 20));
    if (!prng.chance(0.3)) continue;
    connection.destroy();
    open.delete(`mad${round}`);
  }
  expect(Buffer.from(await answered(clock, good.hub.call(2, 1, new Uint8Array(0), { timeoutMs: 1_000 })))).toHaveLength(
    10,
  );
  expect(good.downs).toEqual([]);
  // None of them pings: whoever was not closed for what it said is closed for its silence.
  const silentMs = (PEER_LIMITS.silentTicksMax + 3) * PEER_LIMITS.tickMs;
  await clock.runUntil(clock.monotonicMs() + silentMs);
  expect(good.hub.isConnected(2)).toBe(true);
  expect([...open], "connections of mad peers").toEqual([]);
});

/** The promise's value, while simulated time goes on. */
async function answered<T>(clock: SimClock, promise: Promise<T>): Promise<T> {
  let done = false;
  const settle = (): void => {
    done = true;
  };
  promise.then(settle, settle);
  await simEventually(clock, "an answer", () => done);
  return promise;
}
