import type { VarveRecord } from "@varve/client";
import { expect, test } from "vitest";
import { recordJson } from "./record-json.js";

const BROKEN = Buffer.from([0xff, 0x00, 0x80]);

function record(fields: Partial<VarveRecord>): VarveRecord {
  const base = {
    topic: "t",
    partition: 2,
    offset: 7,
    timestampMs: 1_000,
    key: null,
    value: null,
    headers: {},
    rawHeaders: [],
  };
  return { ...base, ...fields };
}

function parsed(fields: Partial<VarveRecord>): unknown {
  return JSON.parse(recordJson(record(fields)));
}

test("recordJson: text stays text, the time is ISO 8601, and nothing else is there", () => {
  const json = recordJson(
    record({ key: Buffer.from("k"), value: Buffer.from("zwölf\u2028"), rawHeaders: [["h", Buffer.from("x")]] }),
  );
  expect(json).not.toContain("\n");
  expect(JSON.parse(json)).toEqual({
    topic: "t",
    partition: 2,
    offset: 7,
    timestamp: "1970-01-01T00:00:01.000Z",
    key: "k",
    value: "zwölf\u2028",
    headers: { h: "x" },
  });
});

test("recordJson: null is null and empty is empty", () => {
  expect(parsed({ key: null, value: Buffer.alloc(0) })).toMatchObject({ key: null, value: "" });
});

test("recordJson: what is not UTF-8 is base64, the record says so and which field", () => {
  expect(parsed({ key: Buffer.from("k"), value: BROKEN })).toMatchObject({
    key: "k",
    value: BROKEN.toString("base64"),
    encoding: "base64",
    encoded: ["value"],
  });
  expect(parsed({ key: BROKEN, value: Buffer.from("v"), rawHeaders: [["h", BROKEN]] })).toMatchObject({
    key: BROKEN.toString("base64"),
    value: "v",
    headers: { h: BROKEN.toString("base64") },
    encoding: "base64",
    encoded: ["key", "headers.h"],
  });
});

test("recordJson: a byte order mark survives", () => {
  expect(parsed({ value: Buffer.from("\ufeffa") })).toMatchObject({ value: "\ufeffa" });
});

test("recordJson: repeated headers have a list, written alike; __proto__ is a header like any other", () => {
  const rawHeaders: VarveRecord["rawHeaders"] = [
    ["a", Buffer.from("1")],
    ["__proto__", Buffer.from("p")],
    ["a", BROKEN],
    ["a", null],
  ];
  const json = recordJson(record({ rawHeaders }));
  const a = [Buffer.from("1").toString("base64"), BROKEN.toString("base64"), null];
  expect(json).toContain(`"headers":{"a":${JSON.stringify(a)},"__proto__":"p"}`);
  expect(json).toContain(`"encoded":["headers.a"]`);
});
