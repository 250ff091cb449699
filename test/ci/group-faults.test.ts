/**
 * group-faults.test.ts: a group of four goes on while each of three brokers in turn is killed with -9, frozen for 40 s and cut off, and
 * comes back by itself after a majority was away.
 */
import { startCluster, type TestCluster } from "@varve/testing";
import { afterEach, expect, test } from "vitest";
import { cutOff, FaultedGroup, freeze, freezeMost, killed } from "../integration/group-faults.js";
import { SdkCluster } from "../integration/sdk-cluster.js";

const FROZEN_MS = 40_000;
const CUT_MS = 8_000;
/** Longer than the workers' session timeout. */
const AWAY_MS = 14_000;

let running: SdkCluster | null = null;
let inProcess: TestCluster | null = null;
let group: FaultedGroup | null = null;

afterEach(async () => {
  await group?.kill();
  await running?.stop();
  await inProcess?.close();
  group = running = inProcess = null;
});

test("a group goes on when each broker is killed with -9 and frozen for 40 s, and says why it stalls when most are away", async () => {
  running = await SdkCluster.start();
  const client = running.client();
  group = await FaultedGroup.start(client, running.brokers.bootstrap.split(","), "faults");
  for (const id of running.ids) await group.strike(killed(running, client, id));
  for (const id of running.ids) await group.strike(freeze(running, client, id, FROZEN_MS));
  await group.strike(freezeMost(running, client, AWAY_MS));
  const reasons = await group.finish();
  expect(reasons).toContainEqual(expect.stringMatching(/^the group's coordinator has not answered for N s/));
});

test("a group goes on when each broker in turn is cut off from the others, though clients still reach it", async () => {
  inProcess = await startCluster();
  const client = inProcess.varve();
  group = await FaultedGroup.start(client, inProcess.bootstrap, "faults");
  for (const id of inProcess.brokerIds) await group.strike(cutOff(inProcess, client, id, CUT_MS));
  await group.finish();
});
