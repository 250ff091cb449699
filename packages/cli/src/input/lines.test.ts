import { isVarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { expect, test } from "vitest";
import { LineSplitter, linesOf } from "./lines.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

/** All lines of `chunks`, as latin1 so that every byte shows. */
function split(chunks: readonly Uint8Array[], lineBytesMax = 1_000): string[] {
  const splitter = new LineSplitter(lineBytesMax);
  const lines = chunks.flatMap((chunk) => splitter.push(chunk));
  const last = splitter.end();
  return [...lines, ...(last === null ? [] : [last])].map((line) => Buffer.from(line).toString("latin1"));
}

test.each([
  { why: "nothing", input: "", want: [] },
  { why: "one newline is one empty line", input: "\n", want: [""] },
  { why: "the last line may lack its newline", input: "a\nb", want: ["a", "b"] },
  { why: "a newline at the end adds no line", input: "a\nb\n", want: ["a", "b"] },
  { why: "empty lines count", input: "a\n\n\nb\n", want: ["a", "", "", "b"] },
  { why: "a CR stays", input: "a\r\nb\r", want: ["a\r", "b\r"] },
  { why: "bytes that are no UTF-8 and NUL stay", input: "\xff\xfe\0\n\xc3", want: ["\xff\xfe\0", "\xc3"] },
])("LineSplitter: $why", ({ input, want }) => {
  expect(split([Buffer.from(input, "latin1")])).toEqual(want);
});

test(`LineSplitter: however the input is cut into chunks, the lines are the same (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  for (let round = 0; round < 2_000; round++) {
    const input = Buffer.from(Array.from({ length: prng.between(0, 40) }, () => prng.pick([10, 13, 97, 255])));
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < input.length; ) {
      const size = prng.between(1, 8);
      chunks.push(input.subarray(at, at + size));
      at += size;
    }
    const text = input.toString("latin1");
    const obvious = text === "" ? [] : text.replace(/\n$/, "").split("\n");
    expect(split(chunks), `round ${round}: ${JSON.stringify(text)}`).toEqual(obvious);
  }
});

test("LineSplitter: a line longer than the limit is an error that names the line, in one chunk or in many", () => {
  for (const chunks of [["ab\n", "123456789"], ["ab\n", "12345", "6789"], ["ab\n123456789\n"]]) {
    try {
      split(
        chunks.map((chunk) => Buffer.from(chunk)),
        8,
      );
      expect.unreachable();
    } catch (error) {
      expect(isVarveError(error) && error.code).toBe("RECORD_TOO_LARGE");
      expect(isVarveError(error) && error.details).toEqual({ line: 2, lineBytesMax: 8 });
    }
  }
  expect(split([Buffer.from("12345678\n")], 8)).toEqual(["12345678"]);
});

test("linesOf: gives the lines of each chunk and the rest at the end", async () => {
  async function* chunks() {
    yield Buffer.from("a\nb");
    yield Buffer.from("c");
    yield Buffer.from("\nd");
  }
  const seen: string[][] = [];
  for await (const lines of linesOf(chunks(), 100)) seen.push(lines.map((line) => Buffer.from(line).toString()));
  expect(seen).toEqual([["a"], ["bc"], ["d"]]);
});
