/** crc32c.test.ts: the checksum against the published vectors and a bit-by-bit model. */
import { Prng } from "@varve/base/testing";
import { expect, test } from "vitest";
import { testSeed } from "../testing/rig.js";
import { crc32c } from "./crc32c.js";

test.each([
  { what: "32 bytes of 0", bytes: new Uint8Array(32), want: 0x8a9136aa },
  { what: "32 bytes of 255", bytes: new Uint8Array(32).fill(255), want: 0x62a8ab43 },
  { what: "0 .. 31", bytes: Uint8Array.from({ length: 32 }, (_, at) => at), want: 0x46dd794e },
  { what: "31 .. 0", bytes: Uint8Array.from({ length: 32 }, (_, at) => 31 - at), want: 0x113fdb5c },
  { what: "the digits 1 to 9", bytes: new TextEncoder().encode("123456789"), want: 0xe3069283 },
])("$what have the checksum of RFC 3720 appendix B.4", ({ bytes, want }) => {
  expect(crc32c(bytes, 0, bytes.length)).toBe(want);
});

function obvious(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

const seed = testSeed();
test(`any cut and any offset give the model's checksum (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  for (let round = 0; round < 2_000; round++) {
    const bytes = prng.bytes(prng.between(0, 70));
    const start = prng.between(0, bytes.length);
    const cut = prng.between(start, bytes.length);
    const inTwo = crc32c(bytes, cut, bytes.length, crc32c(bytes, start, cut));
    expect(inTwo, `round ${round}`).toBe(obvious(bytes.subarray(start)));
  }
});
