import { silentLogger } from "@varve/base";
import { SimClock } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import type { BrokerStatus } from "./status.js";
import { StopGate, type StopGateOptions, type StopGateReport } from "./stop-gate.js";
import { decodeStopping, encodeStopping, StopNotices } from "./stop-notices.js";
import type { Stopping } from "./stop-risk.js";

const GROUP = { groupId: 7, name: "orders/3", own: 1, voters: [1, 2, 3], votersOutgoing: [] };

/** Broker 1 of three, over a clock that the test drives. */
function setUp(given: Partial<StopGateOptions> = {}) {
  const clock = new SimClock();
  const known = {
    following: [1, 2, 3] as readonly number[],
    stopping: new Map<number, Stopping>(),
    told: [] as Stopping[],
  };
  const status = (): BrokerStatus => ({
    brokerId: 2,
    ready: true,
    reasons: [],
    groups: [
      {
        groupId: 7,
        leader: 2,
        epoch: 1,
        voters: [1, 2, 3],
        learners: [],
        inSync: [],
        following: known.following,
        commit: 1,
        behind: [],
        logStart: 0,
        highWatermark: 0,
        bytes: 0,
      },
    ],
  });
  const gate = new StopGate({
    self: 1,
    clock,
    logger: silentLogger,
    limitMs: 300_000,
    groups: () => [GROUP],
    gather: async () => [status()],
    others: {
      brokerOf: (_, replica) => replica,
      isUp: () => true,
      stopping: (broker) => known.stopping.get(broker) ?? null,
    },
    tell: (state) => known.told.push(state),
    ...given,
  });
  return { clock, gate, known };
}

async function ends(clock: SimClock, wait: Promise<StopGateReport>, withinMs: number): Promise<StopGateReport | null> {
  let report: StopGateReport | null = null;
  void wait.then((given) => {
    report = given;
  });
  await clock.runUntil(clock.monotonicMs() + withinMs);
  return report;
}

const ASKED = new AbortController().signal;

describe("the stop gate", () => {
  test("opens after one look when nothing is at risk, and tells the others before and after", async () => {
    const { clock, gate, known } = setUp();
    expect(await ends(clock, gate.wait(ASKED), 1_000)).toEqual({ safe: true, waitedMs: 500, waitsFor: [] });
    expect(known.told).toEqual(["waiting", "leaving"]);
  });

  test("waits while a quorum would be lost, says for what, and opens when another is back", async () => {
    const { clock, gate, known } = setUp();
    known.following = [1, 2];
    const wait = gate.wait(ASKED);
    expect(await ends(clock, wait, 60_000)).toBeNull();
    expect([gate.waitingPartitions, gate.waitedMs]).toEqual([1, 60_000]);
    known.following = [1, 2, 3];
    expect(await ends(clock, wait, 1_000)).toMatchObject({ safe: true });
    expect([gate.waitingPartitions, gate.waitedMs]).toEqual([0, 0]);
  });

  test("opens at its deadline all the same, with what it waited for (G1)", async () => {
    const { clock, gate, known } = setUp({ limitMs: 5_000 });
    known.following = [1, 2];
    expect(await ends(clock, gate.wait(ASKED), 6_000)).toEqual({
      safe: false,
      waitedMs: 5_000,
      waitsFor: ["orders/3 would have 1 of the 2 voters that it needs"],
    });
  });

  test("with no time to wait looks once", async () => {
    const { clock, gate, known } = setUp({ limitMs: 0 });
    known.following = [1];
    expect(await ends(clock, gate.wait(ASKED), 1_000)).toMatchObject({ safe: false });
  });

  test("does not fail when it cannot ask; it waits, and opens at its deadline (G1)", async () => {
    const { clock, gate } = setUp({ limitMs: 3_000, gather: () => Promise.reject(new Error("no link")) });
    const wait = gate.wait(ASKED);
    expect(await ends(clock, wait, 2_000)).toBeNull();
    expect([gate.waitingPartitions, gate.waitedMs]).toEqual([1, 2_000]);
    expect(await ends(clock, wait, 2_000)).toMatchObject({
      safe: false,
      waitsFor: [expect.stringContaining("no link")],
    });
  });

  test("does not wait for an answer that could not matter", async () => {
    const groups = () => [{ ...GROUP, voters: [1] }];
    const { clock, gate } = setUp({ groups, gather: () => Promise.reject(new Error("no link")) });
    expect(await ends(clock, gate.wait(ASKED), 1_000)).toEqual({ safe: true, waitedMs: 500, waitsFor: [] });
  });

  test("opens at once when all others say that they stop, too", async () => {
    const { clock, gate, known } = setUp();
    known.following = [1];
    known.stopping.set(2, "waiting").set(3, "leaving");
    expect(await ends(clock, gate.wait(ASKED), 1_000)).toMatchObject({ safe: true });
  });

  test("has one answer for all that ask while it waits", async () => {
    const { gate } = setUp();
    expect(gate.wait(ASKED)).toBe(gate.wait(ASKED));
  });

  test("is not remembered when no stop follows (G3)", async () => {
    const { clock, gate, known } = setUp();
    await ends(clock, gate.wait(ASKED), 1_000);
    known.told = [];
    gate.step();
    await clock.runUntil(clock.monotonicMs() + 11_000);
    gate.step();
    gate.step();
    expect(known.told).toEqual(["leaving"]);
  });
});

describe("what a broker said of its stop", () => {
  test.each<Stopping>(["waiting", "leaving"])("goes over the wire: %s", (state) => {
    expect(decodeStopping(encodeStopping(state))).toBe(state);
  });

  test("holds for seconds while it is up and does not repeat it, for a minute when it has gone, and not beyond its next start", async () => {
    const clock = new SimClock();
    const notices = new StopNotices(clock);
    const said = (isUp: boolean): (Stopping | null)[] => [2, 3, 4].map((broker) => notices.stopping(broker, isUp));
    notices.heard(2, "leaving", "boot-1");
    notices.heard(3, "waiting", "boot-9");
    notices.met(2, "boot-1");
    expect(said(true)).toEqual(["leaving", "waiting", null]);
    await clock.runUntil(clock.monotonicMs() + 5_001);
    expect([said(true), said(false)]).toEqual([
      [null, null, null],
      ["leaving", "waiting", null],
    ]);
    notices.met(2, "boot-2");
    expect(said(false)).toEqual([null, "waiting", null]);
    await clock.runUntil(clock.monotonicMs() + 60_001);
    expect(said(false)).toEqual([null, null, null]);
  });
});
