/**
 * mutations.ts: spoils valid bytes the way broken disks, other versions and hostile senders do. One seed gives one row of inputs.
 *
 * Two kinds: of bytes (flips, cuts, splices, length fields, varints, doubles at their extremes), and of JSON (a node replaced,
 * removed, renamed, repeated or nested deep), since a flipped byte of JSON is nearly always no JSON at all.
 */
import type { Prng } from "./prng.js";

/** Spoils `bytes`, which stay as they are; the answer is always a copy. */
export type Mutate = (prng: Prng, bytes: Uint8Array, others: readonly Uint8Array[]) => Uint8Array;

/** Bytes around which parsers err: ends of ranges, continuation bits, quotes and brackets. */
const ODD_BYTES = [0, 1, 0x22, 0x2d, 0x5b, 0x7b, 0x7f, 0x80, 0xfe, 0xff];
/** 2^53 as a double is the first number that has a neighbour it cannot be told from. */
const ODD_DOUBLES = [Number.NaN, Number.POSITIVE_INFINITY, -0, -1, 0.5, 2 ** 31, 2 ** 53, 2 ** 53 + 2, 1e308];
/** Ends of a 64-bit varint, one byte beyond its end, and bytes that all promise another one. */
const ODD_VARINTS = [
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
  [0x80, 0x80, 0x80, 0x00],
  [0x80, 0x80],
];

/** A place in `0 .. length - 1`; the first 128 bytes, where headers are, are hit as often as all the others. */
function place(prng: Prng, length: number): number {
  return prng.between(0, prng.chance(0.5) ? Math.min(127, length - 1) : length - 1);
}

/** `bytes` with `inserted` in place of `removed` bytes at `at`. */
function replaced(bytes: Uint8Array, at: number, removed: number, inserted: Uint8Array): Uint8Array {
  const result = new Uint8Array(at + inserted.length + Math.max(0, bytes.length - at - removed));
  result.set(bytes.subarray(0, at));
  result.set(inserted, at);
  result.set(bytes.subarray(Math.min(bytes.length, at + removed)), at + inserted.length);
  return result;
}

/** What a length or a count that lies may say of `length` bytes. */
function lyingLength(prng: Prng, length: number): number {
  return prng.pick([0, 1, 255, 65_535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, length, length + 1, Math.max(0, length - 1)]);
}

function lengthField(prng: Prng, bytes: Uint8Array): Uint8Array {
  const result = Uint8Array.from(bytes);
  const width = prng.pick([2, 4, 8]);
  if (result.length < width) return result;
  const at = prng.between(0, Math.min(result.length - width, prng.chance(0.7) ? 128 : result.length));
  const view = new DataView(result.buffer);
  const little = prng.chance(0.7);
  const value = lyingLength(prng, bytes.length);
  if (width === 2) view.setUint16(at, value, little);
  else if (width === 4) view.setUint32(at, value, little);
  else view.setBigUint64(at, prng.chance(0.3) ? 2n ** 64n - 1n : BigInt(value), little);
  return result;
}

function oddDouble(prng: Prng, bytes: Uint8Array): Uint8Array {
  const result = Uint8Array.from(bytes);
  if (result.length < 8) return result;
  const at = 8 * prng.between(0, Math.floor((result.length - 8) / 8));
  new DataView(result.buffer).setFloat64(at, prng.pick(ODD_DOUBLES), true);
  return result;
}

const BYTE_MUTATIONS: readonly Mutate[] = [
  (prng, bytes) => {
    const at = place(prng, bytes.length);
    return replaced(bytes, at, 1, Uint8Array.of((bytes[at] ?? 0) ^ (1 << prng.between(0, 7))));
  },
  (prng, bytes) => replaced(bytes, place(prng, bytes.length), 1, Uint8Array.of(prng.pick(ODD_BYTES))),
  (prng, bytes) => bytes.slice(0, place(prng, bytes.length)),
  (prng, bytes) => replaced(bytes, place(prng, bytes.length), prng.between(1, 8), new Uint8Array(0)),
  (prng, bytes) => replaced(bytes, place(prng, bytes.length), prng.between(0, 8), prng.bytes(prng.between(1, 20))),
  (prng, bytes) => {
    const from = place(prng, bytes.length);
    const piece = bytes.subarray(from, from + prng.between(1, 64));
    return replaced(bytes, place(prng, bytes.length), prng.chance(0.5) ? piece.length : 0, piece);
  },
  (prng, bytes, others) => {
    const other = others.length === 0 ? bytes : prng.pick(others);
    return replaced(bytes, place(prng, bytes.length), bytes.length, other.subarray(prng.between(0, other.length)));
  },
  (prng, bytes) => lengthField(prng, bytes),
  (prng, bytes) => oddDouble(prng, bytes),
  (prng, bytes) => {
    const varint = Uint8Array.from(prng.pick(ODD_VARINTS));
    return replaced(bytes, place(prng, bytes.length), prng.pick([0, 1, varint.length]), varint);
  },
];

/** One to four mutations of bytes, one after another; sometimes nothing but noise. */
export const mutateBytes: Mutate = (prng, bytes, others) => {
  if (prng.chance(0.02)) return prng.bytes(prng.between(0, 200));
  let result = Uint8Array.from(bytes);
  for (let times = prng.between(1, 4); times > 0 && result.length > 0; times--) {
    result = Uint8Array.from(prng.pick(BYTE_MUTATIONS)(prng, result, others));
  }
  return result;
};

/** JSON that means trouble: wrong types, ends of ranges, names of the prototype, and nesting that ends a recursive reader's stack. */
const ODD_JSON: readonly string[] = [
  "null",
  "true",
  '""',
  '"x"',
  "[]",
  "{}",
  "0",
  "-0",
  "-1",
  "0.5",
  "1e999",
  "2147483648",
  "9007199254740991",
  "9007199254740993",
  '"\\ud800"',
  '"\\u0000"',
  '"../../etc"',
  '{"__proto__":{"polluted":1}}',
  '{"constructor":{"prototype":{}}}',
];
const DEEP_LEVELS = 20_000;

function oddJson(prng: Prng): string {
  if (prng.chance(0.05)) return "[".repeat(DEEP_LEVELS) + "]".repeat(DEEP_LEVELS);
  if (prng.chance(0.05)) return `"${"x".repeat(prng.pick([256, 1_025, 70_000]))}"`;
  return prng.pick(ODD_JSON);
}

type Container = unknown[] | Record<string, unknown>;

/** A list or record somewhere inside `root`, every level with equal chance to be the last. */
function containerIn(prng: Prng, root: Container): Container {
  let here = root;
  for (;;) {
    const inside = Object.values(here).filter((each): each is Container => typeof each === "object" && each !== null);
    if (inside.length === 0 || prng.chance(0.3)) return here;
    here = prng.pick(inside);
  }
}

/** Stands where odd JSON is put in afterwards, as text: a parsed value could not hold all of it. */
const MARK = "\u0001odd\u0001";

function spoilContainer(prng: Prng, target: Container): void {
  const keys = Object.keys(target);
  const key = keys.length === 0 ? "" : prng.pick(keys);
  const fields = target as Record<string, unknown>;
  const how = prng.between(0, 9);
  if (how === 0 && Array.isArray(target)) target.splice(Number(key), 1);
  else if (how === 0) delete fields[key];
  else if (how === 1 && Array.isArray(target)) target.push(...target.slice(0, 3));
  else if (how === 1) fields[`${key}x`] = fields[key];
  else if (how === 2 && keys.length > 1) fields[key] = fields[prng.pick(keys)];
  else fields[key] = MARK;
}

/** Spoils JSON in UTF-8 at one to three of its nodes; bytes that are no JSON are spoiled as bytes. */
export const mutateJson: Mutate = (prng, bytes, others) => {
  if (prng.chance(0.2)) return mutateBytes(prng, bytes, others);
  let root: unknown;
  try {
    root = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return mutateBytes(prng, bytes, others);
  }
  if (typeof root !== "object" || root === null || prng.chance(0.02)) return new TextEncoder().encode(oddJson(prng));
  for (let times = prng.between(1, 3); times > 0; times--) spoilContainer(prng, containerIn(prng, root as Container));
  const text = JSON.stringify(root).replaceAll(JSON.stringify(MARK), () => oddJson(prng));
  return new TextEncoder().encode(text);
};
