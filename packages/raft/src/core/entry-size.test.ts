/**
 * entry-size.test.ts: what entries count in limits.
 */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { testEntry } from "../testing/samples.js";
import { type Entry, EntryType } from "../types.js";
import { encodedEntryBytes, fittingCount, payloadBytes, totalSize } from "./entry-size.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

/** Protobuf bytes of an entry, written out field by field. */
function encodeObviously(entry: Entry): number[] {
  const bytes: number[] = [];
  const varint = (value: bigint): void => {
    let rest = value;
    while (rest >= 128n) {
      bytes.push(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
  };
  for (const [field, value] of [entry.type, entry.term, entry.index].entries()) {
    bytes.push((field + 1) << 3);
    varint(BigInt(value));
  }
  if (entry.data.length > 0) {
    bytes.push((4 << 3) | 2);
    varint(BigInt(entry.data.length));
    bytes.push(...entry.data);
  }
  return bytes;
}

describe("encodedEntryBytes", () => {
  test.each([
    { why: "a small empty entry", entry: testEntry(1, 1), want: 6 },
    { why: "one byte of payload", entry: testEntry(1, 1, "x"), want: 9 },
    { why: "larger numbers", entry: testEntry(128, 2 ** 40), want: 3 + 1 + 2 + 6 },
  ])("$why: $want", ({ entry, want }) => {
    expect(encodedEntryBytes(entry)).toBe(want);
  });

  test(`is the length of the encoding (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    for (let round = 0; round < 2_000; round++) {
      const entry: Entry = {
        type: prng.pick([EntryType.normal, EntryType.confChange, EntryType.confChangeV2]),
        term: Math.floor(prng.ratio() * 2 ** prng.between(1, 53)),
        index: Math.floor(prng.ratio() * 2 ** prng.between(1, 53)),
        data: prng.bytes(prng.between(0, 300)),
      };
      expect(encodedEntryBytes(entry)).toBe(encodeObviously(entry).length);
    }
  });
});

describe("limits", () => {
  const entries = [testEntry(1, 1, "aaaa"), testEntry(1, 2, "bb"), testEntry(1, 3)];

  test("payload is the data alone", () => {
    expect(payloadBytes(entries)).toBe(6);
    expect(payloadBytes([])).toBe(0);
  });

  test("the total is the sum over all entries", () => {
    expect(totalSize(entries, ({ data }) => data.length + 1)).toBe(9);
  });

  test.each([
    { bytesMax: 0, want: 1 },
    { bytesMax: 3, want: 1 },
    { bytesMax: 5, want: 1 },
    { bytesMax: 6, want: 3 },
    { bytesMax: Number.POSITIVE_INFINITY, want: 3 },
  ])("$want entries fit into $bytesMax bytes; one always does", ({ bytesMax, want }) => {
    expect(fittingCount(entries, bytesMax, ({ data }) => data.length)).toBe(want);
  });

  test("nothing fits where nothing is", () => {
    expect(fittingCount([], 100, () => 1)).toBe(0);
  });
});
