/** calls.test.ts: unary calls over real sockets: answers, deadlines on both sides, cancellation, bounds, effects. */
import { setMaxListeners } from "node:events";
import { isVarveError } from "@varve/base";
import { nodeClock } from "@varve/base/node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PeerFailure } from "../errors.js";
import { PEER_LIMITS } from "../limits.js";
import { nodeLink } from "../node/link.js";
import { eventually, patternBytes, Rig } from "../testing/rig.js";

let a: Rig;
let b: Rig;

beforeEach(async () => {
  a = new Rig({ brokerId: 1, link: nodeLink });
  const encodeError = (thrown: unknown): Uint8Array => new TextEncoder().encode(`encoded: ${thrown}`);
  b = new Rig({ brokerId: 2, link: nodeLink, options: { encodeError } });
  const { port } = await b.hub.listen("127.0.0.1", 0);
  a.hub.connect(`127.0.0.1:${port}`);
  await eventually("link up", () => a.hub.isConnected(2));
});

afterEach(() => {
  a.hub.destroy();
  b.hub.destroy();
});

const never = (): Promise<Uint8Array> => new Promise(() => {});
const nothing = new Uint8Array(0);

async function failureOf(promise: Promise<unknown>): Promise<{ readonly code: string; readonly effect: string }> {
  try {
    await promise;
  } catch (thrown) {
    if (isVarveError(thrown)) return { code: thrown.code, effect: thrown.effect };
    throw thrown;
  }
  throw new Error("did not fail");
}

test("many calls at once get each its own answer", async () => {
  b.hub.handleCall(1, async (from, payload) => {
    expect(from).toBe(1);
    if (payload.length % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    return payload;
  });
  const lengths = Array.from({ length: 300 }, (_, at) => at * 401);
  const replies = await Promise.all(
    lengths.map((length, at) => a.hub.call(2, 1, patternBytes(length, at), { timeoutMs: 10_000 })),
  );
  for (const [at, reply] of replies.entries()) {
    expect(Buffer.compare(reply, patternBytes(lengths[at] ?? 0, at))).toBe(0);
  }
});

test("a handler's own failure arrives as its bytes", async () => {
  b.hub.handleCall(1, () => Promise.reject(new PeerFailure(Uint8Array.of(1, 2, 3))));
  b.hub.handleCall(2, () => {
    throw new RangeError("no");
  });
  const first = await a.hub.call(2, 1, nothing, { timeoutMs: 10_000 }).catch((thrown: unknown) => thrown);
  expect(first).toBeInstanceOf(PeerFailure);
  expect(first).toMatchObject({ bytes: Uint8Array.of(1, 2, 3) });
  const second = await a.hub.call(2, 2, nothing, { timeoutMs: 10_000 }).catch((thrown: unknown) => thrown);
  expect(new TextDecoder().decode((second as PeerFailure).bytes)).toBe("encoded: RangeError: no");
});

test("a method without a handler did not run", async () => {
  const failure = await failureOf(a.hub.call(2, 99, nothing, { timeoutMs: 10_000 }));
  expect(failure).toEqual({ code: "INTERNAL", effect: "NOT_APPLIED" });
});

test("a deadline ends the call on both sides; the write may have happened", async () => {
  const deadlinesMs: number[] = [];
  let abortedHere = false;
  b.hub.handleCall(1, (_from, _payload, { deadlineMs, signal }) => {
    deadlinesMs.push(deadlineMs - nodeClock.monotonicMs());
    signal.addEventListener("abort", () => {
      abortedHere = true;
    });
    return never();
  });
  const failure = await failureOf(a.hub.call(2, 1, nothing, { timeoutMs: 60 }));
  expect(failure).toEqual({ code: "TIMEOUT", effect: "UNKNOWN" });
  expect(deadlinesMs[0]).toBeLessThanOrEqual(60);
  await eventually("handler aborted", () => abortedHere);
});

test("an aborted call tells the handler; before it left, nothing happened", async () => {
  let handled = 0;
  let aborted = 0;
  b.hub.handleCall(1, (_from, _payload, { signal }) => {
    handled++;
    signal.addEventListener("abort", () => aborted++);
    return never();
  });
  const early = a.hub.call(2, 1, nothing, { timeoutMs: 10_000, signal: AbortSignal.abort() });
  expect(await failureOf(early)).toEqual({ code: "ABORTED", effect: "NOT_APPLIED" });
  const controller = new AbortController();
  const late = a.hub.call(2, 1, nothing, { timeoutMs: 60_000, signal: controller.signal });
  await eventually("handled", () => handled === 1);
  controller.abort();
  expect(await failureOf(late)).toEqual({ code: "ABORTED", effect: "UNKNOWN" });
  await eventually("handler aborted", () => aborted === 1);
});

test("a call in flight when the link breaks is UNKNOWN, one that never left is NOT_APPLIED", async () => {
  let handled = 0;
  b.hub.handleCall(1, () => {
    handled++;
    return never();
  });
  const inFlight = failureOf(a.hub.call(2, 1, nothing, { timeoutMs: 10_000 }));
  await eventually("handled", () => handled === 1);
  const queued = failureOf(a.hub.call(2, 1, nothing, { timeoutMs: 10_000 }));
  a.hub.destroy(); // In the turn of the second call: it has not left.
  expect(await inFlight).toEqual({ code: "UNREACHABLE", effect: "UNKNOWN" });
  expect(await queued).toEqual({ code: "UNREACHABLE", effect: "NOT_APPLIED" });
  const later = failureOf(a.hub.call(2, 1, nothing, { timeoutMs: 10_000 }));
  expect(await later).toEqual({ code: "UNREACHABLE", effect: "NOT_APPLIED" });
});

test("a killed callee fails its callers at once, and its own handlers are aborted with the link", async () => {
  let aborted = 0;
  b.hub.handleCall(1, (_from, _payload, { signal }) => {
    signal.addEventListener("abort", () => aborted++);
    return never();
  });
  const call = failureOf(a.hub.call(2, 1, nothing, { timeoutMs: 10_000 }));
  await new Promise((resolve) => setTimeout(resolve, 20));
  b.hub.destroy();
  expect(await call).toEqual({ code: "UNREACHABLE", effect: "UNKNOWN" });
  expect(aborted).toBe(1);
});

test("calls in flight are bounded on the caller's side", async () => {
  b.hub.handleCall(1, never);
  const calls = Array.from({ length: PEER_LIMITS.callsMax }, () => a.hub.call(2, 1, nothing, { timeoutMs: 10_000 }));
  const over = await failureOf(a.hub.call(2, 1, nothing, { timeoutMs: 10_000 }));
  expect(over).toEqual({ code: "BROKER_OVERLOADED", effect: "NOT_APPLIED" });
  a.hub.destroy();
  await Promise.allSettled(calls);
});

test("handlers that ignore cancellation are bounded on the callee's side", async () => {
  let handled = 0;
  b.hub.handleCall(1, () => {
    handled++;
    return never();
  });
  const controller = new AbortController();
  const { signal } = controller;
  setMaxListeners(0, signal);
  const calls = Array.from({ length: PEER_LIMITS.callsMax }, () =>
    a.hub.call(2, 1, nothing, { timeoutMs: 10_000, signal }).catch(() => {}),
  );
  await eventually("handled", () => handled === PEER_LIMITS.callsMax);
  controller.abort();
  await Promise.all(calls);
  const over = await failureOf(a.hub.call(2, 1, nothing, { timeoutMs: 10_000 }));
  expect(over).toEqual({ code: "BROKER_OVERLOADED", effect: "NOT_APPLIED" });
  expect(handled).toBe(PEER_LIMITS.callsMax);
});

test("a payload above the frame limit is INVALID_ARGUMENT, as a reply it is a failure of the callee", async () => {
  const big = new Uint8Array(PEER_LIMITS.frameBytesMax + 1);
  const call = await failureOf(a.hub.call(2, 1, big, { timeoutMs: 10_000 }));
  expect(call).toEqual({ code: "INVALID_ARGUMENT", effect: "NOT_APPLIED" });
  b.hub.handleCall(1, async () => big);
  const reply = await failureOf(a.hub.call(2, 1, nothing, { timeoutMs: 10_000 }));
  expect(reply).toEqual({ code: "INTERNAL", effect: "UNKNOWN" });
  expect(a.hub.isConnected(2)).toBe(true);
});

test("the largest payload passes both ways", async () => {
  b.hub.handleCall(1, async (_from, payload) => payload);
  const big = patternBytes(PEER_LIMITS.frameBytesMax, 3);
  const reply = await a.hub.call(2, 1, big, { timeoutMs: 20_000 });
  expect(Buffer.compare(reply, big)).toBe(0);
});
