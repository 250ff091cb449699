import type { ProducerStamp, ProducerVerdict } from "@varve/storage";
import { describe, expect, test } from "vitest";
import { type OverlayVerdict, ProducerOverlay, sequenceAfter } from "./producer-overlay.js";

const LAST_SEQUENCE = 2 ** 31 - 1;
const APPEND = { kind: "append" } as const;
const UNKNOWN = { kind: "unknown" } as const;
const DUPLICATE = { kind: "duplicate", baseOffset: 40, epochOfLog: 3 } as const;

const stamp = (baseSequence: number, recordCount: number, producerEpoch = 1, producerId = 7): ProducerStamp => ({
  producerId,
  producerEpoch,
  baseSequence,
  recordCount,
});

interface Case {
  readonly what: string;
  readonly appended: readonly ProducerStamp[];
  readonly committed?: readonly ProducerStamp[];
  /** What the committed table says. */
  readonly table: ProducerVerdict;
  readonly asked: ProducerStamp;
  readonly verdict: OverlayVerdict<string>;
}

const CASES: readonly Case[] = [
  { what: "an unknown producer starts at 0", appended: [], table: UNKNOWN, asked: stamp(0, 5), verdict: APPEND },
  {
    what: "an unknown producer that starts later misses its past",
    appended: [],
    table: UNKNOWN,
    asked: stamp(5, 5),
    verdict: { kind: "gap", expectedSequence: 0 },
  },
  {
    what: "with nothing in flight the table decides",
    appended: [],
    table: DUPLICATE,
    asked: stamp(0, 5),
    verdict: DUPLICATE,
  },
  {
    what: "the next sequence after what is in flight is appended",
    appended: [stamp(0, 5), stamp(5, 2)],
    table: UNKNOWN,
    asked: stamp(7, 1),
    verdict: APPEND,
  },
  {
    what: "sequences wrap after 2^31 - 1",
    appended: [stamp(LAST_SEQUENCE - 1, 3)],
    table: APPEND,
    asked: stamp(1, 1),
    verdict: APPEND,
  },
  {
    what: "a repeat of a batch in flight waits for the original",
    appended: [stamp(0, 5), stamp(5, 2)],
    table: APPEND,
    asked: stamp(0, 5),
    verdict: { kind: "in-flight", original: "batch at 0" },
  },
  {
    what: "the same sequence with another count is no repeat",
    appended: [stamp(0, 5)],
    table: UNKNOWN,
    asked: stamp(0, 4),
    verdict: { kind: "gap", expectedSequence: 5 },
  },
  {
    what: "a repeat of a committed batch is a duplicate although later ones are in flight",
    appended: [stamp(5, 2)],
    table: DUPLICATE,
    asked: stamp(0, 5),
    verdict: DUPLICATE,
  },
  {
    what: "a sequence beyond the next is a gap, whatever the table says",
    appended: [stamp(0, 5)],
    table: APPEND,
    asked: stamp(6, 1),
    verdict: { kind: "gap", expectedSequence: 5 },
  },
  {
    what: "an older producer epoch is fenced by one that is only in flight",
    appended: [stamp(0, 5, 2)],
    table: APPEND,
    asked: stamp(5, 1, 1),
    verdict: { kind: "fenced", currentEpoch: 2 },
  },
  {
    what: "a newer producer epoch starts again at 0",
    appended: [stamp(0, 5)],
    table: APPEND,
    asked: stamp(0, 1, 2),
    verdict: APPEND,
  },
  {
    what: "a newer producer epoch cannot go on where the older was",
    appended: [stamp(0, 5)],
    table: APPEND,
    asked: stamp(5, 1, 2),
    verdict: { kind: "gap", expectedSequence: 0 },
  },
  {
    what: "what another producer has in flight does not matter",
    appended: [stamp(0, 5, 1, 8)],
    table: UNKNOWN,
    asked: stamp(0, 1),
    verdict: APPEND,
  },
  {
    what: "a commit settles the batch and those before it",
    appended: [stamp(0, 5), stamp(5, 2), stamp(7, 1)],
    committed: [stamp(5, 2)],
    table: DUPLICATE,
    asked: stamp(0, 5),
    verdict: DUPLICATE,
  },
  {
    what: "a commit of an older producer epoch settles nothing of the newer",
    appended: [stamp(0, 5), stamp(0, 2, 2)],
    committed: [stamp(0, 5)],
    table: APPEND,
    asked: stamp(0, 2, 2),
    verdict: { kind: "in-flight", original: "batch at 0" },
  },
];

describe("a batch is judged by what is in flight on top of what is committed", () => {
  test.each(CASES)("$what", ({ appended, committed = [], table, asked, verdict }) => {
    const overlay = new ProducerOverlay<string>();
    for (const batch of appended) overlay.appended(batch, `batch at ${batch.baseSequence}`);
    for (const batch of committed) overlay.committed(batch);
    expect(overlay.verdict(asked, () => table)).toEqual(verdict);
  });
});

test("after the overlay is dropped only the table counts", () => {
  const overlay = new ProducerOverlay<string>();
  overlay.appended(stamp(0, 5), "lost with the leadership");
  overlay.clear();
  expect(overlay.verdict(stamp(0, 5), () => UNKNOWN)).toEqual(APPEND);
});

test.each([
  { sequence: 0, count: 1, after: 1 },
  { sequence: LAST_SEQUENCE, count: 1, after: 0 },
  { sequence: LAST_SEQUENCE - 1, count: 5, after: 3 },
])("$count after sequence $sequence comes $after", ({ sequence, count, after }) => {
  expect(sequenceAfter(sequence, count)).toBe(after);
});
