/** cluster-commands.test.ts: `varve cluster rebalance | scale-in-check | features | finalize` against a fake cluster. */
import { VarveError } from "@varve/base";
import { describe, expect, test } from "vitest";
import { byteText } from "../shell/byte-text.js";
import { runCommand } from "../testing/memory-shell.js";

const FIRST = { topic: "t", topicId: "id-t", partition: 0, from: [1, 2], to: [3, 2], bytes: 3 * 2 ** 20 };
const ORDER = { topic: "t", topicId: "id-t", partition: 1, from: [1, 2], to: [2, 1], bytes: 0 };
const LOAD = { id: 3, replicas: 0, replicasAfter: 1, leaders: 0, leadersAfter: 1, bytes: 0, bytesAfter: 3 * 2 ** 20 };
const NOTHING = { moves: [], complete: true, brokers: [] };

/** A cluster that answers with these plans one after the other, then that it is balanced, and whose moves take three looks each. */
function clusterWith(plans: readonly object[], fail: (topicId: string) => void = () => {}) {
  const left = [...plans];
  const moved: { topic: string; brokers: readonly number[] }[] = [];
  let moving: number[] = [];
  let most = 0;
  const admin = {
    planRebalance: async () => left.shift() ?? NOTHING,
    movePartition: async (input: { topic: string; topicId: string; brokers: readonly number[] }) => {
      fail(input.topicId);
      moved.push({ topic: input.topic, brokers: input.brokers });
      moving.push(3);
      most = Math.max(most, moving.length);
    },
    listMoves: async () => {
      moving = moving.map((looks) => looks - 1).filter((looks) => looks > 0);
      return moving.map(() => ({ ...FIRST, brokers: FIRST.to, leaving: [1], joining: [3], entriesBehind: 5 }));
    },
  };
  return { client: { admin }, moved, most: () => most };
}

describe("cluster rebalance", () => {
  test("--dry-run shows what would move and what brokers would have, and moves nothing", async () => {
    const { client, moved } = clusterWith([{ moves: [FIRST, ORDER], complete: true, brokers: [LOAD] }]);
    const run = await runCommand(["cluster", "rebalance", "--dry-run"], { client });
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/t +0 +1, 2 +3, 2 +3\.0 MiB/);
    expect(run.stdout).toMatch(/3 +0 -> 1 +0 -> 1 +0 B -> 3\.0 MiB/);
    expect(run.stdout).toContain("2 partitions change, 3.0 MiB move\n");
    expect(moved).toEqual([]);
    const json = await runCommand(["cluster", "rebalance", "--dry-run", "--json"], clusterWith([]));
    expect(JSON.parse(json.stdout)).toEqual({ moves: [], complete: true, brokers: [], bytes: 0 });
  });

  test("carries plans out until there is nothing to move, never more at once than asked for, and tells how far it is", async () => {
    const moves = [FIRST, FIRST, FIRST, FIRST, FIRST];
    const cluster = clusterWith([
      { moves, complete: false, brokers: [] },
      { moves: [ORDER], complete: true, brokers: [] },
    ]);
    const run = await runCommand(["cluster", "rebalance", "--at-once", "2"], cluster);
    expect(run).toMatchObject({ code: 0, stdout: "balanced: 6 partitions changed, 15.0 MiB moved\n" });
    expect(run.stderr).toContain(
      "2 of 5 partitions and 15.0 MiB begun; 2 partitions move, 2 still copy their log: 10 entries",
    );
    expect(cluster.moved.map(({ brokers }) => brokers)).toEqual([...moves.map(({ to }) => to), ORDER.to]);
    expect(cluster.most()).toBeLessThanOrEqual(2);
  });

  test("passes over what has gone since it was planned; another failure ends it", async () => {
    const gone = new VarveError("UNKNOWN_TOPIC_ID", { message: "deleted" });
    const throwing = (error: Error) => (topicId: string) => {
      if (topicId === "gone") throw error;
    };
    const plan = { moves: [{ ...FIRST, topicId: "gone" }, ORDER], complete: true, brokers: [] };
    const passed = clusterWith([plan], throwing(gone));
    expect((await runCommand(["cluster", "rebalance"], passed)).code).toBe(0);
    expect(passed.moved).toHaveLength(1);
    const broken = clusterWith([plan], throwing(new VarveError("COMMIT_UNKNOWN", { message: "who knows" })));
    expect((await runCommand(["cluster", "rebalance"], broken)).code).toBe(1);
  });

  test("ends although every plan asks for more, and says so", async () => {
    const plan = { moves: [ORDER], complete: true, brokers: [] };
    const run = await runCommand(["cluster", "rebalance"], clusterWith(Array.from({ length: 50 }, () => plan)));
    expect(run).toMatchObject({ code: 1, stdout: expect.stringContaining("the same command goes on") });
  });

  test("interrupted, it says that the same command goes on", async () => {
    const stop = AbortSignal.abort("interrupted");
    const cluster = clusterWith([{ moves: [FIRST], complete: true, brokers: [] }]);
    const run = await runCommand(["cluster", "rebalance"], { ...cluster, stop });
    expect(run).toMatchObject({ code: 1, stdout: expect.stringContaining("the same command goes on") });
    expect(cluster.moved).toEqual([]);
  });
});

function described(brokers: readonly (readonly [id: number, host: string])[]) {
  const rows = brokers.map(([id, host]) => ({ id, address: `${host}:7650`, replicas: 4, leaving: false }));
  return { client: { admin: { describeCluster: async () => ({ brokers: rows, featureLevel: 1 }) } } };
}

describe("cluster scale-in-check", () => {
  const check = (replicas: number, client: { client: object }, ...more: string[]) =>
    runCommand(["cluster", "scale-in-check", "--replicas", String(replicas), ...more], client);

  test("exit 0 when nobody above the number is a member; else 1 with the commands to run first", async () => {
    const four = described([1, 2, 3, 4].map((id) => [id, `h${id}`]));
    expect(await check(4, four)).toMatchObject({ code: 0, stdout: expect.stringContaining("safe") });
    const run = await check(3, four);
    expect(run.code).toBe(1);
    expect(run.stdout).toContain(
      "broker 4 (h4:7650) is still a member and holds 4 replicas; first: varve broker decommission 4",
    );
    expect(run.stdout).not.toContain("broker 3");
    const json = JSON.parse((await check(2, four, "--json")).stdout);
    expect(json).toMatchObject({ safe: false, brokers: [{ id: 3 }, { id: 4, command: expect.stringContaining("4") }] });
  });

  test("--name goes by the pods' ordinals, which need not be the ids", async () => {
    const swapped = described([
      [7, "varve-0.varve.ns.svc"],
      [1, "varve-2.varve.ns.svc"],
      [2, "other-9"],
    ]);
    const run = await check(2, swapped, "--name", "varve");
    expect(run).toMatchObject({ code: 1, stdout: expect.stringContaining("broker 1 (varve-2") });
    expect(run.stdout).not.toMatch(/broker [27] /);
  });

  test("what cannot be known counts as no", async () => {
    const error = new VarveError("UNREACHABLE", { message: "nobody there" });
    const run = await check(3, { client: { admin: { describeCluster: () => Promise.reject(error) } } });
    expect(run).toMatchObject({ code: 1, stdout: expect.stringContaining("nobody there") });
    expect((await runCommand(["cluster", "scale-in-check"])).code).toBe(2);
  });
});

describe("cluster features and finalize", () => {
  const brokers = [
    { id: 1, version: "0.2.0", featureLevelMin: 1, featureLevelMax: 2 },
    { id: 2, version: "0.2.0", featureLevelMin: 1, featureLevelMax: 3 },
  ];
  const clusterOf = (featureLevel: number) => {
    const calls: unknown[] = [];
    const describeCluster = async () => ({ brokers, featureLevel });
    const finalizeFeatureLevel = async (input: unknown) => void calls.push(input);
    return { client: { admin: { describeCluster, finalizeFeatureLevel } }, calls };
  };

  test("features: the level, what all support, what each supports", async () => {
    const run = await runCommand(["cluster", "features"], clusterOf(1));
    expect(run.stdout).toMatch(/finalised level +1\nall support +2\n/);
    expect(run.stdout).toMatch(/2 +0\.2\.0 +1 to 3\n/);
    expect(run.stdout).toContain("varve cluster finalize");
    const json = JSON.parse((await runCommand(["cluster", "features", "--json"], clusterOf(2))).stdout);
    expect(json).toMatchObject({ level: 2, available: 2, brokers: [{ id: 1, min: 1, max: 2 }, { id: 2 }] });
  });

  test("finalize: the newest level that all support, or the one that is named", async () => {
    const cluster = clusterOf(1);
    expect(await runCommand(["cluster", "finalize"], cluster)).toMatchObject({
      code: 0,
      stdout: "level 2 is finalised; it was 1\n",
    });
    await runCommand(["cluster", "finalize", "--level", "3"], cluster);
    expect(cluster.calls).toEqual([{ level: 2 }, { level: 3 }]);
  });
});

test.each([
  { bytes: 0, text: "0 B" },
  { bytes: 1_023, text: "1023 B" },
  { bytes: 1_536, text: "1.5 KiB" },
  { bytes: 340 * 2 ** 20, text: "340 MiB" },
  { bytes: 5 * 2 ** 50, text: "5120 TiB" },
])("$bytes bytes are $text", ({ bytes, text }) => {
  expect(byteText(bytes)).toBe(text);
});
