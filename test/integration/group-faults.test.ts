/** group-faults.test.ts: a group of four goes on while brokers die, freeze and are cut off; each broker in turn, and longer, in ../ci. */
import { startCluster, type TestCluster } from "@varve/testing";
import { afterEach, test } from "vitest";
import { cutOff, FaultedGroup, freeze, killed } from "./group-faults.js";
import { SdkCluster } from "./sdk-cluster.js";

const TEST_MS = 120_000;
const HOLD_MS = 5_000;

let running: SdkCluster | null = null;
let inProcess: TestCluster | null = null;
let group: FaultedGroup | null = null;

afterEach(async () => {
  await group?.kill();
  await running?.stop();
  await inProcess?.close();
  group = running = inProcess = null;
});

test("a group goes on when its coordinator's broker is killed with -9, and when the next one freezes", {
  timeout: TEST_MS,
}, async () => {
  running = await SdkCluster.start();
  const client = running.client();
  group = await FaultedGroup.start(client, running.brokers.bootstrap.split(","), "faults");
  await group.strike(killed(running, client, await group.coordinator()));
  await group.strike(freeze(running, client, await group.coordinator(), HOLD_MS));
  await group.finish();
});

test("a group goes on when its coordinator's broker is cut off from the others, though clients still reach it", {
  timeout: TEST_MS,
}, async () => {
  inProcess = await startCluster();
  const client = inProcess.varve();
  group = await FaultedGroup.start(client, inProcess.bootstrap, "faults");
  await group.strike(cutOff(inProcess, client, await group.coordinator(), HOLD_MS));
  await group.finish();
});
