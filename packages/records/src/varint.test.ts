/** varint.test.ts: writers, sizes and the reader agree, and the reader refuses what is cut off or too long. */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { varintBytes, varlongBytes, writeVarint, writeVarlong } from "./varint.js";
import { VarintReader } from "./varint-reader.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const EDGES = [0, -1, 1, 63, 64, -64, -65, 8191, 8192, 2 ** 31 - 1, -(2 ** 31)];
const LONG_EDGES = [...EDGES, 2 ** 31, -(2 ** 31) - 1, 2 ** 40, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];

describe("varints", () => {
  // Protocol Buffers documentation, "Signed Integers": the zigzag of -1 is 1, of 1 is 2, of -2 is 3.
  test.each([
    [0, [0]],
    [-1, [1]],
    [1, [2]],
    [-2, [3]],
    [300, [0xd8, 0x04]],
    [2 ** 31 - 1, [0xfe, 0xff, 0xff, 0xff, 0x0f]],
  ])("%i is written as %j", (value, want) => {
    const bytes = new Uint8Array(5);
    expect([...bytes.subarray(0, writeVarint(bytes, 0, value))]).toEqual(want);
  });

  test(`what is written is read again, in exactly the computed size (SEED=${SEED})`, () => {
    const prng = new Prng(SEED);
    const bytes = new Uint8Array(10);
    const ints = Array.from({ length: 2_000 }, () => prng.uint32() | 0).map((value) => value >> prng.between(0, 31));
    for (const value of [...EDGES, ...ints]) {
      expect(writeVarint(bytes, 0, value)).toBe(varintBytes(value));
      expect(new VarintReader(bytes).readInt32()).toBe(value);
    }
    const longs = ints.map((value) => value * 2 ** prng.between(0, 21));
    for (const value of [...LONG_EDGES, ...longs]) {
      expect(writeVarlong(bytes, 0, value), String(value)).toBe(varlongBytes(value));
      expect(new VarintReader(bytes).readInt64(), String(value)).toBe(value);
    }
  });
});

describe("VarintReader", () => {
  test.each([
    { why: "nothing", bytes: [], long: false },
    { why: "a number that is cut off", bytes: [0x80], long: false },
    { why: "six bytes of 32 bits", bytes: [0x80, 0x80, 0x80, 0x80, 0x80, 0x01], long: false },
    { why: "a long that is cut off", bytes: [0x80, 0x80, 0x80, 0x80, 0x80], long: true },
    { why: "eleven bytes of 64 bits", bytes: [...new Array<number>(10).fill(0x80), 1], long: true },
  ])("fails on $why", ({ bytes, long }) => {
    const reader = new VarintReader(Uint8Array.from(bytes));
    if (long) reader.readInt64();
    else reader.readInt32();
    expect(reader.failed).toBe(true);
    expect(reader.at).toBeLessThanOrEqual(bytes.length);
  });

  test("does not read past its end, though bytes follow", () => {
    const reader = new VarintReader(Uint8Array.from([0x80, 0x01]));
    reader.end = 1;
    reader.readInt32();
    expect(reader.failed).toBe(true);
  });

  test("a long beyond 2^53 is NaN, not a rounded number", () => {
    const reader = new VarintReader(Uint8Array.from([...new Array<number>(9).fill(0xff), 0x01]));
    expect(reader.readInt64()).toBeNaN();
  });
});
