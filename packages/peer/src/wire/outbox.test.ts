/** outbox.test.ts: one write per turn, no copy of large parts. */
import type { LinkConnection } from "@varve/base";
import { SimClock } from "@varve/base/testing";
import { expect, test } from "vitest";
import { PEER_LIMITS } from "../limits.js";
import { FrameType, HEADER_BYTES } from "./frame.js";
import { Outbox, TurnEnd } from "./outbox.js";

class RecordingConnection implements LinkConnection {
  readonly remoteAddress = "test:1";
  bufferedBytes = 0;
  readonly writes: (readonly Uint8Array[])[] = [];
  start(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
  write(buffers: readonly Uint8Array[]): void {
    this.writes.push(buffers);
  }
}

function rig(): { clock: SimClock; connection: RecordingConnection; outbox: Outbox; turnEnd: TurnEnd } {
  const clock = new SimClock();
  const connection = new RecordingConnection();
  const turnEnd = new TurnEnd(clock);
  return { clock, connection, turnEnd, outbox: new Outbox(connection, turnEnd, false) };
}

test("what is queued in one turn leaves in one write, the next turn in another", async () => {
  const { clock, connection, outbox } = rig();
  for (let at = 0; at < 1_000; at++)
    outbox.push(FrameType.message, 1, at, 0, [new Uint8Array(50), new Uint8Array(6_000)]);
  expect(connection.writes).toEqual([]);
  expect(outbox.queuedBytes).toBe(1_000 * (HEADER_BYTES + 6_050));
  await clock.runUntil(1);
  outbox.push(FrameType.ping, 0, 0, 0, []);
  await clock.runUntil(2);
  expect(connection.writes.length).toBe(2);
  expect(outbox.queuedBytes).toBe(0);
});

test("large parts go out by reference, small ones are gathered", async () => {
  const { clock, connection, outbox } = rig();
  const large = new Uint8Array(PEER_LIMITS.referenceBytesMin);
  outbox.push(FrameType.message, 1, 0, 0, [new Uint8Array(10), large, new Uint8Array(20)]);
  outbox.push(FrameType.message, 1, 0, 0, [new Uint8Array(30)]);
  await clock.runUntil(1);
  const lengths = connection.writes[0]?.map((buffer) => buffer.length);
  expect(lengths).toEqual([HEADER_BYTES + 10, large.length, 20 + HEADER_BYTES + 30]);
  expect(connection.writes[0]?.[1]).toBe(large);
});

test("a flush in the middle of a turn sends what is there and counts a turn", async () => {
  const { clock, connection, outbox, turnEnd } = rig();
  outbox.push(FrameType.ping, 0, 0, 0, []);
  expect(outbox.turn).toBe(0);
  turnEnd.flush();
  expect(outbox.turn).toBe(1);
  outbox.push(FrameType.ping, 0, 0, 0, []);
  await clock.runUntil(1);
  expect(connection.writes.length).toBe(2);
});

test("a closed outbox sends nothing", async () => {
  const { clock, connection, outbox } = rig();
  outbox.push(FrameType.ping, 0, 0, 0, []);
  outbox.close();
  outbox.push(FrameType.ping, 0, 0, 0, []);
  await clock.runUntil(1);
  expect(connection.writes).toEqual([]);
});
