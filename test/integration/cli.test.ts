/**
 * cli.test.ts: the command line on a real local cluster, as a user types it: `varve dev`, produce, kill -9, consume, describe, inspect.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freeBasePort } from "./ports.js";
import { devFileOf, type Finished, isAlive, type RunOptions, until, VarveProcess, varve } from "./varve-process.js";

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "varve-cli-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Starts `varve dev` and waits until it says that all brokers are ready. */
async function startDev(folder: string, port: number, ...args: string[]): Promise<VarveProcess> {
  const dev = new VarveProcess(["dev", "--data-dir", folder, "--port", String(port), ...args]);
  await until("dev.json", () => {
    if (dev.child.exitCode !== null) throw new Error(`varve dev ended: ${dev.stderr}`);
    const file = devFileOf(folder);
    return file?.pid === dev.pid ? file : null; // Not the one that a killed owner left behind.
  });
  return dev;
}

describe("on a cluster of three brokers", () => {
  let folder = "";
  let port = 0;
  let dev: VarveProcess;

  beforeAll(async () => {
    folder = join(root, "three");
    port = await freeBasePort(3);
    dev = await startDev(folder, port);
  });
  afterAll(async () => {
    dev.child.kill("SIGTERM");
    await dev.finished;
  });

  const run = (args: readonly string[], options: RunOptions = {}): Promise<Finished> =>
    varve(args, { ...options, env: { VARVE_BOOTSTRAP: devFileOf(folder)?.bootstrap ?? "", ...options.env } });

  /** Runs a command that must succeed, and gives its stdout. */
  async function ok(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await run(args, options);
    expect({ code, stderr: code === 0 ? "" : stderr }, args.join(" ")).toEqual({ code: 0, stderr: "" });
    return stdout;
  }

  test("dev: prints the ports, and dev.json names living brokers that answer where it says", async () => {
    const file = devFileOf(folder);
    expect(file).toMatchObject({
      pid: dev.pid,
      bootstrap: [0, 10, 20].map((step) => `127.0.0.1:${port + step}`).join(","),
    });
    expect(file?.brokers.map(({ id }) => id)).toEqual([1, 2, 3]);
    for (const { pid, grpc, peer, ops, dataDir, id } of file?.brokers ?? []) {
      expect(isAlive(pid)).toBe(true);
      expect(dataDir).toBe(join(folder, `broker-${id}`));
      for (const address of [grpc, peer, ops]) await until(address, () => dev.stdout.includes(address) || null);
      expect((await fetch(`http://${ops}/readyz`)).status).toBe(200);
    }
  });

  test("doctor: every listener of every broker answers where it is advertised", async () => {
    const examined = JSON.parse(await ok(["doctor", "--all", "--json"]));
    expect(examined).toMatchObject({ well: true, problems: [] });
    const advertised = (devFileOf(folder)?.brokers ?? []).map(({ grpc, peer, ops }) => [grpc, peer, ops]);
    type Broker = { listeners: { address: string; problem: string | null }[] };
    expect(examined.brokers.map(({ listeners }: Broker) => listeners.map(({ address }) => address))).toEqual(
      advertised,
    );
  });

  test("topic: create, list, describe, alter, delete", async () => {
    await ok(["topic", "create", "first", "--partitions", "4", "--set", "retentionMs=3600000"]);
    const again = await run(["topic", "create", "first"]);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain("TOPIC_EXISTS, effect NOT_APPLIED");
    await ok(["topic", "create", "first", "--if-not-exists"]);
    const listed = JSON.parse(await ok(["topic", "list", "--json"])) as { topic: string }[];
    expect(listed).toContainEqual(expect.objectContaining({ topic: "first", partitions: 4, replicas: 3 }));
    const described = JSON.parse(await ok(["topic", "describe", "first", "--json"]));
    expect(described).toMatchObject({ topic: "first", config: { retentionMs: 3_600_000 } });
    expect(described.partitions).toHaveLength(4);
    await ok([
      "topic",
      "alter",
      "first",
      "--unset",
      "retentionMs",
      "--set",
      "segmentBytes=1048576",
      "--partitions",
      "5",
    ]);
    const altered = JSON.parse(await ok(["topic", "describe", "first", "--json"]));
    expect(altered).toMatchObject({ config: { retentionMs: 604_800_000, segmentBytes: 1_048_576 } });
    expect(altered.partitions).toHaveLength(5);
    await ok(["topic", "delete", "first"]);
    expect((await run(["topic", "describe", "first"])).stderr).toContain("varve topic create first");
  });

  test("produce and consume: every byte of every line comes back", async () => {
    await ok(["topic", "create", "bytes", "--partitions", "1"]);
    const lines = Buffer.from("plain\r\n\n\xff\xfe\0 broken\nt\tab\nno newline", "latin1");
    const { stderr } = await run(["produce", "bytes", "--key-field", "1"], { stdin: lines });
    expect(stderr).toMatch(/^5 records/);
    const { stdoutBytes, code } = await run(["consume", "bytes", "--from", "earliest", "--to", "end"]);
    expect(code).toBe(0);
    expect(stdoutBytes.toString("latin1")).toBe(`${lines.toString("latin1")}\n`);
    const json = await ok(["consume", "bytes", "--from", "2", "--max", "1", "--format", "json"]);
    expect(JSON.parse(json)).toMatchObject({
      topic: "bytes",
      partition: 0,
      offset: 2,
      key: Buffer.from("\xff\xfe\0", "latin1").toString("base64"),
      value: Buffer.from("\xff\xfe\0 broken", "latin1").toString("base64"),
      headers: {},
      encoding: "base64",
    });
  });

  test("consume: positions by offset and by time, one partition, one key", async () => {
    await ok(["topic", "create", "places", "--partitions", "2"]);
    const before = Array.from({ length: 50 }, (_, index) => `k${index % 5}:${index}\n`).join("");
    await ok(["produce", "places", "--key-separator", ":"], { stdin: before });
    const between = new Date(Date.now() + 1).toISOString();
    await until("the next millisecond", () => (new Date().toISOString() > between ? true : null));
    await ok(["produce", "places", "--key-separator", ":"], { stdin: "k0:later\n" });
    expect(await ok(["consume", "places", "--from", between, "--to", "end"])).toBe("later\n");
    const early = await ok(["consume", "places", "--from", "earliest", "--to", between]);
    expect(
      early
        .trim()
        .split("\n")
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual(Array.from({ length: 50 }, (_, index) => index));
    const one = await ok(["consume", "places", "--from", "earliest", "--to", "end", "--key", "k3"]);
    expect(one).toBe(Array.from({ length: 10 }, (_, index) => `${5 * index + 3}\n`).join(""));
    const parts = await Promise.all(
      [0, 1].map((p) => ok(["consume", "places", "--from", "earliest", "--to", "end", "--partition", String(p)])),
    );
    expect(parts.join("").split("\n").length - 1).toBe(51);
    expect((await run(["consume", "places", "--from", "3"])).code).toBe(2);
    const beyond = await run(["consume", "places", "--partition", "0", "--from", "1000", "--to", "end", "--json"]);
    expect(beyond).toMatchObject({ code: 1, stdout: "" });
    expect(JSON.parse(beyond.stderr)).toMatchObject({ error: { code: "OFFSET_OUT_OF_RANGE", effect: "NONE" } });
  });

  test("consume: follows what is written from now on, and Ctrl-C ends it with 0", async () => {
    await ok(["topic", "create", "live", "--partitions", "1"]);
    await ok(["produce", "live"], { stdin: "before\n" });
    const bootstrap = devFileOf(folder)?.bootstrap ?? "";
    const follower = new VarveProcess(["consume", "live", "--bootstrap", bootstrap]);
    let sent = 0;
    await until("a record that is followed", async () => {
      sent += 1;
      await ok(["produce", "live"], { stdin: `after ${sent}\n` });
      return follower.stdout === "" ? null : true;
    });
    follower.child.kill("SIGINT");
    const { code, stdout, stderr } = await follower.finished;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).not.toContain("before");
    expect(stdout).toMatch(/^after \d+\n/);
  });

  test("consume: a reader that closes its end of the pipe ends it quietly with 0", async () => {
    await ok(["topic", "create", "pipe", "--partitions", "1"]);
    await ok(["produce", "pipe"], { stdin: "x".repeat(100).concat("\n").repeat(20_000) });
    const bootstrap = devFileOf(folder)?.bootstrap ?? "";
    const consume = new VarveProcess(["consume", "pipe", "--from", "earliest", "--bootstrap", bootstrap]);
    consume.child.stdout?.once("data", () => consume.child.stdout?.destroy());
    const { code, stderr } = await consume.finished;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  describe("groups", () => {
    const groupOf = async (group: string) => JSON.parse(await ok(["group", "describe", group, "--json"]));
    const committed = async (group: string): Promise<number> =>
      (await groupOf(group)).offsets.reduce((sum: number, each: { committed: number | null }) => {
        return sum + (each.committed ?? 0);
      }, 0);
    const linesOf = (text: string): string[] => (text === "" ? [] : text.trimEnd().split("\n"));
    const member = (topic: string, group: string): VarveProcess =>
      new VarveProcess(["consume", topic, "--group", group, "--bootstrap", devFileOf(folder)?.bootstrap ?? ""]);

    test("consume --group --max: each run prints the next records, and exactly those are committed", async () => {
      await ok(["topic", "create", "jobs", "--partitions", "3"]);
      const values = Array.from({ length: 60 }, (_, index) => `${index}`);
      await ok(["produce", "jobs", "--key-separator", ":"], {
        stdin: values.map((value) => `k${value}:${value}\n`).join(""),
      });
      const printed: string[] = [];
      for (const max of [17, 43]) {
        printed.push(...linesOf(await ok(["consume", "jobs", "--group", "workers", "--max", String(max)])));
        expect(await committed("workers")).toBe(printed.length);
      }
      expect([...printed].sort()).toEqual([...values].sort());
      expect(await groupOf("workers")).toMatchObject({
        state: "empty",
        members: [],
        total: { lagRecords: 0, lagMs: 0, unknown: 0 },
      });
    });

    test("two members share the work; seek moves them while they run; Ctrl-C leaves in order; delete is refused until then", async () => {
      await ok(["topic", "create", "bills", "--partitions", "4"]);
      const values = Array.from({ length: 200 }, (_, index) => `${index}`);
      const members = [member("bills", "billing"), member("bills", "billing")];
      const description = await until("both members with two partitions each", async () => {
        const { code, stdout } = await run(["group", "describe", "billing", "--json"]);
        const found = code === 0 ? JSON.parse(stdout) : null;
        const shares = found?.members.map(({ assigned }: { assigned: unknown[] }) => assigned.length);
        return found?.state === "stable" && String(shares) === "2,2" ? found : null;
      });
      const owners = new Set(description.offsets.map(({ owner }: { owner: string }) => owner));
      expect(owners).toEqual(new Set(description.members.map(({ id }: { id: string }) => id)));
      await ok(["produce", "bills", "--key-separator", ":"], {
        stdin: values.map((value) => `k${value}:${value}\n`).join(""),
      });
      const printed = (): string[] => members.flatMap(({ stdout }) => linesOf(stdout));
      await until("all records", () => (printed().length === values.length ? true : null));
      expect(printed().sort()).toEqual([...values].sort());
      await until("all commits", async () => ((await committed("billing")) === values.length ? true : null));

      const listed = JSON.parse(await ok(["group", "list", "--json"]));
      expect(listed).toContainEqual({ group: "billing", state: "stable", members: 2 });
      const refused = await run(["group", "delete", "billing"]);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("GROUP_NOT_EMPTY, effect NOT_APPLIED");

      const moved = JSON.parse(
        await ok(["group", "seek", "billing", "--topic", "bills", "--to", "earliest", "--json"]),
      );
      expect(moved).toEqual({
        group: "billing",
        topic: "bills",
        offsets: [0, 1, 2, 3].map((partition) => ({ partition, offset: 0 })),
      });
      await until("all records again", () => (printed().length === 2 * values.length ? true : null));
      expect(printed().sort()).toEqual([...values, ...values].sort());
      await until("all commits again", async () => ((await committed("billing")) === values.length ? true : null));

      for (const [at, signal] of (["SIGINT", "SIGTERM"] as const).entries()) {
        members[at]?.child.kill(signal);
        expect(await members[at]?.finished).toMatchObject({ code: 0, stderr: "" });
        expect((await groupOf("billing")).members).toHaveLength(1 - at);
      }
      await ok(["group", "delete", "billing"]);
      expect((await run(["group", "describe", "billing"])).stderr).toContain("UNKNOWN_GROUP");
    });

    test("seek: by time and by offset, and what it refuses", async () => {
      await ok(["topic", "create", "times", "--partitions", "1"]);
      await ok(["produce", "times"], { stdin: "a\nb\nc\n" });
      const between = new Date(Date.now() + 1).toISOString();
      await until("the next millisecond", () => (new Date().toISOString() > between ? true : null));
      await ok(["produce", "times"], { stdin: "d\ne\n" });
      const seek = (...args: string[]): Promise<Finished> =>
        run(["group", "seek", "clock", "--topic", "times", "--json", ...args]);
      expect(JSON.parse((await seek("--to", "earliest")).stderr)).toMatchObject({ error: { code: "UNKNOWN_GROUP" } });
      expect(await ok(["consume", "times", "--group", "clock", "--max", "1"])).toBe("a\n");
      for (const [to, offset, next] of [
        [between, 3, "d"],
        ["1", 1, "b"],
        ["latest", 5, null],
      ] as const) {
        const { code, stdout } = await seek("--to", to);
        expect([code, JSON.parse(stdout).offsets]).toEqual([0, [{ partition: 0, offset }]]);
        if (next !== null) expect(await ok(["consume", "times", "--group", "clock", "--max", "1"])).toBe(`${next}\n`);
      }
      const beyond = await seek("--to", "99");
      expect(beyond).toMatchObject({ code: 1, stdout: "" });
      expect(JSON.parse(beyond.stderr)).toMatchObject({
        error: { code: "OFFSET_OUT_OF_RANGE", effect: "NOT_APPLIED" },
      });
    });

    test("a reader that closes its end of the pipe: quiet, 0, and the group left with what was taken", async () => {
      await ok(["topic", "create", "piped", "--partitions", "1"]);
      await ok(["produce", "piped"], { stdin: "x".repeat(1_000).concat("\n").repeat(5_000) });
      const consume = member("piped", "pipers");
      consume.child.stdout?.once("data", () => consume.child.stdout?.destroy());
      const { code, stderr } = await consume.finished;
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect((await groupOf("pipers")).members).toEqual([]);
      expect(await committed("pipers")).toBeLessThan(5_000);
    });
  });

  test("partition transfer moves the lead; cluster describe and health say what is", async () => {
    await ok(["topic", "create", "moving", "--partitions", "1"]);
    const leader = async (): Promise<number | null> =>
      JSON.parse(await ok(["topic", "describe", "moving", "--json"])).partitions[0].leader;
    const from = await until("a leader", leader);
    const to = (from % 3) + 1;
    await ok(["partition", "transfer", "moving", "0", "--to", String(to)]);
    expect(await leader()).toBe(to);
    const cluster = JSON.parse(await ok(["cluster", "describe", "--json"]));
    expect(cluster.brokers).toMatchObject([
      { id: 1, ready: true },
      { id: 2, ready: true },
      { id: 3, ready: true },
    ]);
    await until("health", async () => ((await run(["cluster", "health"])).code === 0 ? true : null));
    const askedAtMs = performance.now();
    expect((await run(["cluster", "health"])).code).toBe(0);
    const startedAtMs = performance.now();
    const nowhere = await run(["cluster", "health", "--bootstrap", "127.0.0.1:9"]);
    expect(nowhere.code).toBe(1);
    expect(nowhere.stdout).toContain("127.0.0.1:9");
    // A command takes longer to start on a busy machine, also one that is answered.
    expect(performance.now() - startedAtMs).toBeLessThan(5_000 + 2 * (startedAtMs - askedAtMs));
  });

  test("kill -9 of a leader: produce goes on, nothing is lost or doubled, the broker comes back and dev.json says so", async () => {
    await ok(["topic", "create", "logs", "--partitions", "6"]);
    const lines = Array.from({ length: 10_000 }, (_, index) => `host-${index % 97} line ${index}`);
    const file = join(root, "access.log");
    writeFileSync(file, `${lines.join("\n")}\n`);
    const { partitions } = JSON.parse(await ok(["topic", "describe", "logs", "--json"]));
    const before = devFileOf(folder)?.brokers.find(({ id }) => id === partitions[0].leader);
    const producing = [ok(["produce", "logs", "--key-field", "1", file])];
    process.kill(before?.pid ?? -1, "SIGKILL");
    producing.push(ok(["produce", "logs", "--key-field", "1", file]));
    await Promise.all(producing);
    const restarted = await until("the restart in dev.json", () => {
      const now = devFileOf(folder)?.brokers.find(({ id }) => id === before?.id);
      return now !== undefined && now.pid !== before?.pid ? now : null;
    });
    expect(restarted).toEqual({ ...before, pid: restarted.pid });
    await until("health", async () => ((await run(["cluster", "health"])).code === 0 ? true : null));
    const read = await ok(["consume", "logs", "--from", "earliest", "--to", "end"]);
    expect(read.trimEnd().split("\n").sort()).toEqual([...lines, ...lines].sort());
    expect(dev.stderr).toContain(`broker ${before?.id}`);
    expect(dev.stderr).toContain("it starts again in 3 s");
  });

  test("log inspect: reads a running broker's folder and finds no damage", async () => {
    const text = await ok(["log", "inspect", join(folder, "broker-1")]);
    expect(text).toContain("segment".toUpperCase());
    const report = JSON.parse(await ok(["log", "inspect", join(folder, "broker-1"), "--json"]));
    expect(report).toMatchObject({ problems: [] });
    expect((await run(["log", "inspect", join(root, "nothing here")])).code).toBe(1);
  });

  test("dev: a second one is refused on the same folder, and elsewhere on the same ports", async () => {
    const sameFolder = await run(["dev", "--data-dir", folder, "--port", String(await freeBasePort(3))]);
    expect(sameFolder.code).toBe(1);
    expect(sameFolder.stderr).toContain(`(process ${dev.pid}) runs on ${folder}`);
    const samePorts = await run(["dev", "--data-dir", join(root, "other"), "--port", String(port)]);
    expect(samePorts.code).toBe(1);
    expect(samePorts.stderr).toContain(`in use by another process: 127.0.0.1:${port}`);
    expect(devFileOf(folder)?.pid, "the first one was left alone").toBe(dev.pid);
  });
});

describe("the life of varve dev", () => {
  test("SIGTERM stops all brokers in order and frees the folder; the next start has the data; fewer brokers are refused", async () => {
    const folder = join(root, "life");
    const port = await freeBasePort(2);
    const env = { VARVE_BOOTSTRAP: `127.0.0.1:${port}` };
    const first = await startDev(folder, port, "--brokers", "2", "--json");
    // The file may be seen before the output has come through its pipe.
    const printed = await until("the output", () => (first.stdout.endsWith("}\n") ? first.stdout : null));
    expect(JSON.parse(printed)).toEqual(devFileOf(folder));
    await varve(["topic", "create", "kept", "--partitions", "1"], { env });
    await varve(["produce", "kept"], { env, stdin: "one\ntwo\n" });
    const pids = devFileOf(folder)?.brokers.map(({ pid }) => pid) ?? [];
    first.child.kill("SIGTERM");
    expect((await first.finished).code).toBe(0);
    expect(pids.map(isAlive)).toEqual([false, false]);
    expect(devFileOf(folder)).toBe(null);
    const fewer = await varve(["dev", "--data-dir", folder, "--port", String(port), "--brokers", "1"]);
    expect(fewer.code).toBe(1);
    expect(fewer.stderr).toContain("--brokers 2");
    const second = await startDev(folder, port, "--brokers", "2");
    const read = await varve(["consume", "kept", "--from", "earliest", "--to", "end"], { env });
    expect(read).toMatchObject({ code: 0, stdout: "one\ntwo\n" });
    second.child.kill("SIGINT");
    expect((await second.finished).code).toBe(0);
  });

  test("kill -9 of varve dev takes its brokers along; --no-respawn leaves a dead broker down", async () => {
    const folder = join(root, "orphans");
    const dev = await startDev(folder, await freeBasePort(2), "--brokers", "2", "--no-respawn");
    const [first, second] = devFileOf(folder)?.brokers ?? [];
    process.kill(first?.pid ?? -1, "SIGKILL");
    await until("the word of it", () => (dev.stderr.includes("stays down (--no-respawn)") ? true : null));
    process.kill(dev.pid, "SIGKILL");
    await until("the end of the other broker", () => (isAlive(second?.pid ?? -1) ? null : true));
    await dev.finished;
    expect(isAlive(first?.pid ?? -1)).toBe(false);
    // What was left behind by a killed owner stands in nobody's way.
    const next = await startDev(folder, await freeBasePort(2), "--brokers", "2");
    next.child.kill("SIGTERM");
    expect((await next.finished).code).toBe(0);
  });
});

describe("varve broker start", () => {
  test("from variables alone: ready, then SIGTERM ends it with 0", async () => {
    const port = await freeBasePort(1);
    const broker = new VarveProcess(["broker", "start"], {
      env: {
        VARVE_BROKER_ID: "1",
        VARVE_DATA_DIR: join(root, "single"),
        VARVE_CLUSTER_SEEDS: `127.0.0.1:${port + 1}`,
        VARVE_LISTEN_GRPC_PORT: String(port),
        VARVE_LISTEN_PEER_PORT: String(port + 1),
        VARVE_LISTEN_OPS_PORT: String(port + 2),
      },
    });
    await until("readiness", async () => {
      const answer = await fetch(`http://127.0.0.1:${port + 2}/readyz`).catch(() => null);
      return answer?.ok === true ? true : null;
    });
    broker.child.kill("SIGTERM");
    expect((await broker.finished).code).toBe(0);
  });

  test("a wrong configuration: all problems at once, exit 1", async () => {
    const file = join(root, "wrong.yaml");
    writeFileSync(file, "brokerId: none\nnonsense: 1\n");
    const { code, stderr } = await varve(["broker", "start", "--config", file]);
    expect(code).toBe(1);
    for (const word of ["brokerId", "nonsense", "cluster.seeds", "INVALID_CONFIG"]) expect(stderr).toContain(word);
  });
});
