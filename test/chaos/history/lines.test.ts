import { describe, expect, test } from "vitest";
import { split } from "./lines.js";

describe("a text in pieces", () => {
  test.each<[string, string[], string[]]>([
    ["nothing", [], []],
    ["empty pieces", ["", ""], []],
    ["a line without an end", ["ab"], ["ab"]],
    ["lines with both ends", ["a\nb\r\n"], ["a", "b"]],
    ["a line over many pieces", ["a", "b", "c\nd"], ["abc", "d"]],
    ["an end at the edge of a piece", ["a\n", "b"], ["a", "b"]],
    ["an end of two characters over the edge", ["a\r", "\nb"], ["a", "b"]],
    ["empty lines", ["\n\na\n"], ["", "", "a"]],
  ])("%s", (_, pieces, lines) => {
    expect([...split(pieces)]).toEqual(lines);
  });
});
