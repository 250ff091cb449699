import { type BrokerId, silentLogger, VarveError } from "@varve/base";
import { Prng, SimClock } from "@varve/base/testing";
import type { PeerHello } from "@varve/peer";
import { expect, test } from "vitest";
import { decodeJson, encodeJson } from "../routing/json-payload.js";
import { Membership, readJoinRequest } from "./membership.js";

const CLUSTER = "c0ffee00-0000-4000-8000-000000000000";

/** Broker 9, without a cluster, and peers that all belong to one; `helps` says which of them get an answer from its controller. */
function setUp(peers: readonly BrokerId[], helps: (peer: BrokerId) => boolean) {
  const clock = new SimClock();
  const asked: BrokerId[] = [];
  const adopted: string[] = [];
  const hello = (brokerId: BrokerId) => ({ brokerId, clusterId: CLUSTER }) as PeerHello;
  const membership = new Membership({
    brokerId: 9,
    seeds: ["b1:7651"],
    peerAddress: "b9:7651",
    expectedClusterId: null,
    certifiedClusterId: null,
    storage: {
      identity: { directoryId: "d9", clusterId: null, brokerId: null, bootIds: ["boot"], formatVersion: 1 },
      note: null,
      setNote: async () => undefined,
      adopt: async (clusterId) => {
        adopted.push(clusterId);
      },
    },
    hub: {
      connected: () => peers.map(hello),
      handleCall: () => undefined,
      announce: () => undefined,
      call: async (peer, _method, payload) => {
        expect(decodeJson(payload, "a request to join", readJoinRequest).brokerId).toBe(9);
        asked.push(peer);
        if (!helps(peer)) throw new VarveError("TIMEOUT", { message: "the controller does not answer" });
        return encodeJson({ replicaId: 4, voters: [] });
      },
    },
    clock,
    random: new Prng(1),
    logger: silentLogger,
  });
  return { clock, membership, asked, adopted };
}

test("a broker that joins asks another peer when one cannot help: that may have left the cluster itself", async () => {
  const { clock, membership, asked, adopted } = setUp([3, 1, 2], (peer) => peer === 3);
  const joined = membership.resolve(new AbortController().signal);
  for (let step = 0; step < 10 && adopted.length === 0; step++) {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    clock.runNext();
  }
  expect(await joined).toEqual({ clusterId: CLUSTER, replicaId: 4, voters: [] });
  expect(asked).toEqual([1, 2, 3]);
  expect(adopted).toEqual([CLUSTER]);
});
