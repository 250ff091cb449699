/** channel.test.ts: who pings, who answers, and what a silent connection comes to. */
import { type LinkConnection, type LinkHandlers, silentLogger } from "@varve/base";
import { SimClock } from "@varve/base/testing";
import { expect, test } from "vitest";
import type { PeerHello } from "./api.js";
import { Channel, type ChannelEnd } from "./channel.js";
import { PEER_LIMITS } from "./limits.js";
import { FrameType, HEADER_BYTES, writeHeader } from "./wire/frame.js";
import { FrameReader } from "./wire/frame-reader.js";
import { TurnEnd } from "./wire/outbox.js";

const peer: PeerHello = { brokerId: 2, clusterId: null, directoryId: "d", bootId: "b", protocolMin: 1, protocolMax: 1 };

/** An open channel whose other side is this test. */
function open(dialed: boolean): {
  channel: Channel;
  hear: (type: number) => void;
  tick: () => readonly number[];
  ends: ChannelEnd[];
} {
  const clock = new SimClock();
  const turnEnd = new TurnEnd(clock);
  const ends: ChannelEnd[] = [];
  const said: number[] = [];
  const reader = new FrameReader(PEER_LIMITS.frameBytesMax, ({ type }) => said.push(type));
  let handlers: LinkHandlers | null = null;
  const connection: LinkConnection = {
    remoteAddress: "peer:1",
    bufferedBytes: 0,
    start: (given) => {
      handlers = given;
    },
    write: (buffers) => {
      for (const buffer of buffers) reader.feed(buffer);
    },
    pause: () => {},
    resume: () => {},
    end: () => {},
    destroy: () => {},
  };
  const channel = new Channel(
    { connection, lane: "bulk", dialed, clock, logger: silentLogger, turnEnd },
    { onHello: () => {}, onFrame: () => null, onDrain: () => {}, onClose: (end) => ends.push(end) },
  );
  channel.greet(peer);
  channel.open();
  turnEnd.flush();
  const hear = (type: number): void => {
    const bytes = new Uint8Array(HEADER_BYTES);
    writeHeader(bytes, 0, type, 0, 0, 0, 0, 0, 0);
    handlers?.onData(bytes);
  };
  const tick = (): readonly number[] => {
    turnEnd.flush();
    said.length = 0;
    channel.tick();
    turnEnd.flush();
    return [...said];
  };
  return { channel, hear, tick, ends };
}

test("the dialer pings unless both sides spoke since the last tick", () => {
  const { channel, hear, tick } = open(true);
  hear(FrameType.pong);
  expect(tick()).toEqual([]); // It has said hello.
  expect(tick()).toEqual([FrameType.ping]);
  hear(FrameType.data);
  expect(tick()).toEqual([FrameType.ping]); // The other side has heard nothing new.
  channel.send(FrameType.message, 1, 0, 0);
  expect(tick()).toEqual([FrameType.ping]); // Nothing was heard.
  channel.send(FrameType.message, 1, 0, 0);
  hear(FrameType.data);
  expect(tick()).toEqual([]);
});

test("the accepting side never pings; it answers, and says once a tick that bytes arrive", () => {
  const { channel, hear, tick } = open(false);
  tick();
  expect(tick()).toEqual([]);
  hear(FrameType.message);
  expect(tick()).toEqual([FrameType.pong]);
  hear(FrameType.message);
  channel.send(FrameType.reply, 0, 1, 0);
  expect(tick()).toEqual([]);
});

test.each([
  { dialed: true, ticks: PEER_LIMITS.silentTicksMax },
  { dialed: false, ticks: PEER_LIMITS.silentTicksMax + 1 },
])(
  "silence ends a channel after $ticks ticks (dialed: $dialed), one word starts the count again",
  ({ dialed, ticks }) => {
    const { hear, tick, ends } = open(dialed);
    hear(FrameType.pong);
    for (let silent = 0; silent < ticks; silent++) tick(); // The first of them has heard.
    expect(ends).toEqual([]);
    hear(FrameType.pong);
    for (let silent = 0; silent < ticks; silent++) tick();
    expect(ends).toEqual([]);
    tick();
    expect(ends).toEqual([{ kind: "down", reason: "timeout" }]);
  },
);
