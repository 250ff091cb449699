/**
 * examples.test.ts: the programs of packages/examples do what they say, run as a user runs them.
 */
import { fileURLToPath } from "node:url";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Finished, VarveProcess } from "./varve-process.js";

let cluster: TestCluster;
const started: VarveProcess[] = [];
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => {
  for (const { child } of started) child.kill("SIGKILL"); // What a failed test leaves running.
  await cluster.close();
});

/** Runs one example on the cluster, and must succeed. */
async function example(name: string, ...args: string[]): Promise<Finished> {
  const script = fileURLToPath(new URL(`../../packages/examples/dist/${name}.js`, import.meta.url));
  const bootstrap = [cluster.bootstrap].flat().join(",");
  const program = new VarveProcess([bootstrap, ...args], { stdin: "" }, script);
  started.push(program);
  const result = await program.finished;
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

test("order pipeline: every order is billed by one of two members, and the audit finds them all in the log", async () => {
  for (let run = 1; run <= 2; run++) {
    const { stdout } = await example("order-pipeline", "pipeline");
    expect(stdout).toMatch(/^sent 600 orders\nbilled 600 orders, \d+ \+ \d+\nthe group lags by 0 records\n/);
    expect(stdout).toContain("the log says 239700 cents, expected 239700\n");
  }
});

test("ordered workers: many records in work at once, and every key in order", async () => {
  const { stdout } = await example("ordered-workers", "work");
  expect(Number(/up to (\d+) in work/.exec(stdout)?.[1])).toBeGreaterThan(8);
  expect(stdout).toContain("all 40 keys in order\n");
});

test("live rewind: the members replay everything, in a second run what the first one left, too", async () => {
  for (const total of [400, 800]) {
    const { stdout } = await example("live-rewind", "pages");
    expect(stdout).toMatch(/^worked on \d+ records\n/);
    expect(stdout).toMatch(/member [12] goes on at 0/);
    expect(stdout).toContain(`worked on all ${total} again`);
  }
});

test("exactly once: six kills with -9 amid the work, and every balance is exact", async () => {
  const { stdout } = await example("exactly-once", "payments");
  const kills = [...stdout.matchAll(/^killed after (\d+) of 2000 payments$/gm)].map(([, count]) => Number(count));
  expect(kills).toHaveLength(6);
  expect(kills.at(-1)).toBeLessThan(2_000); // Or the worker was not amid its work.
  expect(stdout).toContain("2000 payments, 25 balances, every one exact\n");
});

test("one trace: the handler's span hangs under the sender's", async () => {
  const { stdout } = await example("one-trace", "traced");
  expect(stdout).toContain("send traced, under POST /orders\n");
  expect(stdout).toContain("process traced, under send traced\n");
  expect(stdout).toContain("INSERT invoice, under process traced\n");
  expect(stdout).toContain("4 spans, 1 trace\n");
});
