import { isVarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { expect, test } from "vitest";
import { decodeEnvelope, encodeEnvelope } from "./envelope.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

const HEAD = { topic: "größe", partition: 3, at: null };

test.each([
  { what: "no blob", blobs: [] },
  { what: "an empty blob", blobs: [new Uint8Array(0)] },
  { what: "several blobs", blobs: [Uint8Array.of(1, 2, 3), new Uint8Array(0), new Uint8Array(70_000).fill(9)] },
])("head and blobs come back as they were: $what", ({ blobs }) => {
  const { head, blobs: decoded } = decodeEnvelope(encodeEnvelope(HEAD, blobs));
  expect(head).toEqual(HEAD);
  expect(decoded.map((blob) => [...blob])).toEqual(blobs.map((blob) => [...blob]));
});

function raw(headText: string, headBytes = Buffer.byteLength(headText), count = 0): Uint8Array {
  const prefix = Buffer.alloc(8);
  prefix.writeUInt32LE(headBytes, 0);
  prefix.writeUInt32LE(count, 4);
  return Buffer.concat([prefix, Buffer.from(headText)]);
}

test.each([
  { what: "no bytes", bytes: new Uint8Array(0) },
  { what: "a prefix that is cut off", bytes: new Uint8Array(7) },
  { what: "a head that is longer than the message", bytes: raw("{}", 3) },
  { what: "more blobs than lengths", bytes: raw("{}", 2, 1) },
  { what: "as many blobs as a number can say", bytes: raw("{}", 2, 2 ** 32 - 1) },
  { what: "an empty head", bytes: raw("") },
  { what: "a head that is no JSON", bytes: raw("{topic}") },
  { what: "a head that is null", bytes: raw("null") },
  { what: "a head that is a number", bytes: raw("1") },
])("refused as a VarveError: $what", ({ bytes }) => {
  expect(outcomeOf(bytes)).toBe("INVALID_ARGUMENT");
});

test(`a spoiled message is an envelope or a VarveError, never anything else (SEED=${SEED})`, () => {
  const prng = new Prng(SEED);
  for (let round = 0; round < 3_000; round++) {
    const bytes = Uint8Array.from(encodeEnvelope(HEAD, [prng.bytes(prng.between(0, 40)), prng.bytes(5)]));
    for (let flips = prng.between(1, 3); flips > 0; flips--) bytes[prng.between(0, bytes.length - 1)] = prng.uint32();
    const end = prng.chance(0.3) ? prng.between(0, bytes.length) : bytes.length;
    expect(["envelope", "INVALID_ARGUMENT"]).toContain(outcomeOf(bytes.subarray(0, end)));
  }
});

function outcomeOf(bytes: Uint8Array): string {
  try {
    decodeEnvelope(bytes);
    return "envelope";
  } catch (error) {
    return isVarveError(error) ? error.code : String(error);
  }
}
