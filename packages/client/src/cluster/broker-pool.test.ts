import { Prng, SimClock } from "@varve/base/testing";
import type { RpcChannel } from "@varve/rpc";
import { expect, test } from "vitest";
import { BrokerPool } from "./broker-pool.js";

/** A pool over channels that only count. */
function setUp(bootstrap: readonly string[]) {
  const clock = new SimClock();
  const renewed: string[] = [];
  const channel = (address: string): RpcChannel => ({
    address,
    unary: () => Promise.reject(new Error("not used")),
    bidi: () => {
      throw new Error("not used");
    },
    renew: () => renewed.push(address),
    close: () => {},
  });
  const pool = new BrokerPool({ bootstrap, transport: { channel }, clock, random: new Prng(1) });
  return { clock, pool, renewed };
}

test("an address that failed is connected to anew, since its name may lead elsewhere by now", () => {
  const { pool, renewed } = setUp(["a:1", "b:1"]);
  pool.channel("a:1");
  pool.failed("a:1", "UNREACHABLE");
  pool.failed("b:1", "UNREACHABLE");
  expect(renewed).toEqual(["a:1"]);
});

test("an address that failed often is passed over for longer and longer, and for five seconds at most", async () => {
  const { clock, pool } = setUp(["a:1", "b:1"]);
  const avoided: number[] = [];
  for (let failures = 1; failures <= 6; failures++) {
    pool.setBrokers([{ id: 1, address: "a:1" }]);
    pool.failed("a:1", "UNREACHABLE");
    const sinceMs = clock.monotonicMs();
    while (pool.addressOf(1) === null) await clock.runUntil(clock.monotonicMs() + 100);
    avoided.push(clock.monotonicMs() - sinceMs);
  }
  expect(avoided).toEqual([500, 1_000, 2_000, 4_000, 5_000, 5_000]);
});

test("an address of a broker that stops is passed over until it may be back", async () => {
  const { clock, pool } = setUp(["a:1", "b:1"]);
  pool.setBrokers([{ id: 1, address: "a:1" }]);
  pool.failed("a:1", "SHUTTING_DOWN");
  while (pool.addressOf(1) === null) await clock.runUntil(clock.monotonicMs() + 100);
  expect(clock.monotonicMs()).toBe(3_000);
});

test("with one address only, that is the one to try however often it failed", () => {
  const { pool } = setUp(["a:1"]);
  pool.failed("a:1", "UNREACHABLE");
  expect(pool.anyAddress("a:1")).toBe("a:1");
});
