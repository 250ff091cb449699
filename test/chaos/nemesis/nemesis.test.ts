import { Prng } from "@varve/base/testing";
import type { Varve } from "@varve/client";
import { expect, test } from "vitest";
import type { ChaosCluster } from "../cluster/chaos-cluster.js";
import { Recorder } from "../recorder.js";
import type { Measures } from "../report/measures.js";
import type { Fault } from "./fault.js";
import { breakUntil, type Strike } from "./nemesis.js";

/** A kind that strikes from its given turn on. */
function kind(name: string, fromTurn = 1): Fault {
  let turn = 0;
  return {
    name,
    does: "nothing",
    run: async ({ struck }) => {
      if (++turn >= fromTurn) struck("broker 1");
    },
  };
}

/** Runs kinds once each on a cluster that none of them touches. */
async function once(faults: readonly Fault[], signal = new AbortController().signal): Promise<string[]> {
  const strikes: Strike[] = [];
  const recorder = new Recorder();
  await breakUntil(signal, {
    faults,
    strikes,
    once: true,
    rounds: null,
    recorder,
    prng: new Prng(7),
    cluster: {} as ChaosCluster,
    varve: {} as Varve,
    measures: {} as Measures,
    topic: "t",
    partitions: 1,
    groups: null,
    whole: () => Promise.resolve(true),
    say: () => {},
  });
  expect(recorder.tally("nemesis", "invoke")).toBe(strikes.length);
  return strikes.map(({ name }) => name).sort();
}

test("once: each kind strikes once, also one that finds nothing to strike at first", async () => {
  expect(await once([kind("a"), kind("b", 3), kind("c")])).toEqual(["a", "b", "c"]);
});

test("once: a kind that never strikes is named", async () => {
  await expect(once([kind("a"), kind("never", 100)])).rejects.toThrow("never struck: never");
});

test("once: kinds for which no time was left are named", async () => {
  await expect(once([kind("a"), kind("b")], AbortSignal.abort())).rejects.toThrow("never struck: a, b");
});
