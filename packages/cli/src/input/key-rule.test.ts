import { expect, test } from "vitest";
import { keyRule, splitLine } from "./key-rule.js";

test.each([
  { why: "no rule: no key", field: undefined, separator: undefined, line: "a b", key: null, value: "a b" },
  { why: "field 1", field: 1, separator: undefined, line: "a b c", key: "a", value: "a b c" },
  { why: "the last field", field: 3, separator: undefined, line: "a b c", key: "c", value: "a b c" },
  { why: "runs of blanks count once", field: 2, separator: undefined, line: "a \t  b", key: "b", value: "a \t  b" },
  { why: "blanks in front are no field", field: 1, separator: undefined, line: "  a b", key: "a", value: "  a b" },
  { why: "a missing field", field: 3, separator: undefined, line: "a b ", key: null, value: "a b " },
  { why: "an empty line", field: 1, separator: undefined, line: "", key: null, value: "" },
  { why: "a CR is no blank", field: 2, separator: undefined, line: "a b\r", key: "b\r", value: "a b\r" },
  {
    why: "bytes that are no UTF-8",
    field: 1,
    separator: undefined,
    line: "\xff\xfe x",
    key: "\xff\xfe",
    value: "\xff\xfe x",
  },
  { why: "before the first separator", field: undefined, separator: ":", line: "k:v:w", key: "k", value: "v:w" },
  { why: "an empty key is a key", field: undefined, separator: ":", line: ":v", key: "", value: "v" },
  { why: "no separator: no key", field: undefined, separator: ":", line: "kv", key: null, value: "kv" },
  { why: "a longer separator", field: undefined, separator: "=>", line: "k=>v", key: "k", value: "v" },
  { why: "\\t is a tab", field: undefined, separator: "\\t", line: "k\tv", key: "k", value: "v" },
  { why: "field between separators", field: 2, separator: ",", line: "a,b,c", key: "b", value: "a,b,c" },
  { why: "an empty field between separators is a key", field: 2, separator: ",", line: "a,,c", key: "", value: "a,,c" },
  { why: "the last field between separators", field: 3, separator: ",", line: "a,b,", key: "", value: "a,b," },
  { why: "too few separators", field: 4, separator: ",", line: "a,b,c", key: null, value: "a,b,c" },
])("splitLine: $why: $line", ({ field, separator, line, key, value }) => {
  const split = splitLine(Buffer.from(line, "latin1"), keyRule(field, separator));
  expect(split.key === null ? null : Buffer.from(split.key).toString("latin1")).toBe(key);
  expect(Buffer.from(split.value).toString("latin1")).toBe(value);
});
