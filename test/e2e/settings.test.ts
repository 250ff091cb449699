import { expect, test } from "vitest";
import { BRIEF, CHOICES } from "./plan.js";
import { parseSettings } from "./settings.js";

test("without a word everything runs, on images built for it; --brief is CI's choice, and names are taken as they are given", () => {
  expect(parseSettings([])).toMatchObject({ scenarios: CHOICES, build: true, document: false });
  expect(parseSettings(["--brief"]).scenarios).toEqual(BRIEF);
  expect(parseSettings(["--scenarios", "kill,roll", "--brief"]).scenarios).toEqual(["kill", "roll"]);
});

test("a seed is what was given, so that a run can be repeated; numbers that are none are refused", () => {
  expect(parseSettings(["--seed", "4711"]).seed).toBe(4711);
  expect(() => parseSettings(["--seed", ""])).toThrow("--seed must be an integer");
  expect(() => parseSettings(["--sends-per-second", "5"])).toThrow("20 .. 10000");
  expect(() => parseSettings(["--minutes", "5"])).toThrow("--minutes");
});
