/** certified-founding.test.ts: where a certificate fixes the cluster's id, two foundings may have the same: a directory belongs to one of them. */
import { silentLogger } from "@varve/base";
import { Prng, SimClock } from "@varve/base/testing";
import type { CallHandler, PeerHello } from "@varve/peer";
import { expect, test } from "vitest";
import { PeerMethod } from "../peer-kinds.js";
import { encodeJson } from "../routing/json-payload.js";
import { encodeNote, type Founding } from "./founding-note.js";
import { Membership } from "./membership.js";

const CLUSTER = "c0ffee00-0000-4000-8000-000000000000";
const SEEDS = ["b1:7651", "b2:7651"];
const context = { deadlineMs: 1_000, signal: new AbortController().signal };

function foundingOf(directoryIds: readonly string[]): Founding {
  const voters = directoryIds.map((directoryId, at) => ({
    brokerId: at + 1,
    directoryId,
    replicaId: at + 1,
    peerAddress: "",
  }));
  return { clusterId: CLUSTER, seedList: SEEDS.join(","), voters };
}

/** Broker 2, which has promised a founding; broker 1 is up and says that it belongs to `heard`. */
function setUp(heard: string, keepsPromise: (founding: unknown) => boolean) {
  const clock = new SimClock();
  const adopted: string[] = [];
  let promise: CallHandler = () => Promise.reject(new Error("not registered"));
  const membership = new Membership({
    brokerId: 2,
    seeds: SEEDS,
    peerAddress: "b2:7651",
    expectedClusterId: null,
    certifiedClusterId: CLUSTER,
    storage: {
      identity: { directoryId: "d2", clusterId: null, brokerId: null, bootIds: ["boot"], formatVersion: 1 },
      note: encodeNote({ kind: "promised", founding: foundingOf(["d1", "d2"]) }),
      setNote: async () => undefined,
      adopt: async (clusterId) => {
        adopted.push(clusterId);
      },
    },
    hub: {
      connected: () => [{ brokerId: 1, clusterId: heard } as PeerHello],
      handleCall: (method, handler) => {
        if (method === PeerMethod.promise) promise = handler;
      },
      announce: () => undefined,
      call: async (_peer, method, payload) => {
        expect(method).toBe(PeerMethod.promise);
        const ok = keepsPromise(JSON.parse(new TextDecoder().decode(payload)));
        return encodeJson({ ok, brokerId: 1, reason: ok ? "" : "another founding" });
      },
    },
    clock,
    random: new Prng(1),
    logger: silentLogger,
  });
  const steps = async (): Promise<void> => {
    for (let step = 0; step < 10; step++) {
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      clock.runNext();
    }
  };
  const answer = async (founding: Founding): Promise<unknown> =>
    JSON.parse(new TextDecoder().decode(await promise(1, encodeJson(founding), context)));
  return { membership, adopted, steps, answer };
}

test("a founding of the same id and other directories is refused by who has promised one", async () => {
  const { answer } = setUp(CLUSTER, () => true);
  expect(await answer(foundingOf(["d1", "d2"]))).toMatchObject({ ok: true });
  expect(await answer(foundingOf(["wiped", "d2"]))).toMatchObject({ ok: false });
});

test("a cluster of the promised id is adopted when a member of it keeps the same promise", async () => {
  const asked: unknown[] = [];
  const { membership, adopted, steps } = setUp(CLUSTER, (founding) => asked.push(founding) > 0);
  const member = membership.resolve(new AbortController().signal);
  await steps();
  expect(await member).toMatchObject({ clusterId: CLUSTER, replicaId: 2 });
  expect(asked).toEqual([foundingOf(["d1", "d2"])]);
  expect(adopted).toEqual([CLUSTER]);
});

test("a cluster of the promised id that others founded is not adopted", async () => {
  const { membership, adopted, steps } = setUp(CLUSTER, () => false);
  const stop = new AbortController();
  const member = membership.resolve(stop.signal);
  await steps();
  expect(adopted).toEqual([]);
  stop.abort(new Error("enough"));
  await expect(member).rejects.toThrow();
});

test("a cluster of another id than the certificate's is never joined", async () => {
  const { membership, adopted } = setUp("another", () => true);
  await expect(membership.resolve(new AbortController().signal)).rejects.toMatchObject({ code: "DATA_DIR_UNUSABLE" });
  expect(adopted).toEqual([]);
});
