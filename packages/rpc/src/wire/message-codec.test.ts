/** message-codec.test.ts: our codec against protobufjs, which knows nothing of our tables, and against damaged bytes. */
import { loadFileDescriptorSetFromBuffer, type MessageTypeDefinition } from "@grpc/proto-loader";
import { isVarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { SCHEMA_FILES } from "../gen/descriptors.js";
import * as keda from "../gen/keda.js";
import * as varve from "../gen/varve.js";
import { CODECS, randomMessage, withOneofs } from "../testing/random-message.js";
import type { Fields } from "./message-codec.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

/** Field 1 of a FileDescriptorSet, once per file. */
function descriptorSet(): Buffer {
  const parts = SCHEMA_FILES.flatMap(({ base64 }) => {
    const bytes = Buffer.from(base64, "base64");
    const head = [0x0a];
    let length = bytes.length;
    for (; length > 0x7f; length >>>= 7) head.push((length & 0x7f) | 0x80);
    return [Buffer.from([...head, length]), bytes];
  });
  return Buffer.concat(parts);
}

const oracle = loadFileDescriptorSetFromBuffer(descriptorSet(), {
  keepCase: false,
  longs: Number,
  defaults: true,
  arrays: true,
  objects: true,
  oneofs: false,
});

/** Comparable: absent is left out, as protobufjs does; its names of a descriptor set are those of the schema, in snake case. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return plainList(value);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(
    ([key, each]) => each !== null && each !== undefined && !key.startsWith("_") && !isEmpty(each),
  );
  return Object.fromEntries(entries.map(([key, each]) => [camel(key), plain(each)]));
}

function plainList(list: readonly unknown[]): unknown {
  return isEntries(list) ? mapOf(list) : list.map(plain);
}

interface MapEntry {
  readonly key: string;
  readonly value: unknown;
}

/** A schema that was read from descriptors shows a map as the list of entries that it is on the wire. */
function isEntries(value: readonly unknown[]): value is readonly MapEntry[] {
  return value.length > 0 && value.every((each) => /^k\d$/.test(String((each as Partial<MapEntry> | null)?.key)));
}

function mapOf(entries: readonly MapEntry[]): Fields {
  return Object.fromEntries(entries.map(({ key, value }) => [key, plain(value)]));
}

/** An empty list and an empty map are nothing on the wire. */
function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return (
    typeof value === "object" && value !== null && !(value instanceof Uint8Array) && Object.keys(value).length === 0
  );
}

/** Random maps have the keys k0, k1, ...; no embedded message is without fields. */
function isMap(value: unknown): value is Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array) return false;
  return Object.keys(value).every((key) => /^k\d$/.test(key));
}

function entriesOf(map: Fields): MapEntry[] {
  return Object.entries(map).map(([key, value]) => ({ key, value: snaked(value) }));
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** KEDA's schema has its names in camel case already. */
function schemaNames(codec: { readonly name: string }, message: Fields): object {
  const isTheirs = codec.name.startsWith("externalscaler.");
  return (isTheirs ? listed(message) : snaked(message)) as object;
}

/** Maps as lists of entries, at any depth. */
function listed(value: unknown): unknown {
  if (value instanceof Uint8Array || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(listed);
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, isMap(each) ? entriesOf(each) : listed(each)]),
  );
}

function snaked(value: unknown): unknown {
  if (value instanceof Uint8Array || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(snaked);
  const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [snake(key), isMap(each) ? entriesOf(each) : snaked(each)]),
  );
}

describe(`codec (SEED=${seed})`, () => {
  test.each(CODECS.map((codec) => [codec.name, codec] as const))(
    "%s reads and writes what protobufjs does",
    (name, codec) => {
      const prng = new Prng(seed);
      const theirs = oracle[name] as unknown as MessageTypeDefinition<object, object>;
      for (let round = 0; round < 60; round++) {
        const message = withOneofs(randomMessage(prng, codec), codec);
        const bytes = codec.encode(message);
        expect(plain(codec.decode(bytes)), `round ${round}: back`).toEqual(plain(message));
        expect(plain(theirs.deserialize(Buffer.from(bytes))), `round ${round}: they read ours`).toEqual(plain(message));
        const other = theirs.serialize(schemaNames(codec, message));
        expect(plain(codec.decode(other)), `round ${round}: we read theirs`).toEqual(plain(message));
      }
    },
  );

  test("damaged bytes are a typed error or a message, never anything else", () => {
    const prng = new Prng(seed);
    for (let round = 0; round < 4_000; round++) {
      const codec = prng.pick(CODECS);
      const bytes = codec.encode(withOneofs(randomMessage(prng, codec), codec));
      const cut = bytes.slice(0, prng.between(0, bytes.length));
      for (let flips = prng.between(0, 3); flips > 0 && cut.length > 0; flips--)
        cut[prng.between(0, cut.length - 1)] = prng.between(0, 255);
      try {
        codec.decode(cut);
      } catch (error) {
        expect(isVarveError(error) && error.code === "INVALID_ARGUMENT" && error.effect === "NOT_APPLIED").toBe(true);
      }
    }
  });
});

test("bytes of a decoded message are views, not copies", () => {
  const bytes = Buffer.from(varve.ProduceRequestCodec.encode({ batch: new Uint8Array([1, 2, 3]) }));
  const { batch } = varve.ProduceRequestCodec.decode(bytes);
  expect(Buffer.isBuffer(batch)).toBe(true);
  expect(batch.buffer).toBe(bytes.buffer);
});

test("a map entry called __proto__ stays an entry", () => {
  const config = Object.fromEntries([["__proto__", "1"]]);
  const decoded = varve.CreateTopicRequestCodec.decode(varve.CreateTopicRequestCodec.encode({ config }));
  expect(Object.keys(decoded.config)).toEqual(["__proto__"]);
});

test.each([
  { why: "fractional", message: { offset: 1.5 } },
  { why: "not a number", message: { offset: Number.NaN } },
  { why: "beyond 2^53 - 1", message: { offset: 2 ** 53 } },
  { why: "int32 beyond its range", message: { partition: 2 ** 31 } },
])("a number that is $why is refused before it is sent", ({ message }) => {
  expect(() => varve.ReadRequestCodec.encode(message)).toThrow(/nothing was sent/);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY])("a double of %d is refused on both sides", (metricValueFloat) => {
  expect(() => keda.MetricValueCodec.encode({ metricValueFloat })).toThrow(/nothing was sent/);
  const bytes = Buffer.from([(3 << 3) | 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  bytes.writeDoubleLE(metricValueFloat, 1);
  expect(() => keda.MetricValueCodec.decode(bytes)).toThrow(/not finite/);
});

test("a number beyond 2^53 - 1 on the wire is refused", () => {
  const bytes = Uint8Array.from([4 << 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
  expect(() => varve.ReadRequestCodec.decode(bytes)).toThrow(/beyond 2\^53 - 1/);
});

test("an enum value that the schema does not name is refused on both sides", () => {
  expect(() => varve.ProduceRequestCodec.decode(Uint8Array.from([5 << 3, 9]))).toThrow(/has 9 as acks/);
  expect(() => varve.ProduceRequestCodec.encode({ acks: 9 as varve.Acks })).toThrow(/no known value/);
});

test("fields of a newer schema are passed over", () => {
  const known = varve.SubscribeGrantCodec;
  const bytes = Uint8Array.from([
    15 << 3,
    1,
    (14 << 3) | 2,
    2,
    7,
    7,
    (13 << 3) | 5,
    0,
    0,
    0,
    0,
    8,
    42,
    (12 << 3) | 1,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
  ]);
  expect(known.decode(bytes)).toEqual({ bytes: 42 });
});
