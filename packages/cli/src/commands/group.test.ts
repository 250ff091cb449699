/** group.test.ts: `varve group` against a model of a coordinator, in simulated time; the descriptions also against made-up answers. */
import { VarveError } from "@varve/base";
import type { GroupDescription } from "@varve/client";
import { describe, expect, test } from "vitest";
import { GroupCluster } from "../testing/group-cluster.js";
import { runCommand } from "../testing/memory-shell.js";
import { partitionsText, withLag } from "./group-description.js";

const keyless = (count: number): null[] => Array.from({ length: count }, () => null);

/** A cluster whose group `g` has committed offset 4 of 10 in partition 0, and has no members. */
async function committed(partitions = 1): Promise<GroupCluster> {
  const cluster = new GroupCluster(partitions);
  if (partitions === 1) await cluster.fill(keyless(10));
  cluster.groups.adminCommit("g", "t", 0, partitions === 1 ? 4 : 0);
  return cluster;
}

/** Runs `work` while a member of `g` works. */
async function withMember(cluster: GroupCluster, work: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const member = cluster.command(["consume", "t", "--group", "g"], { stop: stop.signal });
  await cluster.until(() => cluster.groups.members("g").length === 1);
  await cluster.sim.clock.runUntil(cluster.sim.clock.monotonicMs() + 3_000);
  await work();
  stop.abort("interrupted");
  await cluster.sim.run(member);
}

describe("group list", () => {
  test("a table for people, one array for programs, also without groups", async () => {
    const cluster = await committed();
    expect(await cluster.run(["group", "list"])).toMatchObject({
      code: 0,
      stdout: "GROUP  STATE  MEMBERS\ng      empty        0\n",
      stderr: "",
    });
    expect((await cluster.run(["group", "list", "--json"])).stdout).toBe(
      '[{"group":"g","state":"empty","members":0}]\n',
    );
    expect((await new GroupCluster().run(["group", "list", "--json"])).stdout).toBe("[]\n");
  });
});

const DESCRIPTION: GroupDescription = {
  group: "billing",
  state: "stable",
  coordinator: 2,
  members: [
    {
      id: "m-1",
      staticId: "pod-0",
      clientId: null,
      topics: ["orders"],
      assigned: [0, 1].map((partition) => ({ topic: "orders", partition })),
    },
    { id: "m-2", staticId: null, clientId: "worker", topics: ["orders"], assigned: [] },
  ],
  offsets: [
    { topic: "orders", partition: 0, committed: 90, highWatermark: 100, lagRecords: 10, lagMs: 1_500, problem: null },
    { topic: "orders", partition: 1, committed: 7, highWatermark: 7, lagRecords: 0, lagMs: 0, problem: null },
  ],
};
const UNKNOWN_LAG = {
  topic: "orders",
  partition: 2,
  committed: 5,
  highWatermark: null,
  lagRecords: null,
  lagMs: null,
  problem: "no broker leads it",
};

describe("group describe", () => {
  const client = (description: GroupDescription) => ({ admin: { describeGroup: async () => description } });

  test("for people: state, members with ids and partitions, partitions with owner and lag, sums", async () => {
    const { code, stdout } = await runCommand(["group", "describe", "billing"], { client: client(DESCRIPTION) });
    expect(code).toBe(0);
    expect(stdout).toBe(`group        billing
state        stable
coordinator  broker 2

MEMBER  STATIC ID  CLIENT ID  PARTITIONS
m-1     pod-0      -          orders/0-1
m-2     -          worker     -

TOPIC   PARTITION  COMMITTED  HIGH WATERMARK  LAG RECORDS  LAG SECONDS  OWNER
orders          0         90             100           10          1.5  m-1
orders          1          7               7            0          0.0  m-1
total                                                  10          1.5
`);
  });

  test("for programs: one object with everything, high watermark, owner and total", async () => {
    const { stdout } = await runCommand(["group", "describe", "billing", "--json"], { client: client(DESCRIPTION) });
    expect(stdout.split("\n")).toHaveLength(2);
    expect(JSON.parse(stdout)).toEqual({
      ...DESCRIPTION,
      offsets: [
        { ...DESCRIPTION.offsets[0], owner: "m-1" },
        { ...DESCRIPTION.offsets[1], owner: "m-1" },
      ],
      total: { lagRecords: 10, lagMs: 1_500, unknown: 0 },
    });
  });

  test("a lag that is not known is a dash with its reason, and the total says that it leaves it out", async () => {
    const description = { ...DESCRIPTION, offsets: [...DESCRIPTION.offsets, UNKNOWN_LAG] };
    const { stdout } = await runCommand(["group", "describe", "billing"], { client: client(description) });
    expect(stdout).toMatch(/^orders +2 +5 +- +- +- +-$/m);
    expect(stdout).toMatch(/^total of known +10 +1\.5$/m);
    expect(stdout).toContain("lag of orders/2 is not known: no broker leads it\n");
    expect(withLag(description).total).toEqual({ lagRecords: 10, lagMs: 1_500, unknown: 1 });
    const none = await runCommand(["group", "describe", "billing"], {
      client: client({ ...DESCRIPTION, offsets: [UNKNOWN_LAG] }),
    });
    expect(none.stdout).toMatch(/^total of known +- +-$/m);
  });

  test("a group without members, and one that has committed nothing", async () => {
    const description = { ...DESCRIPTION, state: "empty" as const, members: [], offsets: [] };
    const { stdout } = await runCommand(["group", "describe", "billing"], { client: client(description) });
    expect(stdout).toContain("\nno members\n\nnothing committed\n");
  });

  test("a running group, as a coordinator describes it", async () => {
    const cluster = await committed();
    await withMember(cluster, async () => {
      const [id] = cluster.groups.members("g");
      const { stdout } = await cluster.run(["group", "describe", "g", "--json"]);
      expect(JSON.parse(stdout)).toMatchObject({
        group: "g",
        state: "stable",
        members: [{ id, staticId: null, clientId: "varve consume", topics: ["t"] }],
        offsets: [{ topic: "t", partition: 0, committed: 10, highWatermark: 10, lagRecords: 0, owner: id }],
        total: { lagRecords: 0, lagMs: 0, unknown: 0 },
      });
    });
  });

  test("partitions are shown as runs", () => {
    const assigned = [5, 0, 2, 1, 9, 8].map((partition) => ({ topic: "a", partition }));
    expect(partitionsText([...assigned, { topic: "b", partition: 11 }])).toBe("a/0-2,5,8-9 b/11");
    expect(partitionsText([])).toBe("");
  });
});

describe("group seek", () => {
  test.each([
    { to: "earliest", want: 0 },
    { to: "latest", want: 10 },
    { to: "7", want: 7 },
  ])("--to $to goes there, and the offset is printed", async ({ to, want }) => {
    const cluster = await committed();
    expect(await cluster.run(["group", "seek", "g", "--topic", "t", "--to", to])).toMatchObject({
      code: 0,
      stdout: `TOPIC  PARTITION  GOES ON AT\nt              0  ${String(want).padStart(10)}\n`,
      stderr: "",
    });
    expect(cluster.groups.committed("g", "t", 0)).toBe(want);
  });

  test("--to TIME is passed on in milliseconds, --partition as a number", async () => {
    const asked: unknown[] = [];
    const seekGroup = async (input: unknown) => {
      asked.push(input);
      return { offsets: [] };
    };
    const to = ["--to", "1970-01-01T01:00:01+01:00"];
    const args = ["group", "seek", "g", "--topic", "t", ...to, "--partition", "3"];
    expect((await runCommand(args, { client: { admin: { seekGroup } } })).code).toBe(0);
    expect(asked).toEqual([{ group: "g", topic: "t", to: { timeMs: 1_000 }, partition: 3 }]);
  });

  test("moves all partitions while the group runs, or one", async () => {
    const cluster = await committed(3);
    await cluster.fill(Array.from({ length: 30 }, (_, at) => `k${at}`));
    await withMember(cluster, async () => {
      const all = await cluster.run(["group", "seek", "g", "--topic", "t", "--to", "earliest", "--json"]);
      expect(JSON.parse(all.stdout)).toEqual({
        group: "g",
        topic: "t",
        offsets: [0, 1, 2].map((partition) => ({ partition, offset: 0 })),
      });
      const one = await cluster.run(["group", "seek", "g", "--topic=t", "--to=1", "--partition=2", "--json"]);
      expect(JSON.parse(one.stdout).offsets).toEqual([{ partition: 2, offset: 1 }]);
    });
    expect(cluster.groups.refused).toEqual([]);
  });

  test.each([
    { why: "an unknown group", args: ["h", "--topic", "t", "--to", "latest"], code: "UNKNOWN_GROUP" },
    { why: "an illegal name", args: ["a b", "--topic", "t", "--to", "latest"], code: "INVALID_GROUP_NAME" },
    { why: "an unknown topic", args: ["g", "--topic", "u", "--to", "latest"], code: "UNKNOWN_TOPIC" },
    { why: "an offset past the end", args: ["g", "--topic", "t", "--to", "11"], code: "OFFSET_OUT_OF_RANGE" },
  ])("refuses $why with $code, and nothing is moved", async ({ args, code }) => {
    const cluster = await committed();
    const result = await cluster.run(["group", "seek", ...args, "--json"]);
    expect(result).toMatchObject({ code: 1, stdout: "" });
    expect(JSON.parse(result.stderr)).toMatchObject({ error: { code, effect: "NOT_APPLIED" } });
    expect(cluster.groups.committed("g", "t", 0)).toBe(4);
  });
});

describe("group delete", () => {
  test("forgets a group without members", async () => {
    const cluster = await committed();
    expect(await cluster.run(["group", "delete", "g"])).toMatchObject({ code: 0, stdout: "group g is deleted\n" });
    expect(cluster.groups.groups.size).toBe(0);
    const again = await cluster.run(["group", "delete", "g", "--json"]);
    expect(again.code).toBe(1);
    expect(JSON.parse(again.stderr)).toMatchObject({ error: { code: "UNKNOWN_GROUP" } });
    const described = await cluster.run(["group", "describe", "g"]);
    expect(described).toMatchObject({ code: 1, stdout: "" });
    expect(described.stderr).toContain("UNKNOWN_GROUP");
  });

  test("refuses one with members and says what to do; its offsets stay", async () => {
    const cluster = await committed();
    await withMember(cluster, async () => {
      const result = await cluster.run(["group", "delete", "g"]);
      expect(result).toMatchObject({ code: 1, stdout: "" });
      expect(result.stderr).toContain("stop them first (varve group describe g lists them)");
      expect(result.stderr).toContain("GROUP_NOT_EMPTY, effect NOT_APPLIED");
      expect(cluster.groups.committed("g", "t", 0)).toBe(10);
    });
  });

  test("--json says what was deleted; another failure is passed on as it is", async () => {
    const cluster = await committed();
    expect((await cluster.run(["group", "delete", "g", "--json"])).stdout).toBe('{"group":"g","deleted":true}\n');
    const deleteGroup = () => Promise.reject(new VarveError("COORDINATOR_LOADING", { message: "not yet" }));
    const failed = await runCommand(["group", "delete", "g"], { client: { admin: { deleteGroup } } });
    expect(failed.stderr).toMatch(/^error: not yet\n/);
  });
});
