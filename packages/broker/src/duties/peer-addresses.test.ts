import type { BrokerId } from "@varve/base";
import { expect, test } from "vitest";
import { PeerAddresses } from "./peer-addresses.js";

function setUp(seeds: readonly string[] = []) {
  const links = new Map<string, readonly BrokerId[]>();
  const addresses = new PeerAddresses({
    self: 1,
    seeds,
    hub: {
      connect: (address, expected) => links.set(address, [...(expected ?? [])]),
      disconnect: (address) => links.delete(address),
    },
  });
  const follow = (brokers: Readonly<Record<number, string>>, joined: Readonly<Record<number, string>> = {}): object => {
    const rows = (of: Readonly<Record<number, string>>) =>
      Object.entries(of).map(([brokerId, peerAddress]) => ({ brokerId: Number(brokerId), peerAddress }));
    type State = Parameters<PeerAddresses["follow"]>[0];
    addresses.follow({ brokers: () => rows(brokers), controllerReplicas: rows(joined) } as unknown as State);
    return Object.fromEntries(links);
  };
  return { follow };
}

test("every other broker is linked to, and expected at its address", () => {
  expect(setUp().follow({ 1: "h:1", 2: "h:2", 3: "h:3" })).toEqual({ "h:2": [2], "h:3": [3] });
});

test("one that has joined and not registered yet is, too; what it registers counts more", () => {
  const { follow } = setUp();
  expect(follow({ 1: "h:1" }, { 2: "h:2", 3: "" })).toEqual({ "h:2": [2] });
  expect(follow({ 1: "h:1", 2: "h:22" }, { 2: "h:2" })).toEqual({ "h:22": [2] });
});

test("an address that a broker has left is dialed no more, unless it is a seed or another broker's", () => {
  const { follow } = setUp(["h:3"]);
  follow({ 1: "h:1", 2: "h:2", 3: "h:3", 4: "h:4" });
  expect(follow({ 1: "h:1", 2: "n:2", 3: "n:3", 4: "h:2" })).toEqual({
    "n:2": [2],
    "n:3": [3],
    "h:2": [4],
    "h:3": [3],
  });
});

test("two brokers of one address, one of them dead for ever, may both answer there", () => {
  expect(setUp().follow({ 1: "h:1", 2: "h:2", 5: "h:2" })).toEqual({ "h:2": [2, 5] });
});
