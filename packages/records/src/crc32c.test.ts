/** crc32c.test.ts: the portable checksum against published vectors and a bitwise model. */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { crc32c } from "./crc32c.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

/** The definition itself: one bit at a time. */
function crc32cModel(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

describe("crc32c", () => {
  // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
  test.each([
    { why: "no bytes", bytes: new Uint8Array(0), want: 0 },
    { why: "32 zeros", bytes: new Uint8Array(32), want: 0x8a9136aa },
    { why: "32 bytes of ones", bytes: new Uint8Array(32).fill(0xff), want: 0x62a8ab43 },
    { why: "32 rising", bytes: Uint8Array.from({ length: 32 }, (_, at) => at), want: 0x46dd794e },
    { why: "32 falling", bytes: Uint8Array.from({ length: 32 }, (_, at) => 31 - at), want: 0x113fdb5c },
    { why: "123456789", bytes: new TextEncoder().encode("123456789"), want: 0xe3069283 },
  ])("$why has its published value", ({ bytes, want }) => {
    expect(crc32c(bytes)).toBe(want);
  });

  test(`equals the bitwise model, whole and in two parts (SEED=${SEED})`, () => {
    const prng = new Prng(SEED);
    for (let round = 0; round < 500; round++) {
      const bytes = prng.bytes(prng.between(0, 300));
      const cut = prng.between(0, bytes.length);
      const want = crc32cModel(bytes);
      expect(crc32c(bytes), `round ${round}`).toBe(want);
      expect(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut))), `round ${round}, cut ${cut}`).toBe(want);
    }
  });
});
