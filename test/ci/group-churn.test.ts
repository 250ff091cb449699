/** group-churn.test.ts: a minute of workers killed at random, and, on a broker of its own, a minute of members that join and leave. */
import { afterAll, beforeAll, describe, test } from "vitest";
import { churn } from "../integration/group-churn.js";
import { joinAndLeave } from "../integration/group-joiners.js";
import { SdkCluster } from "../integration/sdk-cluster.js";

const FOR_MS = 60_000;
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

let cluster: SdkCluster;

beforeAll(async () => {
  cluster = await SdkCluster.start();
});

afterAll(() => cluster.stop());

describe.concurrent(`a minute of comings and goings, seed ${seed}`, () => {
  test("of workers killed with -9: nothing skipped, keys in order, repeats above the committed offset", async () => {
    process.stdout.write(`workers killed: ${JSON.stringify(await churn(cluster, FOR_MS, seed))}\n`);
  });

  test("of a hundred members that join and leave: a settled group and a broker of the same size", async () => {
    process.stdout.write(`joined and left: ${JSON.stringify(await joinAndLeave(FOR_MS, seed))}\n`);
  });
});
