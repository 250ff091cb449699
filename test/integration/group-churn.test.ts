/** group-churn.test.ts: a group keeps its promises while its workers are killed at random; the long run is in ../ci. */
import { afterEach, test } from "vitest";
import { churn } from "./group-churn.js";
import { SdkCluster } from "./sdk-cluster.js";

const CHURN_MS = 12_000;
const TEST_MS = 120_000;
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

let running: SdkCluster | null = null;

afterEach(async () => {
  await running?.stop();
  running = null;
});

test(`workers killed at random for ${CHURN_MS} ms: nothing skipped, keys in order, repeats above the committed offset, seed ${seed}`, {
  timeout: TEST_MS,
}, async () => {
  running = await SdkCluster.start();
  const churned = await churn(running, CHURN_MS, seed);
  process.stdout.write(`workers killed: ${JSON.stringify(churned)}\n`);
});
