/** caller.test.ts: calls that a broker which is cut off from the others holds until their time is over. */
import { silentLogger, VarveError } from "@varve/base";
import { Prng, SimClock } from "@varve/base/testing";
import { METHODS, type RpcChannel, type RpcTransport, type UnaryOptions } from "@varve/rpc";
import { expect, test } from "vitest";
import type { ClientPorts } from "../ports.js";
import { BrokerPool } from "./broker-pool.js";
import { Caller } from "./caller.js";

const CUT_OFF = "cut-off:1";
const DEADLINE_MS = 1_000;
const RUN_MS = 10_000;
/** A broker that does not listen is known as such after this. */
const CONNECT_MS = 700;

/** A client that knows one broker, which answers as `unary` does. */
function callerTo(
  clock: SimClock,
  unary: (method: unknown, request: unknown, options: UnaryOptions) => Promise<unknown>,
) {
  const transport = { channel: () => ({ unary, renew: () => {}, close: () => {} }) } as unknown as RpcTransport;
  const random = new Prng(1);
  const ports = { clock, random, diagnostics: { hasSubscribers: () => false } } as unknown as ClientPorts;
  const pool = new BrokerPool({ bootstrap: ["only:1"], transport, clock, random });
  return { pool, caller: new Caller(ports, pool, silentLogger) };
}

test("a broker that cannot be reached is UNREACHABLE, also when the deadline cuts the last attempt short", async () => {
  const clock = new SimClock();
  const unary = (_method: unknown, _request: unknown, { deadlineMs }: UnaryOptions) =>
    new Promise((_resolve, reject) => {
      // What is refused at first is not answered when the deadline is near.
      const [code, waitMs] =
        deadlineMs < CONNECT_MS ? (["TIMEOUT", deadlineMs] as const) : (["UNREACHABLE", 0] as const);
      clock.setTimer(waitMs, () => reject(new VarveError(code, { message: "nobody" })));
    });
  const { caller } = callerTo(clock, unary);
  const options = { what: "listTopics", kind: "read", deadlineMs: DEADLINE_MS } as const;
  const calling = caller.call(METHODS.listTopics, {}, options).catch((error: unknown) => error);
  await clock.runUntil(RUN_MS);
  expect(await calling).toMatchObject({ code: "UNREACHABLE", effect: "NONE" });
});

/** One of two brokers looks for a leader for as long as it is asked to. */
function setUp() {
  const clock = new SimClock();
  const asked: string[] = [];
  const channel = (address: string): RpcChannel => {
    const unary = (_method: unknown, _request: unknown, { deadlineMs, signal }: UnaryOptions) => {
      asked.push(address);
      if (address !== CUT_OFF) return Promise.resolve({ producerId: 7, producerEpoch: 0 });
      return new Promise((_resolve, reject) => {
        const refuse = (): void => reject(new VarveError("NOT_ENOUGH_REPLICAS", { message: "no leader" }));
        clock.setTimer(deadlineMs, refuse);
        signal?.addEventListener("abort", refuse);
      });
    };
    return { unary, renew: () => {}, close: () => {} } as unknown as RpcChannel;
  };
  const random = new Prng(1);
  const transport = { channel } as unknown as RpcTransport;
  const ports = { clock, random, diagnostics: { hasSubscribers: () => false } } as unknown as ClientPorts;
  const pool = new BrokerPool({ bootstrap: [CUT_OFF], transport, clock, random });
  pool.setBrokers([
    { id: 1, address: CUT_OFF },
    { id: 2, address: "well:1" },
  ]);
  const caller = new Caller(ports, pool, silentLogger);
  /** How a call ends, with its error or its answer. */
  const ended = async (signal?: AbortSignal): Promise<unknown> => {
    const options = { what: "initProducer", kind: "write", deadlineMs: DEADLINE_MS, signal } as const;
    const calling = caller.call(METHODS.initProducer, {}, options).catch((error: unknown) => error);
    await clock.runUntil(clock.monotonicMs() + RUN_MS);
    return calling;
  };
  return { clock, asked, ended };
}

test("the call after one that ran out of time at a broker which is cut off begins with another broker", async () => {
  const { asked, ended } = setUp();
  expect(await ended()).toMatchObject({ code: "NOT_ENOUGH_REPLICAS" });
  expect(await ended()).toMatchObject({ producerId: 7 });
  expect(asked).toEqual([CUT_OFF, "well:1"]);
});

test("and so does the one after a call that its caller gave up", async () => {
  const { clock, asked, ended } = setUp();
  const patience = new AbortController();
  clock.setTimer(DEADLINE_MS / 2, () => patience.abort());
  expect(await ended(patience.signal)).toMatchObject({ code: "ABORTED" });
  expect(await ended()).toMatchObject({ producerId: 7 });
  expect(asked).toEqual([CUT_OFF, "well:1"]);
});

test("a client that worked waits for certificates to be right again; one that never did is told at once", async () => {
  const clock = new SimClock();
  let isSecure = true;
  const failed = (): VarveError =>
    new VarveError("TLS_FAILED", { message: "expired", effect: "NOT_APPLIED", retryable: true });
  const unary = async (): Promise<unknown> => {
    if (!isSecure) throw failed();
    return { producerId: 7, producerEpoch: 0 };
  };
  const { pool, caller } = callerTo(clock, unary);
  const options = { what: "initProducer", kind: "write", deadlineMs: DEADLINE_MS } as const;
  const ask = (): Promise<unknown> => caller.call(METHODS.initProducer, {}, options).catch((error: unknown) => error);
  isSecure = false;
  expect(await ask()).toMatchObject({ code: "TLS_FAILED", retryable: false });
  expect(clock.monotonicMs()).toBe(0);
  isSecure = true;
  expect(await ask()).toMatchObject({ producerId: 7 });
  isSecure = false;
  clock.setTimer(DEADLINE_MS / 2, () => {
    isSecure = true;
  });
  const asking = ask();
  await clock.runUntil(DEADLINE_MS);
  expect(await asking).toMatchObject({ producerId: 7 });
  pool.close();
});

test.each([
  { order: "first nobody is there, then somebody does not answer", first: "UNREACHABLE", last: "TIMEOUT" },
  { order: "first somebody does not answer, then nobody is there", first: "TIMEOUT", last: "UNREACHABLE" },
] as const)("a write that may have been applied never says that it was not: $order", async ({ first, last }) => {
  const clock = new SimClock();
  const codes = [first];
  const unary = (_method: unknown, _request: unknown, { deadlineMs }: UnaryOptions) =>
    new Promise((_resolve, reject) => {
      const code = codes.shift() ?? last;
      const error =
        code === "TIMEOUT"
          ? new VarveError(code, { message: "silence; it may have taken effect; try again", effect: "UNKNOWN" })
          : new VarveError(code, { message: "refused; nothing was written; look", effect: "NOT_APPLIED" });
      clock.setTimer(code === "TIMEOUT" ? Math.min(deadlineMs, CONNECT_MS) : 0, () => reject(error));
    });
  const { caller } = callerTo(clock, unary);
  const options = { what: "createTopic", kind: "write", deadlineMs: DEADLINE_MS } as const;
  const calling = caller.call(METHODS.initProducer, {}, options).catch((error: unknown) => error);
  await clock.runUntil(RUN_MS);
  const error = (await calling) as VarveError;
  expect(error).toMatchObject({ effect: "UNKNOWN" });
  expect(error.message).not.toContain("nothing was written");
  expect(error.message).toContain("it may have taken effect");
});
