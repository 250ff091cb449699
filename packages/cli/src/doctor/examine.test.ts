import type { BrokerDetails } from "@varve/client";
import { expect, test } from "vitest";
import { examine, type ListenerName, type Probe, problemsOf } from "./examine.js";

const ALL: ReadonlySet<ListenerName> = new Set(["clients", "peers", "ops"]);

function broker(id: number, given: Partial<BrokerDetails> = {}): BrokerDetails {
  return {
    id,
    address: `varve-${id}:7650`,
    peerAddress: `varve-${id}:7651`,
    opsAddress: `varve-${id}:7652`,
    rack: null,
    ready: true,
    version: "1",
    drained: false,
    leaving: false,
    replicas: 0,
    leads: 0,
    leadsAlone: 0,
    featureLevelMin: 1,
    featureLevelMax: 1,
    ...given,
  };
}

/** Where all is well: varve-N is 10.0.0.N, cluster c, and broker N. */
function probe(given: Partial<Probe> = {}): Probe {
  return {
    resolve: async (host) => [`10.0.0.${host.slice(-1)}`],
    connect: async () => {},
    clusterId: async () => "c",
    brokerId: async (address) => Number(/-(\d+):/.exec(address)?.[1]),
    ...given,
  };
}

const examined = (brokers: BrokerDetails[], given: Partial<Probe> = {}) =>
  examine({ clusterId: "c", brokers }, probe(given));

test("what answers as it should is well, with what its name stands for", async () => {
  const reports = await examined([broker(1), broker(2, { rack: "zone-b" })]);
  expect(problemsOf(reports, ALL)).toEqual([]);
  expect(reports[1]).toEqual({
    id: 2,
    rack: "zone-b",
    listeners: (["clients", "peers", "ops"] as const).map((listener, at) => ({
      listener,
      address: `varve-2:${7_650 + at}`,
      addresses: ["10.0.0.2"],
      problem: null,
    })),
  });
});

test.each<{ what: string; given: Partial<Probe>; says: string[] }>([
  {
    what: "a name without an address",
    given: { resolve: () => Promise.reject(new Error("no address")) },
    says: ["clients, varve-1:7650: no address", "peers, varve-1:7651: no address", "ops, varve-1:7652: no address"],
  },
  {
    what: "a port where nobody listens",
    given: { connect: (_, port) => (port === 7_651 ? Promise.reject(new Error("refused")) : Promise.resolve()) },
    says: ["peers, varve-1:7651: refused"],
  },
  {
    what: "another cluster",
    given: { clusterId: async () => "d" },
    says: ["clients, varve-1:7650: another cluster answers there: d"],
  },
  {
    what: "another broker",
    given: { brokerId: async () => 3 },
    says: ["ops, varve-1:7652: broker 3 answers there"],
  },
])("$what is said, with the broker and the listener", async ({ given, says }) => {
  const reports = await examined([broker(1)], given);
  expect(problemsOf(reports, ALL)).toEqual(says.map((text) => `broker 1, ${text}`));
});

test("only what counts is a problem: clients do not need the addresses of the others", async () => {
  const reports = await examined([broker(1)], { connect: () => Promise.reject(new Error("refused")) });
  expect(problemsOf(reports, new Set(["clients"]))).toEqual(["broker 1, clients, varve-1:7650: refused"]);
});

test("an address that two brokers advertise is wrong for both, whoever answers", async () => {
  const shared = { address: "lb.example.com:7650" };
  const reports = await examined([broker(1, shared), broker(2, shared)]);
  expect(problemsOf(reports, ALL)).toEqual([
    "broker 1, clients, lb.example.com:7650: another listener advertises the same address",
    "broker 2, clients, lb.example.com:7650: another listener advertises the same address",
  ]);
});

test("brokers of an earlier version, which do not tell all, are no problem", async () => {
  const reports = await examined([broker(1, { peerAddress: "", opsAddress: "" }), broker(2, { opsAddress: "" })]);
  expect(problemsOf(reports, ALL)).toEqual([]);
});

test("an IPv6 address is looked up without its brackets", async () => {
  const hosts: string[] = [];
  const resolve = async (host: string): Promise<string[]> => {
    hosts.push(host);
    return [host];
  };
  await examined([broker(1, { address: "[fd00::1]:7650", peerAddress: "", opsAddress: "" })], { resolve });
  expect(hosts).toEqual(["fd00::1"]);
});
