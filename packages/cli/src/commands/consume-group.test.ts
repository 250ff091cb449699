/** consume-group.test.ts: `varve consume --group` against a model of a coordinator, in simulated time. */
import { VarveError } from "@varve/base";
import { describe, expect, test } from "vitest";
import { GroupCluster } from "../testing/group-cluster.js";
import { MemoryOutput, runCommand } from "../testing/memory-shell.js";

const CONSUME = ["consume", "t", "--group", "g"];
const keyless = (count: number): null[] => Array.from({ length: count }, () => null);
const lines = (first: number, end: number): string =>
  Array.from({ length: end - first }, (_, at) => `v${first + at}\n`).join("");

/** A stdout whose reader is slow: from the write with that number on it takes nothing until `resume`. */
class SlowOutput extends MemoryOutput {
  private writes = 0;
  private readonly stopsAt: number;
  private waiting: ((taken: boolean) => void)[] = [];

  constructor(stopsAt: number) {
    super();
    this.stopsAt = stopsAt;
  }

  override write(data: string | Uint8Array): undefined {
    this.writes += 1;
    super.write(data);
  }

  override flush(): Promise<boolean> {
    return this.writes < this.stopsAt ? Promise.resolve(true) : new Promise((resolve) => this.waiting.push(resolve));
  }

  resume(): void {
    this.writes = Number.NEGATIVE_INFINITY;
    for (const resolve of this.waiting.splice(0)) resolve(true);
  }
}

describe("where a member begins and what it commits", () => {
  test("earliest without a commit; with one it goes on there; --max leaves after exactly so many, which are committed", async () => {
    const cluster = new GroupCluster();
    await cluster.fill(keyless(10));
    expect(await cluster.run([...CONSUME, "--max", "3"])).toMatchObject({ code: 0, stdout: lines(0, 3), stderr: "" });
    expect(cluster.groups.committed("g", "t", 0)).toBe(3);
    expect(cluster.groups.members("g")).toEqual([]);
    expect(await cluster.run([...CONSUME, "--max", "4"])).toMatchObject({ code: 0, stdout: lines(3, 7) });
    expect(cluster.groups.committed("g", "t", 0)).toBe(7);
    expect(cluster.groups.refused).toEqual([]);
  });

  test("--max over several partitions: the commits of all add up to what was printed", async () => {
    const cluster = new GroupCluster(3);
    await cluster.fill(Array.from({ length: 60 }, (_, at) => `k${at}`));
    const printed: string[] = [];
    for (const max of ["17", "1", "42"]) {
      const { code, stdout } = await cluster.run([...CONSUME, "--max", max]);
      expect(code).toBe(0);
      printed.push(...stdout.trimEnd().split("\n"));
      const committed = [0, 1, 2].map((partition) => Math.max(0, cluster.groups.committed("g", "t", partition)));
      expect(committed.reduce((sum, offset) => sum + offset, 0)).toBe(printed.length);
    }
    expect(new Set(printed).size).toBe(60);
  });

  test("--key prints only those, --max counts only those, and what was passed over is committed", async () => {
    const cluster = new GroupCluster();
    await cluster.fill(["a", "b", "b", "a", "b", "a"]);
    expect(await cluster.run([...CONSUME, "--key", "a", "--max", "2"])).toMatchObject({ code: 0, stdout: "v0\nv3\n" });
    expect(cluster.groups.committed("g", "t", 0)).toBe(4);
  });

  test("json, by --format or by --json, also says partition and offset", async () => {
    const cluster = new GroupCluster();
    await cluster.fill(["k", "k"]);
    const { stdout } = await cluster.run([...CONSUME, "--max", "1", "--format", "json"]);
    expect(JSON.parse(stdout)).toMatchObject({ topic: "t", partition: 0, offset: 0, key: "k", value: "v0" });
    const second = await cluster.run([...CONSUME, "--max", "1", "--json"]);
    expect(JSON.parse(second.stdout)).toMatchObject({ offset: 1 });
  });

  test("two of them share the partitions, and together print everything once", async () => {
    const cluster = new GroupCluster(2);
    const stop = new AbortController();
    const both = [cluster.command(CONSUME, { stop: stop.signal }), cluster.command(CONSUME, { stop: stop.signal })];
    await cluster.until(() => cluster.groups.members("g").length === 2);
    await cluster.sim.clock.runUntil(cluster.sim.clock.monotonicMs() + 3_000);
    await cluster.fill(Array.from({ length: 40 }, (_, at) => `k${at}`));
    await cluster.until(() => cluster.groups.committed("g", "t", 0) + cluster.groups.committed("g", "t", 1) === 40);
    stop.abort("interrupted");
    const results = await cluster.sim.run(Promise.all(both));
    const printed = results.flatMap(({ stdout }) => stdout.trimEnd().split("\n"));
    expect([printed.length, new Set(printed).size]).toEqual([40, 40]);
    for (const { code, stdout } of results) expect([code, stdout === ""]).toEqual([0, false]);
  });
});

describe("how it ends", () => {
  test("Ctrl-C while following: commits what was printed at once, leaves, exit 0", async () => {
    const cluster = new GroupCluster();
    await cluster.fill(keyless(5));
    const stop = new AbortController();
    const run = cluster.command(CONSUME, { stop: stop.signal });
    await cluster.until(() => cluster.groups.committed("g", "t", 0) === 5);
    await cluster.fill(keyless(2));
    await cluster.sim.clock.runUntil(cluster.sim.clock.monotonicMs() + 50);
    expect(cluster.groups.committed("g", "t", 0)).toBe(5);
    stop.abort("interrupted");
    expect(await cluster.sim.run(run)).toMatchObject({ code: 0, stdout: lines(0, 7), stderr: "" });
    expect(cluster.groups.committed("g", "t", 0)).toBe(7);
    expect(cluster.groups.members("g")).toEqual([]);
  });

  test("Ctrl-C before --max was reached is exit 1, and what was printed is committed", async () => {
    const cluster = new GroupCluster();
    await cluster.fill(keyless(2));
    const stop = new AbortController();
    const run = cluster.command([...CONSUME, "--max", "3"], { stop: stop.signal });
    await cluster.until(() => cluster.groups.committed("g", "t", 0) >= 0);
    stop.abort("interrupted");
    expect(await cluster.sim.run(run)).toMatchObject({ code: 1, stdout: lines(0, 2), stderr: "" });
    expect(cluster.groups.committed("g", "t", 0)).toBe(2);
  });

  test("asked to stop before it began: it joins nothing", async () => {
    const cluster = new GroupCluster();
    const result = await cluster.run(CONSUME, { stop: AbortSignal.abort("interrupted") });
    expect(result).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(cluster.groups.groups.size).toBe(0);
  });

  test("a reader of stdout that has gone: quiet, exit 0, and the record that it did not take is not committed", async () => {
    const cluster = new GroupCluster();
    await cluster.fill(keyless(10));
    expect(await cluster.run(CONSUME, { stdoutClosesAfter: 4 })).toMatchObject({
      code: 0,
      stdout: lines(0, 4),
      stderr: "",
    });
    expect(cluster.groups.committed("g", "t", 0)).toBe(4);
    expect(cluster.groups.members("g")).toEqual([]);
  });

  test("a last commit that fails is exit 1, and the message says that the records come again", async () => {
    const cluster = new GroupCluster();
    await cluster.fill(keyless(3));
    cluster.groups.commitError = new VarveError("NOT_ENOUGH_REPLICAS", { message: "no quorum" });
    const result = await cluster.run([...CONSUME, "--max", "2", "--json"]);
    expect(result).toMatchObject({ code: 1, stdout: expect.stringContaining('"offset":1') });
    const { error } = JSON.parse(result.stderr);
    expect(error).toMatchObject({ code: "NOT_ENOUGH_REPLICAS" });
    expect(error.message).toContain(
      "2 records printed, but the last ones could not be committed to g and may come again",
    );
  });

  test("a commit that failed only for a while is tried again, and exit code 0", async () => {
    const cluster = new GroupCluster();
    await cluster.fill(keyless(3));
    cluster.groups.commitError = new VarveError("INTERNAL", { message: "once" });
    const stop = new AbortController();
    const run = cluster.command(CONSUME, { stop: stop.signal });
    await cluster.until(() => cluster.groups.refused.length > 0);
    cluster.groups.commitError = null;
    stop.abort("interrupted");
    expect(await cluster.sim.run(run)).toMatchObject({ code: 0, stderr: "" });
    expect(cluster.groups.committed("g", "t", 0)).toBe(3);
  });

  test("a committed offset that retention deleted: exit 1 with OFFSET_OUT_OF_RANGE", async () => {
    const cluster = new GroupCluster();
    await cluster.fill(keyless(20));
    await cluster.fill(keyless(20));
    cluster.groups.adminCommit("g", "t", 0, 5);
    cluster.model.partition("t", 0).trim(20);
    const { code, stderr } = await cluster.run([...CONSUME, "--max", "1"]);
    expect(code).toBe(1);
    expect(stderr).toContain("OFFSET_OUT_OF_RANGE");
  });
});

describe("while it runs", () => {
  test("a slow reader of stdout: what it has not taken is not committed, and the membership lasts", async () => {
    const cluster = new GroupCluster();
    await cluster.fill(keyless(6));
    const stdout = new SlowOutput(4);
    const run = cluster.command([...CONSUME, "--max", "6"], { stdout });
    await cluster.until(() => cluster.groups.committed("g", "t", 0) === 3);
    const members = cluster.groups.members("g");
    await cluster.sim.clock.runUntil(cluster.sim.clock.monotonicMs() + 100_000);
    expect(cluster.groups.committed("g", "t", 0)).toBe(3);
    expect(cluster.groups.members("g")).toEqual(members);
    stdout.resume();
    const result = await cluster.sim.run(run);
    expect(result).toMatchObject({ code: 0, stdout: lines(0, 6) });
    expect(result.stderr).toContain("t/0"); // The watchdog says what stands still.
    expect(cluster.groups.committed("g", "t", 0)).toBe(6);
  });

  test("a seek of the group: it prints again from there, and nothing of before is committed after", async () => {
    const cluster = new GroupCluster();
    await cluster.fill(keyless(6));
    const stop = new AbortController();
    const run = cluster.command(CONSUME, { stop: stop.signal });
    await cluster.until(() => cluster.groups.committed("g", "t", 0) === 6);
    const moved = await cluster.run(["group", "seek", "g", "--topic", "t", "--to", "2", "--json"]);
    expect(JSON.parse(moved.stdout)).toEqual({ group: "g", topic: "t", offsets: [{ partition: 0, offset: 2 }] });
    await cluster.until(() => cluster.groups.committed("g", "t", 0) === 6);
    stop.abort("interrupted");
    expect(await cluster.sim.run(run)).toMatchObject({ code: 0, stdout: `${lines(0, 6)}${lines(2, 6)}` });
    expect(cluster.groups.refused).toEqual([]);
  });

  test("a topic that does not exist is waited for, and said on stderr, but not to programs", async () => {
    for (const json of [[], ["--json"]]) {
      const cluster = new GroupCluster();
      const stop = new AbortController();
      const run = cluster.command(["consume", "later", "--group", "g", ...json], { stop: stop.signal });
      await cluster.sim.clock.runUntil(5_000);
      stop.abort("interrupted");
      const { code, stderr } = await cluster.sim.run(run);
      expect(code).toBe(0);
      if (json.length > 0) expect(stderr).toBe("");
      else expect(stderr).toContain("varve topic create later");
    }
  });

  test("a member that was taken for dead says so, joins again and repeats only what was not committed", async () => {
    const cluster = new GroupCluster();
    await cluster.fill(keyless(4));
    const stop = new AbortController();
    const run = cluster.command(CONSUME, { stop: stop.signal });
    await cluster.until(() => cluster.groups.committed("g", "t", 0) === 4);
    const [first = ""] = cluster.groups.members("g");
    await cluster.fill(keyless(2));
    await cluster.sim.clock.runUntil(cluster.sim.clock.monotonicMs() + 50);
    cluster.groups.fence("g", first);
    await cluster.until(() => cluster.groups.committed("g", "t", 0) === 6);
    stop.abort("interrupted");
    const { code, stdout, stderr } = await cluster.sim.run(run);
    expect(code).toBe(0);
    expect(stdout).toBe(`${lines(0, 6)}${lines(4, 6)}`);
    expect(stderr).toContain("lost 1 partition of g; what was not committed comes again");
  });
});

describe("what is refused", () => {
  test.each([
    { args: ["--from", "earliest"], says: "--from cannot be used with --group", seek: "--to earliest\n" },
    { args: ["--from", "latest"], says: "--from cannot be used with --group", seek: "--to latest\n" },
    { args: ["--from", "7"], says: "--from", seek: "--to 7 --partition P\n" },
    { args: ["--from", "1970-01-01T01:00:01+01:00"], says: "--from", seek: "--to 1970-01-01T00:00:01.000Z\n" },
    { args: ["--to", "end"], says: "--to cannot be used with --group", seek: "--to earliest\n" },
    { args: ["--partition", "2"], says: "--partition cannot", seek: "--to earliest --partition 2\n" },
    { args: ["--from", "7", "--partition", "2"], says: "--from and --partition", seek: "--to 7 --partition 2\n" },
  ])("$args is wrong usage, and the message shows the command that moves the group", async ({ args, says, seek }) => {
    const result = await runCommand([...CONSUME, ...args]);
    expect(result).toMatchObject({ code: 2, stdout: "", bootstrap: null });
    expect(result.stderr).toContain(says);
    expect(result.stderr).toContain(`varve group seek g --topic t ${seek}`);
  });

  test.each(["", "a b", "__x", "..", "x".repeat(250)])(
    "group name %j is refused, and nothing is joined",
    async (name) => {
      const cluster = new GroupCluster();
      const { code, stdout, stderr } = await cluster.run(["consume", "t", "--group", name]);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toContain("INVALID_GROUP_NAME, effect NOT_APPLIED");
      expect(cluster.groups.groups.size).toBe(0);
    },
  );
});
