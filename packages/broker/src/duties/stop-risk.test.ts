import type { BrokerId } from "@varve/base";
import { describe, expect, test } from "vitest";
import { type GroupAtStop, type Others, type Stopping, stopRisk } from "./stop-risk.js";

/** Replica n of every group is on broker n. */
function group(given: Partial<GroupAtStop> = {}): GroupAtStop {
  const voters = given.voters ?? [1, 2, 3];
  return { groupId: 7, name: "orders/3", own: 1, voters, votersOutgoing: [], following: voters, ...given };
}

function others(given: { self?: BrokerId; down?: BrokerId[]; stopping?: Record<number, Stopping> } = {}): Others {
  return {
    self: given.self ?? 1,
    brokerOf: (_, replica) => (replica < 100 ? replica : null),
    isUp: (broker) => !(given.down ?? []).includes(broker),
    stopping: (broker) => given.stopping?.[broker] ?? null,
  };
}

const RISK = { name: "orders/3", staying: 1, needed: 2 };

describe("a broker may stop", () => {
  test.each<{ what: string; group?: Partial<GroupAtStop>; others?: Parameters<typeof others>[0] }>([
    { what: "while a majority without it answers" },
    { what: "of five voters with one other down", group: { voters: [1, 2, 3, 4, 5] }, others: { down: [5] } },
    { what: "whose replica only learns", group: { voters: [2, 3, 4], following: [2] } },
    { what: "that holds the only replica (K1)", group: { voters: [1] } },
    { what: "that holds one of two, since each is needed at any time (K1)", group: { voters: [1, 2], following: [1] } },
    { what: "when all others stop, too (K2)", others: { stopping: { 2: "waiting", 3: "leaving" } } },
    { what: "when those have gone before it (K2)", others: { down: [2, 3], stopping: { 2: "leaving", 3: "leaving" } } },
    { what: "when the only other that is up stops, too (K2)", others: { down: [3], stopping: { 2: "waiting" } } },
    { what: "before a broker of a higher id that waits for it (K3)", others: { stopping: { 2: "waiting" } } },
  ])("$what", ({ group: of, others: known }) => {
    expect(stopRisk(group(of), others(known))).toBeNull();
  });
});

describe("a broker waits", () => {
  test.each<{ what: string; group?: Partial<GroupAtStop>; others?: Parameters<typeof others>[0] }>([
    { what: "while another is down", others: { down: [2] } },
    { what: "while another does not follow its leader", group: { following: [1, 3] } },
    { what: "while another is on its way out", others: { stopping: { 2: "leaving" } } },
    {
      what: "for a broker of a lower id that stops, too (K3)",
      group: { own: 3 },
      others: { self: 3, stopping: { 1: "waiting" } },
    },
    { what: "while nobody knows which broker holds a replica", group: { voters: [1, 2, 200] } },
    {
      what: "for both halves of a joint configuration (K4)",
      group: { voters: [1, 2, 3], votersOutgoing: [1, 3, 4], following: [1, 2, 3] },
    },
  ])("$what", ({ group: of, others: known }) => {
    expect(stopRisk(group(of), others(known))).toEqual(RISK);
  });

  test("while no leader answers", () => {
    expect(stopRisk(group({ following: null }), others())).toEqual({ ...RISK, staying: 0 });
  });

  test("of any set of brokers that wait at the same time, as many go as the group can spare, and never more", () => {
    const voters = [1, 2, 3, 4, 5];
    for (let mask = 1; mask < 31; mask++) {
      const waiting = voters.filter((_, at) => (mask >> at) & 1);
      const stopping = Object.fromEntries(waiting.map((id) => [id, "waiting" as const]));
      const go = waiting.filter((self) => stopRisk(group({ voters, own: self }), others({ self, stopping })) === null);
      // Each decides by what it knows before any has gone: who counts as staying must not go as well.
      expect([mask, go.length]).toEqual([mask, Math.min(2, waiting.length)]);
    }
  });
});
