import { expect, test } from "vitest";
import { isOffset, parseEnd, parseStart } from "./position.js";
import { formatTime, parseTime } from "./time.js";

test.each([
  { text: "2026-05-17T10:05:03Z", want: Date.UTC(2026, 4, 17, 10, 5, 3) },
  { text: "2026-05-17T10:05Z", want: Date.UTC(2026, 4, 17, 10, 5) },
  { text: "2026-05-17T10:05:03.250Z", want: Date.UTC(2026, 4, 17, 10, 5, 3, 250) },
  { text: "2026-05-17T12:05:03+02:00", want: Date.UTC(2026, 4, 17, 10, 5, 3) },
  { text: "2026-05-17T00:05:03-05:30", want: Date.UTC(2026, 4, 17, 5, 35, 3) },
  { text: "2028-02-29T00:00:00Z", want: Date.UTC(2028, 1, 29) },
  { text: "2026-02-29T00:00:00Z", want: null },
  { text: "2026-13-01T00:00:00Z", want: null },
  { text: "2026-05-17T25:00:00Z", want: null },
  { text: "2026-05-17T10:05:03", want: null },
  { text: "2026-05-17", want: null },
  { text: "yesterday", want: null },
])("parseTime: $text", ({ text, want }) => {
  expect(parseTime(text)).toBe(want);
});

test("formatTime: what it writes is read back; no calendar time is still text", () => {
  expect(parseTime(formatTime(1_747_476_303_123))).toBe(1_747_476_303_123);
  expect(formatTime(9e15)).toBe("9000000000000000");
  expect(formatTime(-1)).toBe("1969-12-31T23:59:59.999Z");
});

test.each([
  { text: "earliest", start: "earliest", end: null },
  { text: "latest", start: "latest", end: null },
  { text: "end", start: null, end: "end" },
  { text: "0", start: { offset: 0 }, end: { offset: 0 } },
  { text: "2026", start: { offset: 2026 }, end: { offset: 2026 } },
  { text: "9007199254740991", start: { offset: 2 ** 53 - 1 }, end: { offset: 2 ** 53 - 1 } },
  { text: "9007199254740993", start: null, end: null },
  { text: "-1", start: null, end: null },
  { text: "1.5", start: null, end: null },
  { text: "", start: null, end: null },
  { text: "1970-01-01T00:00:01Z", start: { timeMs: 1_000 }, end: { timeMs: 1_000 } },
])("positions: $text", ({ text, start, end }) => {
  expect(parseStart(text)).toEqual(start);
  expect(parseEnd(text)).toEqual(end);
});

test("isOffset: only offsets are", () => {
  expect([undefined, "end" as const, { timeMs: 1 }, { offset: 0 }].map(isOffset)).toEqual([false, false, false, true]);
});
