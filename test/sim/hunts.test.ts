/** hunts.test.ts: how often a broken variant was hunted, in numbers. */
import { expect, test } from "vitest";
import { huntedRow, median } from "./hunts.js";

test.each([
  { sorted: [7], middle: 7 },
  { sorted: [1, 4], middle: 2.5 },
  { sorted: [1, 2, 400], middle: 2 },
])("the median of $sorted is $middle", ({ sorted, middle }) => {
  expect(median(sorted)).toBe(middle);
});

test("a row says all numbers, their median and what found it", () => {
  const hunted = { variant: "commit-old-term", seeds: [1, 2, 9], median: 2, foundBy: ["S10", "S5"] } as const;
  expect(huntedRow(hunted)).toBe("| commit-old-term | 1, 2, 9 | 2 | S10, S5 |");
});
