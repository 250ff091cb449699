/** sdk-survives.test.ts: the longest outage that the SDK is promised to survive: a broker that is unreachable for 30 s. */
import { afterEach, test } from "vitest";
import { freezeLeader, SdkCluster } from "../integration/sdk-cluster.js";

const FROZEN_MS = 30_000;

let running: SdkCluster | null = null;

afterEach(async () => {
  await running?.stop();
  running = null;
});

test("the SDK survives a leader that is unreachable for 30 s", async () => {
  running = await SdkCluster.start();
  await freezeLeader(running, FROZEN_MS);
});
