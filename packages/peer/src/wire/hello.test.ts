/** hello.test.ts: the handshake's payload and the rule who may speak with whom. */
import { Prng } from "@varve/base/testing";
import { expect, test } from "vitest";
import type { PeerHello } from "../api.js";
import { testSeed } from "../testing/rig.js";
import { decodeHello, encodeHello, Refusal, refusalOf } from "./hello.js";

const one: PeerHello = {
  brokerId: 1,
  clusterId: null,
  directoryId: "d1",
  bootId: "b1",
  protocolMin: 1,
  protocolMax: 3,
};
const two: PeerHello = { brokerId: 2, clusterId: "c", directoryId: "d2", bootId: "b2", protocolMin: 3, protocolMax: 4 };

test("a hello survives the wire", () => {
  for (const hello of [one, two]) expect(decodeHello(encodeHello(hello, "bulk"))).toEqual({ lane: "bulk", hello });
});

test.each([
  { why: "an unknown cluster fits any", other: two, code: null },
  { why: "two clusters", own: { ...one, clusterId: "x" }, other: two, code: Refusal.cluster },
  { why: "no common version", other: { ...two, protocolMin: 4 }, code: Refusal.protocol },
  { why: "one process", other: one, code: Refusal.self },
  { why: "two processes on one directory", other: { ...one, bootId: "b9" }, code: Refusal.identity },
  { why: "two directories with one broker id", other: { ...two, brokerId: 1 }, code: Refusal.identity },
])("refusal is mutual: $why -> $code", ({ own = one, other, code }) => {
  expect(refusalOf(own, other)?.code ?? null).toBe(code);
  expect(refusalOf(other, own)?.code ?? null).toBe(code);
});

const seed = testSeed();
test(`cut, changed and random hellos are hellos or texts, never a throw (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  const good = encodeHello(two, "control");
  for (let length = 0; length < good.length; length++)
    expect(typeof decodeHello(good.subarray(0, length))).toBe("string");
  for (let round = 0; round < 5_000; round++) {
    const bytes = Uint8Array.from(good);
    bytes[prng.between(0, bytes.length - 1)] = prng.between(0, 255);
    const decoded = decodeHello(prng.chance(0.2) ? prng.bytes(prng.between(0, 60)) : bytes);
    if (typeof decoded !== "string") expect(decoded.hello.brokerId).toBeGreaterThan(0);
  }
});
