import { expect, test } from "vitest";
import { ByteBudget } from "../partition/byte-budget.js";
import { ConnectionBudget } from "./connection-budget.js";
import { Traffic } from "./traffic.js";

const LIMITS = { inFlightBytesPerConnectionMax: 100, inFlightRequestsPerConnectionMax: 10, responseBytesMax: 800 };

test("a connection may have its bound in flight and not a byte more; others are another matter", () => {
  const connections = new ConnectionBudget(100);
  expect([connections.take("a", 60), connections.take("a", 40), connections.take("a", 1)]).toEqual([true, true, false]);
  expect(connections.take("b", 70)).toBe(true);
  expect(connections.largest).toBe(100);
  connections.release("a", 60);
  expect(connections.largest).toBe(70);
  expect(connections.take("a", 60)).toBe(true);
});

test("all who wait for room go on as soon as there is some, and not before", async () => {
  const connections = new ConnectionBudget(100);
  connections.add("a", 150);
  const gone: string[] = [];
  const waits = ["first", "second"].map((name) => connections.room("a").then(() => gone.push(name)));
  connections.release("a", 50);
  await Promise.resolve();
  expect(gone).toEqual([]);
  connections.release("a", 1);
  await Promise.all(waits);
  expect(gone).toEqual(["first", "second"]);
  await connections.room("never seen");
});

test("releasing what was not taken is a programmer's error", () => {
  const connections = new ConnectionBudget(100);
  expect(() => connections.release("a", 1)).toThrow();
  connections.add("a", 1);
  expect(() => connections.release("a", 2)).toThrow();
});

test("what is forwarded counts against the broker's bytes in flight, until it is answered", () => {
  const inFlight = new ByteBudget(100);
  const traffic = new Traffic(inFlight, LIMITS);
  expect([traffic.takeForwarded(80), traffic.takeForwarded(21)]).toEqual([true, false]);
  expect([traffic.forwardedBytes, inFlight.usedBytes]).toEqual([80, 80]);
  expect(inFlight.take(21)).toBe(false);
  traffic.releaseForwarded(80);
  expect([traffic.forwardedBytes, inFlight.usedBytes]).toEqual([0, 0]);
});

test("of the streams with subscriptions, the one that holds the most is shown", () => {
  const traffic = new Traffic(new ByteBudget(100), LIMITS);
  expect(traffic.subscriptionBytesLargest).toBe(0);
  traffic.subscriptions.add({ heldBytes: 3 }).add({ heldBytes: 7 }).add({ heldBytes: 5 });
  expect(traffic.subscriptionBytesLargest).toBe(7);
});
