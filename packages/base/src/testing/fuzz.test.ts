/** fuzz.test.ts: the judge of decoders finds what is wrong with bad ones, and the mutations reach all of an input. */
import { expect, test } from "vitest";
import { VarveError } from "../errors.js";
import { fuzzDecoder, fuzzSeed } from "./fuzz.js";
import { mutateBytes, mutateJson } from "./mutations.js";
import { Prng } from "./prng.js";

const seed = fuzzSeed();
const SAMPLE = Uint8Array.of(3, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0);

/** A length, that many bytes, and 8 bytes that are ignored. */
function decodeGood(bytes: Uint8Array): Uint8Array {
  const length = bytes[0];
  if (length === undefined || 1 + length > bytes.length) throw refusal();
  return bytes.subarray(1, 1 + length);
}

const encodeGood = (value: Uint8Array): Uint8Array => Uint8Array.of(value.length, ...value);

function refusal(): VarveError {
  return new VarveError("CORRUPT_BATCH", { message: "no" });
}

const good = { samples: [SAMPLE], decode: decodeGood, encode: encodeGood, codes: ["CORRUPT_BATCH"], seed } as const;

test(`a good decoder passes, and both outcomes occur (SEED=${seed})`, () => {
  const report = fuzzDecoder(good);
  expect(report.decoded).toBeGreaterThan(20);
  expect(report.refused).toBeGreaterThan(20);
});

test.each([
  {
    why: "an untyped error",
    broken: { decode: (bytes: Uint8Array) => new Uint8Array(bytes.buffer, 0, 1 + (bytes[0] ?? 0)).subarray(1) },
    says: /untyped error/,
  },
  { why: "an error of another code", broken: { codes: ["DIVERGED"] as const }, says: /CORRUPT_BATCH is not among/ },
  {
    why: "an allocation that believes the input",
    broken: {
      decode: (bytes: Uint8Array) => [new Uint8Array((bytes[0] ?? 0) * 2 ** 20), decodeGood(bytes)][1] as Uint8Array,
    },
    says: /decoding took \d+ bytes/,
  },
  {
    why: "a value that is lost on its way back",
    broken: { encode: (value: Uint8Array) => encodeGood(value.length > 3 ? value.subarray(1) : value) },
    says: /the second time/,
  },
  {
    why: "a value that cannot be encoded",
    broken: {
      encode: (value: Uint8Array) => encodeGood(value.length === 255 ? new Uint8Array(-1) : value.subarray(0, 3)),
    },
    says: /does not encode/,
    lengths: true,
  },
])(`$why is found (SEED=${seed})`, ({ broken, says, lengths }) => {
  const samples = lengths ? [SAMPLE, Uint8Array.of(255, ...new Uint8Array(260))] : [SAMPLE];
  expect(() => fuzzDecoder({ ...good, ...broken, samples })).toThrow(says);
});

test(`one seed gives one row of inputs (SEED=${seed})`, () => {
  const row = (mutate: typeof mutateBytes): string[] => {
    const prng = new Prng(seed);
    const sample = Buffer.from('{"a":[1,{"b":"c"}],"d":null}');
    return Array.from({ length: 200 }, () => Buffer.from(mutate(prng, sample, [sample])).toString("hex"));
  };
  expect(row(mutateBytes)).toEqual(row(mutateBytes));
  expect(row(mutateJson)).toEqual(row(mutateJson));
  expect(new Set(row(mutateBytes)).size).toBeGreaterThan(150);
});

test(`mutations of JSON are mostly JSON, with every node changed in turn (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  const sample = Buffer.from('{"a":[1,{"b":"c"}],"d":5}');
  let valid = 0;
  const changed = { a: 0, b: 0, d: 0 };
  for (let round = 0; round < 1_000; round++) {
    let value: { a?: [unknown, { b?: unknown }]; d?: unknown };
    try {
      value = JSON.parse(Buffer.from(mutateJson(prng, sample, [])).toString()) as typeof value;
    } catch {
      continue;
    }
    valid++;
    if (value?.a === undefined) changed.a++;
    if (value?.a?.[1]?.b !== "c") changed.b++;
    if (value?.d !== 5) changed.d++;
  }
  expect(valid).toBeGreaterThan(600);
  for (const count of Object.values(changed)) expect(count).toBeGreaterThan(20);
});
