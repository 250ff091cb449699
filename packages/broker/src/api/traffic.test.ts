import { expect, test } from "vitest";
import { ByteBudget } from "../partition/byte-budget.js";
import { ConnectionBytes } from "./connection-bytes.js";
import { Traffic } from "./traffic.js";

test("a connection may have its bound in flight and not a byte more; others are another matter", () => {
  const connections = new ConnectionBytes(100);
  expect([connections.take("a", 60), connections.take("a", 40), connections.take("a", 1)]).toEqual([true, true, false]);
  expect(connections.take("b", 70)).toBe(true);
  expect(connections.largestBytes).toBe(100);
  connections.release("a", 60);
  expect(connections.largestBytes).toBe(70);
  expect(connections.take("a", 60)).toBe(true);
});

test("all who wait for room go on as soon as there is some, and not before", async () => {
  const connections = new ConnectionBytes(100);
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
  const connections = new ConnectionBytes(100);
  expect(() => connections.release("a", 1)).toThrow();
  connections.add("a", 1);
  expect(() => connections.release("a", 2)).toThrow();
});

test("what is forwarded counts against the broker's bytes in flight, until it is answered", () => {
  const inFlight = new ByteBudget(100);
  const traffic = new Traffic(inFlight, { inFlightBytesPerConnectionMax: 100, responseBytesMax: 800 });
  expect([traffic.takeForwarded(80), traffic.takeForwarded(21)]).toEqual([true, false]);
  expect([traffic.forwardedBytes, inFlight.usedBytes]).toEqual([80, 80]);
  expect(inFlight.take(21)).toBe(false);
  traffic.releaseForwarded(80);
  expect([traffic.forwardedBytes, inFlight.usedBytes]).toEqual([0, 0]);
});

test("of the streams with subscriptions, the one that holds the most is shown", () => {
  const traffic = new Traffic(new ByteBudget(100), { inFlightBytesPerConnectionMax: 100, responseBytesMax: 800 });
  expect(traffic.subscriptionBytesLargest).toBe(0);
  traffic.subscriptions.add({ heldBytes: 3 }).add({ heldBytes: 7 }).add({ heldBytes: 5 });
  expect(traffic.subscriptionBytesLargest).toBe(7);
});
