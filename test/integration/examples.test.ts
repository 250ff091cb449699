/**
 * examples.test.ts: the programs of packages/examples do what they say, run as a user runs them.
 */
import { fileURLToPath } from "node:url";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Finished, VarveProcess } from "./varve-process.js";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.close());

/** Runs one example on the cluster, and must succeed. */
async function example(name: string, ...args: string[]): Promise<Finished> {
  const script = fileURLToPath(new URL(`../../packages/examples/dist/${name}.js`, import.meta.url));
  const bootstrap = [cluster.bootstrap].flat().join(",");
  const result = await new VarveProcess([bootstrap, ...args], { stdin: "" }, script).finished;
  expect(result, result.stderr).toMatchObject({ code: 0, stderr: "" });
  return result;
}

test("produce, then replay by time: everything since then, and nothing from before", async () => {
  const before = new Date(Date.now() - 1_000).toISOString();
  expect((await example("produce", "orders")).stdout).toBe("1000 orders written to orders\n");
  const sum = (999 * 1_000) / 2;
  expect((await example("replay-by-time", "orders", before)).stdout).toBe(
    `1000 of 1000 orders since ${before}, together ${sum}\n`,
  );
  const later = new Date(Date.now() + 60_000).toISOString();
  expect((await example("replay-by-time", "orders", later)).stdout).toContain("0 of 0 orders");
});

test("key order holds, also in a second run on the same topic", async () => {
  for (let run = 1; run <= 2; run++) {
    const { stdout } = await example("key-order", "steps");
    expect(stdout).toContain("ada: ordered -> paid -> packed -> sent -> delivered\n");
    expect(stdout).toContain("every key in order");
  }
});
