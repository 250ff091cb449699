/** sim-rpc-network.test.ts: the simulated network fails the way that the real one does. */
import { isVarveError, VarveError } from "@varve/base";
import { SimClock } from "@varve/base/testing";
import { expect, test } from "vitest";
import { METHODS } from "../methods.js";
import { logHandlers } from "./handlers.js";
import { SimRpcNetwork, type UnaryFate } from "./sim-rpc-network.js";

function setup(fate?: () => UnaryFate) {
  const clock = new SimClock();
  const network = new SimRpcNetwork({ clock, latencyMs: () => 5, ...(fate === undefined ? {} : { fate }) });
  const calls = { count: 0 };
  network.serve("a:1", {
    log: logHandlers({
      initProducer: async () => {
        calls.count++;
        return { producerId: 7 };
      },
      produceStream: async (stream) => {
        for await (const { correlationId } of stream.requests) await stream.write({ correlationId });
      },
    }),
  });
  return { clock, network, calls, channel: network.transport().channel("a:1") };
}

function settled(promise: Promise<unknown>): { value: unknown } {
  const outcome: { value: unknown } = { value: "pending" };
  promise.then(
    (value) => {
      outcome.value = value;
    },
    (error: unknown) => {
      outcome.value = isVarveError(error) ? [error.code, error.effect] : error;
    },
  );
  return outcome;
}

test("an answer takes the way there and back", async () => {
  const { clock, channel } = setup();
  const outcome = settled(channel.unary(METHODS.initProducer, {}, { deadlineMs: 100 }));
  await clock.runUntil(9);
  expect(outcome.value).toBe("pending");
  await clock.runUntil(10);
  expect(outcome.value).toMatchObject({ producerId: 7 });
});

test.each([
  { fate: "refuse" as const, want: ["UNREACHABLE", "NOT_APPLIED"], ran: 0 },
  { fate: "loseRequest" as const, want: ["UNREACHABLE", "UNKNOWN"], ran: 0 },
  { fate: "loseAnswer" as const, want: ["UNREACHABLE", "UNKNOWN"], ran: 1 },
])("$fate: $want", async ({ fate, want, ran }) => {
  const { clock, channel, calls } = setup(() => fate);
  const outcome = settled(channel.unary(METHODS.initProducer, {}, { deadlineMs: 100 }));
  await clock.runUntil(50);
  expect(outcome.value).toEqual(want);
  expect(calls.count).toBe(ran);
});

test("a late request breaks for its client at once, and is carried out when it arrives, unless its server has ended", async () => {
  const { clock, network, calls, channel } = setup(() => ({ lateMs: 1_000 }));
  const outcome = settled(channel.unary(METHODS.initProducer, {}, { deadlineMs: 100 }));
  await clock.runUntil(10);
  expect(outcome.value).toEqual(["UNREACHABLE", "UNKNOWN"]);
  expect(calls.count).toBe(0);
  await clock.runUntil(1_010);
  expect(calls.count).toBe(1);
  const lost = settled(channel.unary(METHODS.initProducer, {}, { deadlineMs: 100 }));
  network.stop("a:1");
  await clock.runUntil(3_000);
  expect(lost.value).toEqual(["UNREACHABLE", "UNKNOWN"]);
  expect(calls.count).toBe(1);
});

test("a silent server lets calls run into their deadline; a stopped one refuses and breaks", async () => {
  const { clock, network, channel } = setup();
  network.silence("a:1");
  const late = settled(channel.unary(METHODS.initProducer, {}, { deadlineMs: 100 }));
  await clock.runUntil(99);
  expect(late.value).toBe("pending");
  await clock.runUntil(101);
  expect(late.value).toEqual(["TIMEOUT", "UNKNOWN"]);
  network.resume("a:1");
  const broken = settled(channel.unary(METHODS.initProducer, {}, { deadlineMs: 100 }));
  network.stop("a:1");
  const refused = settled(channel.unary(METHODS.initProducer, {}, { deadlineMs: 100 }));
  await clock.runUntil(200);
  expect([broken.value, refused.value]).toEqual([
    ["UNREACHABLE", "UNKNOWN"],
    ["UNREACHABLE", "NOT_APPLIED"],
  ]);
});

test("a stream answers in order and breaks with its connection", async () => {
  const { clock, network, channel } = setup();
  const stream = channel.bidi(METHODS.produceStream, {});
  const seen: unknown[] = [];
  const reading = (async () => {
    for await (const { correlationId } of stream.responses) seen.push(correlationId);
  })();
  const outcome = settled(reading);
  const writing = Promise.all([1, 2, 3].map((correlationId) => stream.write({ correlationId })));
  await clock.runUntil(50);
  await writing;
  expect(seen).toEqual([1, 2, 3]);
  network.breakConnections("a:1");
  await clock.runUntil(60);
  expect(outcome.value).toEqual(["UNREACHABLE", "UNKNOWN"]);
  await expect(stream.write({ correlationId: 4 })).rejects.toBeInstanceOf(VarveError);
});
