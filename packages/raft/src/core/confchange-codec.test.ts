/**
 * confchange-codec.test.ts: membership changes as bytes, and bytes that are none.
 */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { RaftAssertionError } from "../assert.js";
import { ConfChangeDecodeError } from "../errors.js";
import { testChange } from "../testing/samples.js";
import { type ConfChange, type ConfChangeV2, EntryType } from "../types.js";
import { confChangeEntry, decodeConfChange, encodeConfChange } from "./confchange-codec.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const CONTEXT = new Uint8Array([1, 2, 3]);

describe("a change survives the round trip", () => {
  test.each([
    testChange("v1"),
    testChange("v1 l2 r3 u4"),
    testChange("", "jointExplicit"),
    testChange("v1", "jointImplicit"),
    { ...testChange("v127 v128 v16384"), context: CONTEXT },
    { ...testChange(""), context: CONTEXT },
    { ...testChange(""), changes: [{ type: "addVoter", nodeId: Number.MAX_SAFE_INTEGER }] } as ConfChangeV2,
  ])("%j", (change) => {
    expect(decodeConfChange(EntryType.confChangeV2, encodeConfChange(change))).toEqual(change);
  });

  test("a single-step change comes back in the general form", () => {
    const change: ConfChange = { type: "addLearner", nodeId: 300, context: CONTEXT };
    expect(decodeConfChange(EntryType.confChange, encodeConfChange(change))).toEqual({
      transition: "auto",
      changes: [{ type: "addLearner", nodeId: 300 }],
      context: CONTEXT,
    });
  });
});

test("the format is fixed: what was written by an older version is read by every later one", () => {
  expect([...encodeConfChange({ type: "addVoter", nodeId: 300, context: CONTEXT })]).toEqual([1, 0, 0xac, 2, 1, 2, 3]);
  expect([...encodeConfChange(testChange("v1 r2 u3 l4", "jointExplicit"))]).toEqual([2, 2, 4, 0, 1, 1, 2, 2, 3, 3, 4]);
});

test("the change that leaves a joint configuration has no bytes, so that no limit refuses it", () => {
  expect(encodeConfChange(testChange("")).length).toBe(0);
});

test("the type of the entry says which kind it is", () => {
  expect(confChangeEntry(testChange("v1")).type).toBe(EntryType.confChangeV2);
  expect(confChangeEntry({ type: "addVoter", nodeId: 1, context: CONTEXT }).type).toBe(EntryType.confChange);
});

test("ids that are no ids are a programmer's error", () => {
  for (const nodeId of [-1, 0.5, 2 ** 53, Number.NaN]) {
    expect(() => encodeConfChange({ type: "addVoter", nodeId, context: CONTEXT })).toThrow(RaftAssertionError);
  }
});

describe("bytes that are no change are refused", () => {
  test.each([
    { why: "an unknown format", type: EntryType.confChangeV2, bytes: [9, 0, 0] },
    { why: "a single step in the wrong entry", type: EntryType.confChangeV2, bytes: [1, 0, 1] },
    { why: "a general change in the wrong entry", type: EntryType.confChange, bytes: [2, 0, 0] },
    { why: "an unknown transition", type: EntryType.confChangeV2, bytes: [2, 3, 0] },
    { why: "an unknown kind of change", type: EntryType.confChangeV2, bytes: [2, 0, 1, 4, 1] },
    { why: "more changes than bytes", type: EntryType.confChangeV2, bytes: [2, 0, 0xff, 0xff, 3] },
    { why: "a truncated id", type: EntryType.confChangeV2, bytes: [2, 0, 1, 0] },
    {
      why: "an id that goes on for ever",
      type: EntryType.confChange,
      bytes: [1, 0, ...new Array<number>(12).fill(0xff)],
    },
    { why: "an id beyond 2^53", type: EntryType.confChange, bytes: [1, 0, 255, 255, 255, 255, 255, 255, 255, 127] },
    { why: "no bytes for a single step", type: EntryType.confChange, bytes: [] },
    { why: "an entry that is no change", type: EntryType.normal, bytes: [] },
  ])("$why", ({ type, bytes }) => {
    expect(() => decodeConfChange(type, Uint8Array.from(bytes))).toThrow(ConfChangeDecodeError);
  });
});

test(`random bytes are decoded or refused, never anything else (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  let decoded = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = prng.bytes(prng.between(0, 12));
    if (bytes.length > 0 && prng.chance(0.8)) bytes[0] = prng.between(1, 2);
    if (bytes.length > 2 && prng.chance(0.8)) bytes.set([prng.between(0, 3), prng.between(0, 3)], 1);
    const type = prng.pick([EntryType.confChange, EntryType.confChangeV2]);
    try {
      const change = decodeConfChange(type, bytes);
      expect(change.changes.length).toBeLessThanOrEqual(bytes.length);
      decoded++;
    } catch (error) {
      if (!(error instanceof ConfChangeDecodeError)) throw error;
    }
  }
  expect(decoded).toBeGreaterThan(1_000);
});
