/** frame.test.ts: the frame codec: round trips, what it refuses, and that no damage passes. */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { type Frame, FrameKind } from "../api.js";
import { batchFrame, CHECKSUM, frameOf } from "../testing/log-driver.js";
import { decodeFrames, encodeFrame, FRAME_HEADER_BYTES, frameBytes } from "./frame.js";
import { decodeLogStart, encodeLogStart, payloadProblem } from "./payload.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

function bytesOf(...frames: readonly Frame[]): Uint8Array {
  return Uint8Array.from(frames.flatMap(({ header, data }) => [...header, ...data]));
}

const PLACE = { groupId: 7, index: 12, term: 3, baseOffset: 2 ** 40, appendTimeMs: 1_700_000_000_123 };

describe("encodeFrame and decodeFrames", () => {
  test("a row of frames comes back field for field, without a copy", () => {
    const frames = [
      batchFrame(PLACE, ["a", "bb"]),
      frameOf({ ...PLACE, index: 13, baseOffset: 2 ** 40 + 2 }, FrameKind.conf, Uint8Array.of(1, 2, 3)),
    ];
    const bytes = bytesOf(...frames);
    const decoded = decodeFrames(bytes);
    expect(decoded.map(({ header: _h, data: _d, ...fields }) => fields)).toEqual(
      frames.map(({ header: _h, data: _d, ...fields }) => fields),
    );
    expect(decoded.map(({ data }) => [...data])).toEqual(frames.map(({ data }) => [...data]));
    expect(decoded[0]?.data.buffer).toBe(bytes.buffer);
    expect(decoded.map(({ type }) => type)).toEqual([0, 2]);
  });

  test("the header costs 72 bytes and the payload is kept by reference", () => {
    const data = Uint8Array.of(9);
    const frame = frameOf(PLACE, FrameKind.state, data);
    expect(frame.header.length).toBe(FRAME_HEADER_BYTES);
    expect(frame.data).toBe(data);
    expect(frameBytes(frame)).toBe(73);
  });

  test.each([
    { why: "a term of 2^31", change: { term: 2 ** 31 } },
    { why: "index 0", change: { index: 0 } },
    { why: "a fractional append time", change: { appendTimeMs: 1.5 } },
    { why: "an offset above 2^53 - 1", change: { baseOffset: 2 ** 53 } },
    { why: "offsets without a batch", change: { offsetSpan: 1 } },
  ])("a programmer's mistake stops at once: $why", ({ change }) => {
    const fields = {
      ...PLACE,
      kind: FrameKind.noop,
      offsetSpan: 0,
      recordCount: 0,
      data: new Uint8Array(0),
      ...change,
    };
    expect(() => encodeFrame(fields)).toThrow(/./);
  });

  test(`no flipped bit passes header and payload checks (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    const bytes = bytesOf(batchFrame(PLACE, ["some value", "another"]));
    for (let round = 0; round < 2_000; round++) {
      const damaged = bytes.slice();
      const at = prng.between(0, bytes.length - 1);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << prng.between(0, 7));
      expect(() => decodeFrames(damaged, (frame) => payloadProblem(frame, CHECKSUM)), `bit of byte ${at}`).toThrowError(
        expect.objectContaining({ code: "CORRUPT_BATCH" }),
      );
    }
  });

  test(`any bytes are refused with a typed error, none is read beyond its end (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    const whole = bytesOf(
      batchFrame(PLACE, ["v"]),
      frameOf({ ...PLACE, index: 13 }, FrameKind.noop, new Uint8Array(0)),
    );
    for (let round = 0; round < 500; round++) {
      const cut = whole.slice(0, prng.between(1, whole.length - 1));
      const isWhole = cut.length === frameBytes(batchFrame(PLACE, ["v"]));
      if (isWhole) continue;
      expect(() => decodeFrames(cut), `cut to ${cut.length}`).toThrowError(
        expect.objectContaining({ code: "CORRUPT_BATCH" }),
      );
      expect(() => decodeFrames(prng.bytes(prng.between(1, 300)))).toThrowError(
        expect.objectContaining({ code: "CORRUPT_BATCH" }),
      );
    }
  });
});

describe("payloadProblem", () => {
  test("a batch under another frame's header is refused although its own checksum is right", () => {
    const frame = batchFrame(PLACE, ["v"]);
    const other = batchFrame({ ...PLACE, baseOffset: 5 }, ["v"]);
    expect(payloadProblem(frame, CHECKSUM)).toBe(null);
    expect(payloadProblem({ ...frame, data: other.data }, CHECKSUM)).toContain("offset");
    expect(payloadProblem({ ...frame, term: 4 }, CHECKSUM)).toContain("epoch");
    expect(payloadProblem({ ...frame, offsetSpan: 2 }, CHECKSUM)).toContain("span");
    expect(payloadProblem({ ...frame, data: frame.data.subarray(1) }, CHECKSUM)).toContain("length");
  });
});

describe("log start", () => {
  test("comes back; other bytes are none", () => {
    expect(decodeLogStart(encodeLogStart({ index: 5, offset: 2 ** 50 }))).toEqual({ index: 5, offset: 2 ** 50 });
    expect(decodeLogStart(new Uint8Array(15))).toBe(null);
    expect(decodeLogStart(new Uint8Array(16).fill(255))).toBe(null);
  });
});
