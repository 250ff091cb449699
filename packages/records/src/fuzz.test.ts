/**
 * fuzz.test.ts: no input makes a decoder hang, throw an untyped error, or allocate more than README, "Bounds", states.
 *
 * Allocations are counted, not estimated: before the code under test is loaded, the global Uint8Array is replaced by one
 * that adds up every size it is constructed with, in this package and in fzstd. zlib allocates natively; its share is
 * bounded by its own output limit, which the compression tests judge.
 */
import type { Codec, CompressionKind } from "@varve/base";
import { isVarveError, KIB, MIB } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { beforeAll, expect, test } from "vitest";

const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const KINDS: readonly CompressionKind[] = ["none", "gzip", "snappy", "lz4", "zstd"];
const BYTES_MAX = 256 * KIB;
/** README, "Bounds": bytes that one decode may allocate in total. */
const allocatedBytesMax = (bytesMax: number): number => 8 * bytesMax + 16 * MIB;
/** Far above what any of these inputs takes; a hang would be seconds. */
const DECODE_MS_MAX = 2_000;
/** A decoder that hangs does so each time; a processor that its host takes away for seconds is charged to this process, but hardly ever twice. */
const SLOW_DECODES_MAX = 3;

let allocatedBytes = 0;
globalThis.Uint8Array = new Proxy(Uint8Array, {
  construct(target, args: unknown[], newTarget) {
    if (typeof args[0] === "number") allocatedBytes += args[0];
    return Reflect.construct(target, args, newTarget);
  },
});

type Records = typeof import("./index.js");
type Testing = typeof import("./testing/index.js");
let records: Records;
let testing: Testing;
let codec: Codec;
let inspectZstdFrame: typeof import("./compression/zstd-frame.js").inspectZstdFrame;
let zstdDecompressPortable: typeof import("./node/zstd.js").zstdDecompressPortable;

beforeAll(async () => {
  records = await import("./index.js");
  testing = await import("./testing/index.js");
  ({ nodeCodec: codec } = await import("./node/codec.js"));
  ({ inspectZstdFrame } = await import("./compression/zstd-frame.js"));
  ({ zstdDecompressPortable } = await import("./node/zstd.js"));
  await codec.prepare("zstd");
});

/** Runs `decode` on an input: it may return or throw a VarveError, in time, within the stated allocations. */
function survive(decode: () => void, bytesMax: number, what: () => string): boolean {
  let slow = 0;
  for (;;) {
    // Of the processor: how long others had it meanwhile says nothing of the decoder.
    const cpu = process.cpuUsage();
    const failed = failsTyped(decode, bytesMax, what);
    const { user, system } = process.cpuUsage(cpu);
    if ((user + system) / 1_000 < DECODE_MS_MAX) return failed;
    expect(++slow, `slow each time: ${what()}`).toBeLessThan(SLOW_DECODES_MAX);
  }
}

function failsTyped(decode: () => void, bytesMax: number, what: () => string): boolean {
  allocatedBytes = 0;
  let failed = false;
  try {
    decode();
  } catch (error) {
    failed = true;
    if (!isVarveError(error)) throw new Error(`untyped error: ${what()}`, { cause: error });
  }
  expect(allocatedBytes, what()).toBeLessThanOrEqual(allocatedBytesMax(bytesMax));
  return failed;
}

/** Everything a reader does with a batch, up to the last header. */
function readAll(batch: Uint8Array, checkCrc: boolean): void {
  for (const record of records.decodeRecords(batch, codec, { bytesMax: BYTES_MAX, checkCrc })) void record.headers;
}

/** Flips bits, overwrites, cuts, repeats or inserts, a few times; the first bytes are hit as often as all the others. */
function mutate(prng: Prng, original: Uint8Array): Uint8Array {
  let bytes = Uint8Array.from(original);
  for (let times = prng.between(1, 4); times > 0 && bytes.length > 0; times--) {
    const at = prng.between(0, prng.chance(0.5) ? Math.min(80, bytes.length - 1) : bytes.length - 1);
    const how = prng.between(0, 4);
    if (how === 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << prng.between(0, 7));
    else if (how === 1) bytes[at] = prng.pick([0, 1, 0x7f, 0x80, 0xff, prng.between(0, 255)]);
    else if (how === 2) bytes.set(prng.bytes(Math.min(prng.between(1, 8), bytes.length - at)), at);
    else if (how === 3) bytes = bytes.slice(0, at);
    else bytes = Uint8Array.from([...bytes.subarray(0, at), ...prng.bytes(prng.between(1, 20)), ...bytes.subarray(at)]);
  }
  return bytes;
}

/** Corrects the length field, so that the mutation is met behind it. */
function withRightLength(batch: Uint8Array): Uint8Array {
  if (batch.length >= 61) new DataView(batch.buffer, batch.byteOffset).setInt32(8, batch.length - 12);
  return batch;
}

test.each(KINDS)(`mutated batches in %s are decoded or refused (SEED=${SEED})`, (compression) => {
  const prng = new Prng(SEED);
  let refused = 0;
  for (let round = 0; round < 3_000; round++) {
    const batch = records.encodeBatch({ records: testing.randomRecords(prng, 8), compression }, codec);
    const mutated = mutate(prng, batch);
    const input = prng.chance(0.8) ? withRightLength(mutated) : mutated;
    const what = (): string => `round ${round}: ${Buffer.from(input).toString("hex")}`;
    if (survive(() => readAll(input, false), BYTES_MAX, what)) refused++;
    survive(() => records.checkBatch(input, codec), BYTES_MAX, what);
    survive(() => void records.splitBatches(input), BYTES_MAX, what);
  }
  expect(refused, "most mutations do damage").toBeGreaterThan(300);
});

test(`random bytes are refused as batches and as runs of batches (SEED=${SEED})`, () => {
  const prng = new Prng(SEED);
  for (let round = 0; round < 5_000; round++) {
    const input = prng.bytes(prng.between(0, 400));
    const what = (): string => `round ${round}: ${Buffer.from(input).toString("hex")}`;
    if (input.length > 16 && prng.chance(0.9)) input[16] = 2;
    expect(survive(() => readAll(input, true), BYTES_MAX, what)).toBe(true);
    survive(() => readAll(withRightLength(input), false), BYTES_MAX, what);
    survive(() => void records.splitBatches(input), BYTES_MAX, what);
  }
});

test.each(KINDS.slice(1))(`mutated and random %s data stays within its limit (SEED=${SEED})`, (kind) => {
  const prng = new Prng(SEED);
  for (let round = 0; round < 3_000; round++) {
    const content = Buffer.alloc(prng.between(0, 3_000), `${prng.uint32()} and ${prng.uint32()}, `);
    const compressed = codec.compress(kind, content);
    const input = prng.chance(0.2)
      ? withMagicOf(compressed, prng.bytes(prng.between(0, 200)))
      : mutate(prng, compressed);
    const bytesMax = prng.pick([0, 100, 5_000, BYTES_MAX]);
    const check = (output: Uint8Array): void => expect(output.length).toBeLessThanOrEqual(bytesMax);
    const what = (): string => `round ${round}, limit ${bytesMax}: ${Buffer.from(input).toString("hex")}`;
    survive(() => check(codec.decompress(kind, input, bytesMax)), bytesMax, what);
    if (kind !== "zstd") continue;
    survive(() => check(zstdDecompressPortable(input, bytesMax, inspectZstdFrame(input, bytesMax))), bytesMax, what);
  }
});

/** Noise that begins like the real thing, so that it gets past the first look. */
function withMagicOf(compressed: Uint8Array, noise: Uint8Array): Uint8Array {
  noise.set(compressed.subarray(0, Math.min(7, noise.length)));
  return noise;
}

test("a zstd frame of very many tiny blocks is refused instead of costing a block buffer each", () => {
  const block = [0x1c, 0x00, 0x00, 0x08, 0x41, 0x00]; // Compressed, not last, 3 bytes: literals "A", no sequences.
  const header = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
  const frame = Uint8Array.from([...header, ...Array.from({ length: 20_000 }, () => block).flat(), 0x01, 0, 0]);
  const decode = (): unknown => zstdDecompressPortable(frame, MIB, inspectZstdFrame(frame, MIB));
  expect(decode).toThrow(expect.objectContaining({ code: "BATCH_TOO_LARGE" }));
  survive(
    () => void decode(),
    MIB,
    () => "many tiny blocks",
  );
  survive(
    () => void codec.decompress("zstd", frame, MIB),
    MIB,
    () => "many tiny blocks, any zstd",
  );
});

test("snappy data that claims 256 MiB allocates nothing for it", () => {
  const lie = Uint8Array.from([0xff, 0xff, 0xff, 0x7f, 0x00, 0x41]);
  allocatedBytes = 0;
  expect(() => codec.decompress("snappy", lie, 2 ** 30)).toThrow(expect.objectContaining({ code: "CORRUPT_BATCH" }));
  expect(allocatedBytes).toBe(0);
});

test("an lz4 frame that claims 4 MiB blocks for a few bytes allocates 255 times its size at most", () => {
  const text = Buffer.alloc(50, "abc");
  const frame = Buffer.from(codec.compress("lz4", text));
  frame[5] = 0x70;
  frame[6] = 0x73; // The checksum byte of that descriptor.
  allocatedBytes = 0;
  expect(Buffer.from(codec.decompress("lz4", frame, 32 * MIB))).toEqual(text);
  expect(allocatedBytes).toBeLessThanOrEqual(frame.length * 255);
});
