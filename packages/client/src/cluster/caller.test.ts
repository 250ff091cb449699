/** caller.test.ts: calls that a broker which is cut off from the others holds until their time is over. */
import { silentLogger, VarveError } from "@varve/base";
import { Prng, SimClock } from "@varve/base/testing";
import { METHODS, type RpcChannel, type RpcTransport } from "@varve/rpc";
import { expect, test } from "vitest";
import type { ClientPorts } from "../ports.js";
import { BrokerPool } from "./broker-pool.js";
import { Caller } from "./caller.js";

const CUT_OFF = "cut-off:1";
const RUN_MS = 10_000;

/** One of two brokers looks for a leader for as long as it is asked to. */
function setUp() {
  const clock = new SimClock();
  const asked: string[] = [];
  const channel = (address: string): RpcChannel => {
    const unary = (_method: unknown, _request: unknown, { deadlineMs }: { readonly deadlineMs: number }) => {
      asked.push(address);
      if (address !== CUT_OFF) return Promise.resolve({ producerId: 7, producerEpoch: 0 });
      return new Promise((_resolve, reject) => {
        clock.setTimer(deadlineMs, () => reject(new VarveError("NOT_ENOUGH_REPLICAS", { message: "no leader" })));
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
  const call = () => caller.call(METHODS.initProducer, {}, { what: "initProducer", kind: "write", deadlineMs: 1_000 });
  return { clock, asked, call };
}

test("the call after one that ran out of time at a broker which is cut off begins with another broker", async () => {
  const { clock, asked, call } = setUp();
  const ended = async (): Promise<unknown> => {
    const calling = call().catch((error: unknown) => error);
    await clock.runUntil(clock.monotonicMs() + RUN_MS);
    return calling;
  };
  expect(await ended()).toMatchObject({ code: "NOT_ENOUGH_REPLICAS" });
  expect(await ended()).toMatchObject({ producerId: 7 });
  expect(asked).toEqual([CUT_OFF, "well:1"]);
});
