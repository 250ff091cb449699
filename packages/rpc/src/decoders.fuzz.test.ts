/**
 * decoders.fuzz.test.ts: every message of the API, requests as servers read them and answers as clients do, and the errors in trailers:
 * whatever the bytes, it is a message or a typed refusal.
 */
import { VarveError } from "@varve/base";
import { fuzzDecoder, fuzzSeed, Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { decodeDetails } from "./errors/details.js";
import { decodeStatus, encodeStatus, fromErrorStatus, toErrorStatus, type WireStatus } from "./errors/status.js";
import { ErrorStatusCodec } from "./gen/varve.js";
import { CODECS, randomMessage, withOneofs } from "./testing/random-message.js";

const WRITE = { reads: false };
const seed = fuzzSeed();
const INVALID = ["INVALID_ARGUMENT"] as const;
/** There are some 90 message types. */
const RUN_MS_MAX = 40;

describe(`messages (SEED=${seed})`, () => {
  test.each(CODECS.map((codec) => [codec.name, codec] as const))("%s", (_, codec) => {
    const prng = new Prng(seed);
    const samples = Array.from({ length: 20 }, () => codec.encode(withOneofs(randomMessage(prng, codec), codec)));
    const decode = (bytes: Uint8Array): unknown => codec.decode(bytes);
    const encode = (message: unknown): Uint8Array => codec.encode(message as object);
    const { decoded } = fuzzDecoder({ samples, decode, encode, codes: INVALID, seed, runMsMax: RUN_MS_MAX });
    expect(decoded).toBeGreaterThan(0);
  });
});

const ERROR = new VarveError("NOT_ENOUGH_REPLICAS", {
  message: "no leader",
  details: { topic: "orders", partition: 3, voters: ["1", "2"], leader: null },
  retryAfterMs: 250,
});

/** Nobody looks at another type of error in a place where there may be none: a status that cannot be read is no status of ours. */
test(`details of errors in trailers: an error or none, never a throw (SEED=${seed})`, () => {
  const wire = encodeStatus(ERROR, WRITE);
  const decode = (details: Uint8Array): VarveError => {
    const error = decodeStatus({ ...wire, details });
    if (error === null) throw new VarveError("INVALID_ARGUMENT", { message: "none of ours" });
    expect(error.retryAfterMs ?? 0).toBeGreaterThanOrEqual(0);
    expect(error.retryAfterMs ?? 0).toBeLessThanOrEqual(3_600_000);
    return error;
  };
  const encode = (error: VarveError): Uint8Array => encodeStatus(error, WRITE).details ?? new Uint8Array(0);
  const samples = [wire.details ?? new Uint8Array(0)];
  const { decoded, refused } = fuzzDecoder({ samples, decode, encode, codes: INVALID, seed });
  expect(decoded).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(20);
});

test(`errors inside streams (SEED=${seed})`, () => {
  const decode = (bytes: Uint8Array): VarveError => fromErrorStatus(ErrorStatusCodec.decode(bytes));
  const encode = (error: VarveError): Uint8Array => ErrorStatusCodec.encode(toErrorStatus(error, WRITE));
  const samples = [encode(ERROR)];
  expect(fuzzDecoder({ samples, decode, encode, codes: INVALID, seed }).decoded).toBeGreaterThan(20);
});

test("a trailer whose inner message is damaged is a status without details, whatever stands around it", () => {
  const wire = encodeStatus(ERROR, WRITE);
  const details = Buffer.from(wire.details ?? []);
  // The last byte of ErrorInfo's type URL is followed by its length; its first field's length is made to lie.
  const info = details.indexOf("google.rpc.ErrorInfo") + "google.rpc.ErrorInfo".length;
  details[info + 4] = 0x7f;
  expect(decodeStatus({ ...wire, details } satisfies WireStatus)).toBeNull();
});

test("details named __proto__ do not reach the prototype", () => {
  const texts = JSON.parse('{"__proto__":"{\\"polluted\\":true}","topic":"orders"}') as Record<string, string>;
  expect(decodeDetails(texts)).toEqual({ topic: "orders" });
});
