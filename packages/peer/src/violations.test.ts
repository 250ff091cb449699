/** violations.test.ts: a peer with a good handshake and bad manners loses its connection, and nothing else happens. */
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PEER_LIMITS } from "./limits.js";
import { nodeLink } from "./node/link.js";
import { eventually, Rig } from "./testing/rig.js";
import { crc32c } from "./wire/crc32c.js";
import { FrameType, HEADER_BYTES, writeHeader } from "./wire/frame.js";
import { FrameReader } from "./wire/frame-reader.js";
import { encodeHello } from "./wire/hello.js";

let broker: Rig;
let port: number;

beforeEach(async () => {
  broker = new Rig({ brokerId: 2, link: nodeLink });
  broker.hub.handleCall(1, () => new Promise(() => {}));
  broker.hub.handleStream(1, () => {});
  port = (await broker.hub.listen("127.0.0.1", 0)).port;
});

afterEach(() => broker.hub.destroy());

function frame(type: number, id = 0, argument = 0, payload: Uint8Array = new Uint8Array(0), kind = 1): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const crc = crc32c(payload, 0, payload.length);
  writeHeader(bytes, 0, type, kind, id, argument, payload.length, payload.length, crc);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** A hand-made peer: says hello on the lane and has heard the answer. */
async function handmade(lane: "control" | "bulk"): Promise<{ socket: Socket; heard: number[]; closed: () => boolean }> {
  const socket = connect({ host: "127.0.0.1", port });
  let closed = false;
  socket.on("error", () => {});
  socket.on("close", () => {
    closed = true;
  });
  const heard: number[] = [];
  const reader = new FrameReader(PEER_LIMITS.frameBytesMax, ({ type }) => heard.push(type));
  socket.on("data", (chunk) => reader.feed(chunk));
  const identity = { clusterId: null, directoryId: "hand", bootId: "made", protocolMin: 1, protocolMax: 1 };
  socket.write(frame(FrameType.hello, 0, 0, encodeHello({ brokerId: 9, ...identity }, lane)));
  await eventually("answered", () => heard.length > 0);
  expect(heard).toEqual([FrameType.hello]);
  return { socket, heard, closed: () => closed };
}

const window = new Uint8Array(PEER_LIMITS.streamWindowBytes);

test.each([
  { why: "a frame of unknown type", lane: "bulk", frames: [frame(99)] },
  { why: "a second hello", lane: "control", frames: [frame(FrameType.hello)] },
  { why: "a refusal after the hello", lane: "control", frames: [frame(FrameType.refused)] },
  { why: "a call on the control lane", lane: "control", frames: [frame(FrameType.call, 1, 1_000)] },
  { why: "a reply to nothing it was asked", lane: "bulk", frames: [frame(FrameType.reply, 1)] },
  {
    why: "one call id twice",
    lane: "bulk",
    frames: [frame(FrameType.call, 1, 9_000), frame(FrameType.call, 1, 9_000)],
  },
  { why: "one stream id twice", lane: "bulk", frames: [frame(FrameType.open, 1), frame(FrameType.open, 1)] },
  {
    why: "stream data beyond its credits",
    lane: "bulk",
    frames: [frame(FrameType.open, 1), frame(FrameType.data, 1, 0, window), frame(FrameType.data, 1)],
  },
  {
    why: "stream data after its end",
    lane: "bulk",
    frames: [frame(FrameType.open, 1), frame(FrameType.end, 1), frame(FrameType.data, 1)],
  },
  {
    why: "credits beyond the window",
    lane: "bulk",
    frames: [frame(FrameType.open, 1), frame(FrameType.credit, 1, 1)],
  },
  {
    why: "more streams than agreed",
    lane: "bulk",
    frames: Array.from({ length: PEER_LIMITS.streamsMax + 1 }, (_, at) => frame(FrameType.open, at + 1)),
  },
  { why: "an announcement of another broker", lane: "control", frames: [frame(FrameType.announce)] },
] as const)("$why closes the connection", async ({ lane, frames }) => {
  const { socket, closed } = await handmade(lane);
  for (const bytes of frames.slice(0, -1)) socket.write(bytes);
  socket.write(frame(FrameType.ping));
  const last = frames.at(-1);
  if (last !== undefined) socket.write(last);
  await eventually("closed", closed);
  expect(broker.warnings).toEqual(["peer link: protocol violated, closing"]);
});

test.each([
  { why: "frames of streams that are over", type: FrameType.data },
  { why: "a cancel of a call that was answered", type: FrameType.cancel },
  { why: "an abort of nothing", type: FrameType.abort },
])("$why are no violation", async ({ type }) => {
  const { socket, heard, closed } = await handmade("bulk");
  socket.write(frame(type, 77));
  socket.write(frame(FrameType.ping));
  await eventually("answered", () => heard.includes(FrameType.pong));
  expect(closed()).toBe(false);
  socket.destroy();
});

test("a caller that does not take its answers is refused further calls, unrun", async () => {
  let handled = 0;
  const answer = new Uint8Array(PEER_LIMITS.frameBytesMax);
  broker.hub.handleCall(2, async () => {
    handled++;
    return answer;
  });
  const { socket } = await handmade("bulk");
  socket.pause();
  for (let id = 1; id <= 40; id++) {
    socket.write(frame(FrameType.call, id, 60_000, undefined, 2));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(handled).toBeGreaterThan(0);
  expect(handled).toBeLessThan(15);
  socket.destroy();
});

test("strangers that never speak are cut off after the handshake time", async () => {
  const startMs = performance.now();
  const socket = connect({ host: "127.0.0.1", port });
  socket.resume();
  await new Promise((resolve) => socket.once("close", resolve));
  expect(performance.now() - startMs).toBeLessThan(PEER_LIMITS.handshakeMs + 1_000);
});
