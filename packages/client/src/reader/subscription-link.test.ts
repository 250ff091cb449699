/** subscription-link.test.ts: credit is given back byte for byte, also for batches that nobody wants any more. */
import { KIB, MIB } from "@varve/base";
import { SimClock } from "@varve/base/testing";
import type { BidiMethod, ClientStream, Init, RpcChannel, SubscribeRequest, SubscribeResponse } from "@varve/rpc";
import { expect, test, vi } from "vitest";
import { PartitionCursor } from "./cursor.js";
import { SubscriptionLink } from "./subscription-link.js";

const WINDOW_BYTES = 1_000;

function setup(windowBytes = WINDOW_BYTES) {
  const said: Init<SubscribeRequest>[] = [];
  const queue: SubscribeResponse[] = [];
  let wake = (): void => {};
  async function* responses(): AsyncGenerator<SubscribeResponse, void, undefined> {
    for (;;) {
      const response = queue.shift();
      if (response !== undefined) yield response;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  }
  const stream = {
    write: async (request: Init<SubscribeRequest>) => void said.push(request),
    end: () => {},
    cancel: vi.fn(),
    responses: responses(),
  };
  const channel: RpcChannel = {
    address: "a:1",
    unary: () => Promise.reject(new Error("not used")),
    bidi: <Q, R>(_: BidiMethod<Q, R>) => stream as unknown as ClientStream<Q, R>,
    renew: () => {},
    close: () => {},
  };
  const events = { batches: vi.fn(), progress: vi.fn(), ended: vi.fn(), over: vi.fn() };
  const link = new SubscriptionLink(channel, new SimClock(), windowBytes, events);
  const receive = async (subscriptionId: number, bytes: number): Promise<void> => {
    const batches = [new Uint8Array(bytes)];
    const event = { subscriptionId, batches, nextOffset: 1, highWatermark: 1, logStart: 0, leaderEpoch: 1 };
    queue.push({ batches: event, progress: null, error: null });
    wake();
    await new Promise((resolve) => setImmediate(resolve));
  };
  const granted = (): number => said.reduce((sum, { grant }) => sum + (grant?.bytes ?? 0), 0);
  return { link, said, stream, events, receive, granted };
}

test("grants the window once, then exactly what was consumed, in portions", async () => {
  const { link, receive, granted } = setup();
  const cursor = new PartitionCursor(0, 0, null, 0);
  link.add(cursor, "id");
  expect(granted()).toBe(WINDOW_BYTES);
  await receive(1, 600);
  expect(granted()).toBe(WINDOW_BYTES);
  link.consumed(200);
  expect(granted()).toBe(WINDOW_BYTES);
  link.consumed(400);
  expect(granted()).toBe(WINDOW_BYTES + 600);
});

test("a large window is granted little by little, and never more than the window", async () => {
  const { link, granted } = setup(4 * MIB);
  let consumed = 0;
  const outstanding: number[] = [];
  for (let round = 0; round < 12; round++) {
    outstanding.push(granted() - consumed);
    link.consumed(granted() - consumed);
    consumed = outstanding.reduce((sum, bytes) => sum + bytes, 0);
  }
  expect(outstanding.slice(0, 6).map((bytes) => bytes / KIB)).toEqual([256, 512, 1_024, 2_048, 4_096, 4_096]);
  expect(Math.max(...outstanding)).toBe(4 * MIB);
});

test("batches of a partition that was removed give their credit back and reach nobody", async () => {
  const { link, said, events, receive, granted } = setup();
  const [kept, removed] = [new PartitionCursor(0, 0, null, 0), new PartitionCursor(1, 0, null, 0)];
  link.add(kept, "id");
  link.add(removed, "id");
  link.remove(removed);
  expect(said.at(-1)).toEqual({ remove: { subscriptionId: 2 } });
  await receive(2, 700);
  expect(events.batches).not.toHaveBeenCalled();
  expect(granted()).toBe(WINDOW_BYTES + 700);
});

test("removing the last partition ends the stream, and nothing is reported as lost", () => {
  const { link, stream, events } = setup();
  const cursor = new PartitionCursor(0, 0, null, 0);
  link.add(cursor, "id");
  link.remove(cursor);
  expect(stream.cancel).toHaveBeenCalled();
  expect(events.over).not.toHaveBeenCalled();
});
