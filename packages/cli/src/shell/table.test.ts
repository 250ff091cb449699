import { expect, test } from "vitest";
import { MemoryOutput } from "../testing/memory-shell.js";
import { plural, styleFor } from "./style.js";
import { facts, table } from "./table.js";

test("table: columns are aligned, numbers to the right, and no line ends in blanks", () => {
  const text = table(
    ["name", "count", "note"],
    [
      ["long name", 7, null],
      ["x", 1_234, ""],
    ],
  );
  expect(text).toBe("NAME       COUNT  NOTE\nlong name      7  -\nx           1234  -\n");
});

test("table: without rows only the headings remain", () => {
  expect(table(["topic", "id"], [])).toBe("TOPIC  ID\n");
});

test("facts: names and values", () => {
  expect(
    facts([
      ["id", 1],
      ["leader", null],
    ]),
  ).toBe("id      1\nleader  -\n");
});

test.each([
  { why: "no terminal", isTerminal: false, env: {}, colour: false },
  { why: "a terminal", isTerminal: true, env: {}, colour: true },
  { why: "NO_COLOR", isTerminal: true, env: { NO_COLOR: "1" }, colour: false },
  { why: "an empty NO_COLOR means nothing", isTerminal: true, env: { NO_COLOR: "" }, colour: true },
  { why: "a dumb terminal", isTerminal: true, env: { TERM: "dumb" }, colour: false },
])("styleFor: $why", ({ isTerminal, env, colour }) => {
  expect(styleFor(new MemoryOutput(isTerminal), env).red("x") !== "x").toBe(colour);
});

test("plural: one and many", () => {
  expect([plural(1, "record"), plural(0, "record"), plural(12_345, "record")]).toEqual([
    "1 record",
    "0 records",
    "12,345 records",
  ]);
});
