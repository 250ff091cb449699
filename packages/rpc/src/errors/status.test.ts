/** status.test.ts: errors as statuses and back, without a network. */
import { ERROR_CATALOGUE, type ErrorCode, VarveError } from "@varve/base";
import { expect, test } from "vitest";
import { METHODS } from "../methods.js";
import { decodeDetails, encodeDetails } from "./details.js";
import { decodeStatus, encodeStatus, fromErrorStatus, GRPC_STATUS, toErrorStatus } from "./status.js";

const WRITE = { reads: false };
const CODES = (Object.keys(ERROR_CATALOGUE) as ErrorCode[]).filter((code) => code !== "INTERNAL");

test.each(CODES)("%s keeps everything, as a status and inside a stream", (code) => {
  for (const retryAfterMs of [null, 0, 1_250]) {
    const error = new VarveError(code, {
      message: `${code} at "orders"/3`,
      effect: "NONE",
      retryable: true,
      details: { offset: 17, text: "17", word: "orders", flag: false, nothing: null, list: ["a", "1"], empty: "" },
      ...(retryAfterMs === null ? {} : { retryAfterMs }),
    });
    const wire = encodeStatus(error, WRITE);
    expect(wire.code).toBe(GRPC_STATUS[ERROR_CATALOGUE[code].grpc]);
    for (const back of [decodeStatus(wire), fromErrorStatus(toErrorStatus(error, WRITE))]) {
      const { effect, retryable, details } = error;
      expect(back).toMatchObject({ code, effect, retryable, details, retryAfterMs });
      expect(back?.message).toBe(error.message);
    }
  }
});

test("the error of a call that reads has the effect NONE, and says nothing of what was written", () => {
  const given = {
    message: "no topic of that name; nothing was written; create it",
    retryAfterMs: 250,
    details: { n: 1 },
  };
  const error = new VarveError("UNKNOWN_TOPIC", given);
  const told = {
    code: "UNKNOWN_TOPIC",
    effect: "NONE",
    message: "no topic of that name; create it",
    retryAfterMs: 250,
  };
  expect(decodeStatus(encodeStatus(error, METHODS.describeTopic))).toMatchObject(told);
  expect(fromErrorStatus(toErrorStatus(error, METHODS.subscribe))).toMatchObject(told);
  expect(decodeStatus(encodeStatus(error, METHODS.deleteTopic))).toMatchObject({ ...given, effect: "NOT_APPLIED" });
  expect(decodeStatus(encodeStatus(new Error("broken"), METHODS.read))).toMatchObject({ effect: "NONE" });
});

test.each([
  { why: "an Error", thrown: new TypeError("secret path /root") },
  { why: "a text", thrown: "secret" },
  { why: "an INTERNAL error", thrown: new VarveError("INTERNAL", { message: "secret", details: { secret: 1 } }) },
])("$why becomes INTERNAL and shows nothing of itself", ({ thrown }) => {
  const wire = encodeStatus(thrown, WRITE);
  expect(wire.code).toBe(GRPC_STATUS.INTERNAL);
  expect(
    JSON.stringify([wire.message, Buffer.from(wire.details ?? []).toString("latin1"), toErrorStatus(thrown, WRITE)]),
  ).not.toContain("secret");
  expect(decodeStatus(wire)).toMatchObject({ code: "INTERNAL", effect: "UNKNOWN", retryable: false });
});

test("a code that is newer than the client becomes INTERNAL with its name, its effect and its retry rule", () => {
  const back = fromErrorStatus({
    ...toErrorStatus(new VarveError("TIMEOUT", { message: "m", retryable: true }), WRITE),
    reason: "FROM_2031",
  });
  expect(back).toMatchObject({
    code: "INTERNAL",
    effect: "UNKNOWN",
    retryable: true,
    details: { reason: "FROM_2031" },
  });
  expect(back.message).toContain("FROM_2031");
});

test("details of another domain, or bytes that are no status, are nobody's VarveError", () => {
  expect(decodeStatus({ code: 5, message: "x", details: null })).toBeNull();
  expect(decodeStatus({ code: 5, message: "x", details: Uint8Array.from([0xff, 0xff]) })).toBeNull();
});

test("details are bounded, so that trailers are", () => {
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`key${at}`, "x".repeat(50)]));
  const kept = decodeDetails(encodeDetails(many));
  expect(Object.keys(kept).length).toBeGreaterThan(5);
  expect(JSON.stringify(kept).length).toBeLessThan(4096);
});
