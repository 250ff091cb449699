import { spawn } from "node:child_process";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { DEPLOY, endOf } from "./tools.js";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ brokers: 3 });
  // A cluster is whole when all its brokers are registered.
  const { admin } = cluster.varve();
  await vi.waitUntil(async () => (await admin.describeCluster()).brokers.length === 3, { timeout: 60_000 });
});
afterAll(() => cluster.close());

/** Runs one of the image's programs against brokers. */
async function program(name: string, args: readonly string[]): Promise<{ code: number; said: string }> {
  const child = spawn(process.execPath, [`${DEPLOY}image/${name}`, ...args], {
    env: { ...process.env, VARVE_BOOTSTRAP: cluster.bootstrap.join() },
  });
  return endOf(child);
}

test("helm test's program writes, reads back and leaves no topic behind", async () => {
  const { code, said } = await program("smoke-test.mjs", ["--records", "20"]);
  expect(said).toBe("20 records written to 3 replicas and read back\n");
  expect(code).toBe(0);
  expect(await cluster.varve().admin.listTopics()).toEqual([]);
});
