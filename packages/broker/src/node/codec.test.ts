/** codec.test.ts: the broker's native checksum is the portable one, seeds included. */
import { Prng } from "@varve/base/testing";
import { crc32c } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { expect, test } from "vitest";
import { nativeCodec } from "./codec.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

test(`native and portable CRC32C agree on whole buffers, views and continued ones (SEED=${SEED})`, () => {
  const prng = new Prng(SEED);
  for (let round = 0; round < 500; round++) {
    const bytes = prng.bytes(prng.between(0, 2_000)).subarray(prng.between(0, 20));
    const cut = prng.between(0, bytes.length);
    expect(nativeCodec.crc32c(bytes), `round ${round}`).toBe(crc32c(bytes));
    const continued = nativeCodec.crc32c(bytes.subarray(cut), nativeCodec.crc32c(bytes.subarray(0, cut)));
    expect(continued, `round ${round}, cut ${cut}`).toBe(crc32c(bytes));
  }
});

test("compression is that of the SDK's codec", () => {
  const bytes = Buffer.alloc(10_000, "text ");
  const compressed = nodeCodec.compress("lz4", bytes);
  expect(Buffer.from(nativeCodec.compress("lz4", bytes))).toEqual(Buffer.from(compressed));
});
