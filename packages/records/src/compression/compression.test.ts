/** compression.test.ts: every codec round-trips, reads the frames that others write, and is bounded. */

import { Zstd } from "@hpcc-js/wasm-zstd";
import { compressionsAlgorithms } from "@platformatic/kafka";
import { KIB, MIB } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { writeInt32, writeUint32Le } from "../bytes.js";
import { nodeCodec } from "../node/codec.js";
import { zstdDecompressPortable } from "../node/zstd.js";
import { lz4Decompress } from "./lz4-frame.js";
import { snappyDecompress } from "./snappy.js";
import { xxhash32 } from "./xxhash32.js";
import { inspectZstdFrame } from "./zstd-frame.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const KINDS = ["gzip", "snappy", "lz4", "zstd"] as const;

beforeAll(() => nodeCodec.prepare("zstd"));

/** Noise, runs, and repeats at all distances, in random order. */
function sample(prng: Prng, bytesMax: number): Uint8Array {
  const bytes = new Uint8Array(prng.between(0, bytesMax));
  let at = 0;
  while (at < bytes.length) {
    const length = Math.min(bytes.length - at, 1 + Math.floor(bytesMax * prng.ratio() ** 6));
    const how = prng.between(0, 2);
    if (how === 0) bytes.set(prng.bytes(length), at);
    else if (how === 1 || at === 0) bytes.fill(prng.uint32(), at, at + length);
    else
      for (let back = prng.between(1, at), end = at + length, to = at; to < end; to++)
        bytes[to] = bytes[to - back] ?? 0;
    at += length;
  }
  return bytes;
}

describe.each(KINDS)("%s", (kind) => {
  test(`gives back what it was given, of any size and kind (SEED=${SEED})`, () => {
    const prng = new Prng(SEED);
    const sizes = [0, 1, 4, 5, 12, 13, 100, 65_535, 65_536, 65_537, 300 * KIB];
    const inputs = [
      ...sizes.map((size) => new Uint8Array(size).fill(7)),
      ...sizes.map((size) => prng.bytes(size)),
      ...Array.from({ length: 60 }, () => sample(prng, prng.pick([30, 3_000, 200_000]))),
    ];
    for (const input of inputs) {
      const output = nodeCodec.decompress(kind, nodeCodec.compress(kind, input), input.length);
      expect(Buffer.compare(output, input), `${input.length} bytes`).toBe(0);
    }
  });

  test("compresses text to less than half", () => {
    const text = Buffer.from(
      Array.from({ length: 2_000 }, (_, line) => `GET /item/${line * 7} HTTP/1.1 200\n`).join(""),
    );
    expect(nodeCodec.compress(kind, text).length).toBeLessThan(text.length / 2);
  });

  test("refuses output above the limit, by a byte and by a bomb's worth", () => {
    const bomb = nodeCodec.compress(kind, new Uint8Array(8 * MIB));
    for (const bytesMax of [8 * MIB - 1, 100_000, 1, 0]) {
      expect(() => nodeCodec.decompress(kind, bomb, bytesMax), `limit ${bytesMax}`).toThrow(
        expect.objectContaining({ code: "BATCH_TOO_LARGE" }),
      );
    }
    expect(nodeCodec.decompress(kind, bomb, 8 * MIB).length).toBe(8 * MIB);
  });

  test("a cut at any place is CORRUPT_BATCH", () => {
    const whole = nodeCodec.compress(kind, Buffer.from("some text, some text, some more text".repeat(5)));
    for (let length = 0; length < whole.length; length++) {
      expect(() => nodeCodec.decompress(kind, whole.subarray(0, length), MIB), `${length} bytes`).toThrow(
        expect.objectContaining({ code: "CORRUPT_BATCH" }),
      );
    }
  });
});

describe("snappy of other writers", () => {
  test("chunks in the Java frame are read and joined", () => {
    const parts = ["first part ".repeat(20), "second part ".repeat(30)].map((text) => Buffer.from(text));
    const header = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
    const chunks = parts.map((part) => {
      const raw = compressionsAlgorithms.snappy.compressSync(Buffer.from(part));
      const size = Buffer.alloc(4);
      writeInt32(size, 0, raw.length);
      return Buffer.concat([size, raw]);
    });
    const framed = Buffer.concat([header, ...chunks]);
    expect(Buffer.from(snappyDecompress(framed, MIB))).toEqual(Buffer.concat(parts));
    expect(() => snappyDecompress(framed, 400)).toThrow(expect.objectContaining({ code: "BATCH_TOO_LARGE" }));
    expect(() => snappyDecompress(framed.subarray(0, -1), MIB)).toThrow(
      expect.objectContaining({ code: "CORRUPT_BATCH" }),
    );
  });

  test("a length that the data cannot have is refused before anything is allocated", () => {
    const lie = Uint8Array.from([0xff, 0xff, 0xff, 0x7f, 0x00, 0x41]);
    expect(() => snappyDecompress(lie, 2 ** 30)).toThrow(expect.objectContaining({ code: "CORRUPT_BATCH" }));
  });
});

describe("lz4 of other writers", () => {
  const text = Buffer.from("repeat repeat repeat repeat, repeat repeat!");

  /** A frame with every optional field: linked blocks of 64 KiB, block and content checksums, content size. */
  function fullFrame(): Buffer {
    const block1 = Buffer.from([0x70, ...text.subarray(0, 7)]);
    const block2Content = text.subarray(7);
    const descriptor = Buffer.from([0x5c, 0x40, 0, 0, 0, 0, 0, 0, 0, 0]);
    writeUint32Le(descriptor, 2, text.length);
    // The second block repeats bytes of the first: 20 bytes at distance 7, then the rest as literals.
    const rest = block2Content.subarray(20);
    const block2 = Buffer.from([0x0f, 7, 0, 1, 0xf0, rest.length - 15, ...rest]);
    const parts: Uint8Array[] = [
      Buffer.from([4, 0x22, 0x4d, 0x18]),
      descriptor,
      Buffer.from([(xxhash32(descriptor) >>> 8) & 0xff]),
    ];
    for (const block of [block1, block2]) parts.push(u32(block.length), block, u32(xxhash32(block)));
    return Buffer.concat([...parts, u32(0), u32(xxhash32(text))]);
  }

  function u32(value: number): Buffer {
    const bytes = Buffer.alloc(4);
    writeUint32Le(bytes, 0, value);
    return bytes;
  }

  test("linked blocks, checksums and content size are understood", () => {
    expect(Buffer.from(lz4Decompress(fullFrame(), MIB)).toString()).toBe(text.toString());
  });

  test("every flipped bit of a frame with checksums is noticed", () => {
    const frame = fullFrame();
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const spoiled = Buffer.from(frame);
      spoiled[bit >> 3] = (spoiled[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => lz4Decompress(spoiled, MIB), `bit ${bit}`).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^(CORRUPT_BATCH|BATCH_TOO_LARGE)$/) }),
      );
    }
  });
});

describe("damaged lz4 blocks", () => {
  /** A frame of one block without checksums, as lz4Compress writes it. */
  function frameOf(block: readonly number[]): Uint8Array {
    return Uint8Array.from([4, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, block.length, 0, 0, 0, ...block, 0, 0, 0, 0]);
  }

  test("the frame that the rows below use is valid", () => {
    expect([...lz4Decompress(frameOf([0x20, 65, 66]), 10)]).toEqual([65, 66]);
  });

  test.each([
    { why: "a distance of 0", block: [0x10, 65, 0, 0, 0x10, 66] },
    { why: "a distance before the data", block: [0x10, 65, 2, 0, 0x10, 66] },
    { why: "literals beyond the block", block: [0x30, 65, 66] },
    { why: "half a distance", block: [0x10, 65, 1] },
    { why: "a length without end", block: [0xf0, 255, 255] },
    { why: "no last literals", block: [0x10, 65, 1, 0] },
  ])("$why is CORRUPT_BATCH", ({ block }) => {
    expect(() => lz4Decompress(frameOf(block), 1_000)).toThrow(expect.objectContaining({ code: "CORRUPT_BATCH" }));
  });
});

describe("xxhash32", () => {
  // xxHash repository, sanity tests for seed 0, and the lz4 frame documentation's header example.
  test.each([
    ["", 0x02cc5d05],
    ["a", 0x550d7456],
    ["abc", 0x32d153ff],
    ["Nobody inspects the spammish repetition", 0xe2293b2f],
  ])("of %j is its published value", (text, want) => {
    expect(xxhash32(Buffer.from(text))).toBe(want);
  });
});

describe("zstd", () => {
  test(`frames without a content size are read by the portable reader, too (SEED=${SEED})`, async () => {
    const zstd = await Zstd.load();
    const prng = new Prng(SEED);
    for (let round = 0; round < 20; round++) {
      const input = sample(prng, 400_000);
      const frame = streamed(zstd, input);
      const inspected = inspectZstdFrame(frame, MIB);
      expect(inspected.contentBytes, "a streaming writer names no size").toBeNull();
      expect(Buffer.compare(zstdDecompressPortable(frame, MIB, inspected), input), `round ${round}`).toBe(0);
      expect(Buffer.compare(nodeCodec.decompress("zstd", frame, MIB), input), `round ${round}`).toBe(0);
    }
  });

  function streamed(zstd: Zstd, input: Uint8Array): Uint8Array {
    zstd.reset();
    const chunks = [];
    for (let at = 0; at < input.length; at += 100_000)
      chunks.push(zstd.compressChunk(input.subarray(at, at + 100_000)));
    return Buffer.concat([...chunks, zstd.compressEnd()]);
  }

  test.each([
    { why: "a dictionary", bytes: [0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x50, 0x01, 0x01, 0, 0], code: "CORRUPT_BATCH" },
    { why: "a window of 1 GiB", bytes: [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0, 0], code: "BATCH_TOO_LARGE" },
    { why: "a reserved block type", bytes: [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50, 0x07, 0, 0], code: "CORRUPT_BATCH" },
    { why: "bytes after the frame", bytes: [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50, 0x01, 0, 0, 9], code: "CORRUPT_BATCH" },
  ])("$why is refused before decompression", ({ bytes, code }) => {
    expect(() => inspectZstdFrame(Uint8Array.from(bytes), MIB)).toThrow(expect.objectContaining({ code }));
  });
});
