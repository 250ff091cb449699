/** Whole command lines against a fake cluster; test/integration/cli.test.ts has them against a real one. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VarveError } from "@varve/base";
import { createAuthority } from "@varve/testing";
import type { Command } from "commander";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createProgram } from "../program.js";
import { type CommandResult, MemoryOutput, runCommand } from "../testing/memory-shell.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-cli-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Every command that does something, by its full name. */
function leaves(command: Command, name = ""): { readonly name: string; readonly command: Command }[] {
  return command.commands.flatMap((child) => {
    const path = `${name} ${child.name()}`.trim();
    return child.commands.length === 0 ? [{ name: path, command: child }] : leaves(child, path);
  });
}

const program = createProgram(
  {
    stdin: process.stdin,
    stdout: new MemoryOutput(),
    stderr: new MemoryOutput(),
    env: {},
    stop: new AbortController().signal,
    connect: () => Promise.reject(new Error("not in this test")),
  },
  "0.0.0",
);

test("every command of the contract is there", () => {
  const names = leaves(program).map(({ name }) => name);
  for (const name of [
    "dev",
    "broker start",
    "config check",
    "config reference",
    "topic create",
    "topic list",
    "topic describe",
    "topic alter",
    "topic delete",
    "produce",
    "consume",
    "group list",
    "group describe",
    "group seek",
    "group delete",
    "cluster describe",
    "cluster health",
    "partition transfer",
    "log inspect",
  ]) {
    expect(names).toContain(name);
  }
});

test.each(leaves(program).map(({ name }) => ({ name })))("$name --help: has examples and exits 0", async ({ name }) => {
  const { code, stdout, stderr } = await runCommand([...name.split(" "), "--help"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/Examples?:\n {2}.*varve /);
  expect(stdout).toContain("--json");
  expect(stdout).toContain("--bootstrap");
});

test("--version prints the version", async () => {
  expect(await runCommand(["--version"])).toMatchObject({ code: 0, stdout: "1.2.3\n" });
});

test.each([
  { args: [], says: "Usage: varve" },
  { args: ["topic"], says: "Usage: varve topic" },
  { args: ["frobnicate"], says: "unknown command" },
  { args: ["topic", "lst"], says: "Did you mean list?" },
  { args: ["produce"], says: "missing required argument 'topic'" },
  { args: ["produce", "t", "a", "b"], says: "too many arguments" },
  { args: ["produce", "t", "--key-field", "0"], says: "integer in 1" },
  { args: ["produce", "t", "--key-field", "x"], says: "integer in 1" },
  { args: ["produce", "t", "--key-separator", ""], says: "at least one character" },
  { args: ["produce", "t", "--acks", "all"], says: "Allowed choices are quorum, leader, none" },
  { args: ["consume", "t", "--from", "yesterday"], says: "earliest, latest" },
  { args: ["consume", "t", "--from", "2026-05-17T10:00:00"], says: "2026-05-17T10:05:03Z" },
  { args: ["consume", "t", "--to", "latest"], says: "must be end" },
  { args: ["consume", "t", "--max", "0"], says: "integer in 1" },
  { args: ["consume", "t", "--partition", "-1"], says: "integer in 0" },
  { args: ["consume", "t", "--format", "xml"], says: "Allowed choices are value, json" },
  { args: ["topic", "create", "t", "--partitions", "10001"], says: "1 .. 10000" },
  { args: ["topic", "create", "t", "--replicas", "8"], says: "1 .. 7" },
  { args: ["topic", "create", "t", "--set", "retentionMs"], says: "retentionMs=86400000" },
  { args: ["topic", "create", "t", "--set", "retentionMs=1.5"], says: "a setting and an integer" },
  { args: ["topic", "alter", "t"], says: "nothing to change" },
  { args: ["topic", "alter", "t", "--set", "segmentMs=5", "--unset", "segmentMs"], says: "both set and unset" },
  { args: ["consume", "t", "--group"], says: "argument missing" },
  { args: ["consume", "t", "--group", "g", "--from", "earliest"], says: "varve group seek g" },
  { args: ["group"], says: "Usage: varve group" },
  { args: ["group", "describe"], says: "missing required argument 'group'" },
  { args: ["group", "seek", "g", "--to", "earliest"], says: "--topic" },
  { args: ["group", "seek", "g", "--topic", "t"], says: "--to" },
  { args: ["group", "seek", "g", "--topic", "t", "--to", "end"], says: "earliest, latest" },
  { args: ["group", "seek", "g", "--topic", "t", "--to", "2026-05-17T10:00:00"], says: "2026-05-17T10:05:03Z" },
  { args: ["group", "seek", "g", "--topic", "t", "--to", "0", "--partition", "-1"], says: "integer in 0" },
  { args: ["partition", "transfer", "t", "0"], says: "--to" },
  { args: ["topic", "list", "--bootstrap", "nowhere"], says: "host:port" },
  { args: ["dev", "--brokers", "0"], says: "1 .. 15" },
  { args: ["dev", "--port", "65530"], says: "at most 65513" },
])("wrong usage: $args exits 2 and says why", async ({ args, says }) => {
  const result = await runCommand(args);
  expect(result).toMatchObject({ code: 2, stdout: "", bootstrap: null });
  expect(result.stderr).toContain(says);
  // The same for programs.
  const json = await runCommand(["--json", ...args]);
  expect(json.code).toBe(2);
  if (!json.stderr.startsWith("Usage")) {
    expect(JSON.parse(json.stderr.split("\n").at(-2) ?? "")).toMatchObject({
      error: { code: "INVALID_ARGUMENT", effect: "NOT_APPLIED", retryable: false },
    });
  }
});

test("addresses: --bootstrap wins over VARVE_BOOTSTRAP, which wins over the default; an empty variable counts as none", async () => {
  const client = { admin: { listTopics: async () => [] } };
  const run = (args: string[], env: Record<string, string>): Promise<CommandResult> =>
    runCommand(["topic", "list", ...args], { client, env });
  expect((await run([], {})).bootstrap).toEqual(["127.0.0.1:7650"]);
  expect((await run([], { VARVE_BOOTSTRAP: "" })).bootstrap).toEqual(["127.0.0.1:7650"]);
  expect((await run([], { VARVE_BOOTSTRAP: "a:1,b:2" })).bootstrap).toEqual(["a:1", "b:2"]);
  expect((await run(["--bootstrap", "c:3"], { VARVE_BOOTSTRAP: "a:1" })).bootstrap).toEqual(["c:3"]);
  expect(await run([], { VARVE_BOOTSTRAP: "nowhere" })).toMatchObject({ code: 2 });
});

test("TLS: off by default; any option or variable turns it on, an option wins over its variable", async () => {
  const client = { admin: { listTopics: async () => [] } };
  const run = async (args: string[], env: Record<string, string> = {}): Promise<CommandResult["tls"]> =>
    (await runCommand(["topic", "list", ...args], { client, env })).tls;
  expect(await run([])).toBeNull();
  expect(
    await run([], { VARVE_CLIENT_TLS: "false", VARVE_CLIENT_TLS_CA_FILE: "", VARVE_TLS_CERT_FILE: "broker" }),
  ).toBeNull();
  expect(await run(["--tls"])).toEqual({});
  expect(await run([], { VARVE_CLIENT_TLS: "true" })).toEqual({});
  const files = ["--tls-ca-file", "a", "--tls-cert-file", "c", "--tls-key-file", "k", "--tls-server-name", "n"];
  expect(await run(files)).toEqual({ caFile: "a", certFile: "c", keyFile: "k", serverName: "n" });
  const variables = { VARVE_CLIENT_TLS_CA_FILE: "b", VARVE_CLIENT_TLS_SERVER_NAME: "m" };
  expect(await run([], variables)).toEqual({ caFile: "b", serverName: "m" });
  expect(await run(["--tls-ca-file", "a"], variables)).toEqual({ caFile: "a", serverName: "m" });
  expect((await runCommand(["topic", "list"], { client, env: { VARVE_CLIENT_TLS: "yes" } })).code).toBe(2);
});

test("a failure: code, effect and message on stderr; with --json one object, and nothing on stdout", async () => {
  const client = {
    admin: {
      listTopics: () =>
        Promise.reject(
          new VarveError("UNREACHABLE", { message: "no broker answers", details: { address: "a:1" }, effect: "NONE" }),
        ),
    },
  };
  const text = await runCommand(["topic", "list"], { client });
  expect(text).toMatchObject({ code: 1, stdout: "" });
  expect(text.stderr).toBe("error: no broker answers\n  UNREACHABLE, effect NONE, may be tried again\n");
  const json = await runCommand(["topic", "list", "--json"], { client });
  expect(json).toMatchObject({ code: 1, stdout: "" });
  expect(JSON.parse(json.stderr)).toEqual({
    error: {
      code: "UNREACHABLE",
      effect: "NONE",
      retryable: true,
      message: "no broker answers",
      details: { address: "a:1" },
    },
  });
});

test("lists are one array and results one object a line with --json; people get tables", async () => {
  const topics = [{ topic: "a", topicId: "id-a", partitions: 6, replicas: 3 }];
  const client = { admin: { listTopics: async () => topics } };
  const json = await runCommand(["topic", "list", "--json"], { client });
  expect(json.stdout).toBe(`${JSON.stringify(topics)}\n`);
  const text = await runCommand(["topic", "list"], { client });
  expect(text.stdout).toBe("TOPIC  PARTITIONS  REPLICAS  ID\na               6         3  id-a\n");
});

test("topic create: passes on what was given and leaves the rest to the cluster", async () => {
  const inputs: unknown[] = [];
  const client = {
    admin: {
      createTopic: async (input: unknown) => {
        inputs.push(input);
        return { topic: "t", topicId: "id", partitions: 6, replicas: 3, created: true };
      },
    },
  };
  await runCommand(["topic", "create", "t"], { client });
  const args = [
    "--partitions",
    "2",
    "--replicas",
    "1",
    "--set",
    "retentionMs=-1",
    "--set",
    "segmentMs=5",
    "--if-not-exists",
  ];
  const result = await runCommand(["topic", "create", "t", ...args, "--json"], { client });
  expect(inputs).toEqual([
    { topic: "t", ifNotExists: false },
    { topic: "t", ifNotExists: true, partitions: 2, replicas: 1, config: { retentionMs: -1, segmentMs: 5 } },
  ]);
  expect(JSON.parse(result.stdout)).toMatchObject({ topic: "t", topicId: "id", partitions: 6, replicas: 3 });
});

test("topic alter: sets, unsets and adds partitions in one go", async () => {
  const calls: unknown[] = [];
  const client = {
    admin: {
      alterTopic: async (input: unknown) => void calls.push(input),
      addPartitions: async (input: unknown) => void calls.push(input),
      describeTopic: async () => ({ topic: "t", topicId: "id", config: {}, partitions: [] }),
    },
  };
  const args = ["--set", "retentionMs=5", "--unset", "segmentMs", "--partitions", "9"];
  expect((await runCommand(["topic", "alter", "t", ...args], { client })).code).toBe(0);
  expect(calls).toEqual([
    { topic: "t", config: { retentionMs: 5, segmentMs: null } },
    { topic: "t", partitions: 9 },
  ]);
});

test("partition transfer: topic and partition, and the broker", async () => {
  const calls: unknown[] = [];
  const client = { admin: { transferLeadership: async (input: unknown) => void calls.push(input) } };
  expect((await runCommand(["partition", "transfer", "t", "3", "--to", "2"], { client })).code).toBe(0);
  expect(calls).toEqual([{ topic: "t", partition: 3, to: 2 }]);
});

describe("moves", () => {
  const move = { topic: "t", partition: 3, brokers: [2, 3], leaving: [1], joining: [3], entriesBehind: 7 };
  const broker = { id: 1, address: "h:1", rack: null, ready: true, version: "1", drained: false, leaving: true };

  test("partition move: topic, partition, brokers; --progress tells until it is done", async () => {
    const calls: unknown[] = [];
    const looks = [[move], [{ ...move, joining: [] }], []];
    const client = {
      admin: {
        movePartition: async (input: unknown) => void calls.push(input),
        listMoves: async () => looks.shift() ?? [],
      },
    };
    const run = await runCommand(["partition", "move", "t", "3", "--to", "2,3", "--progress"], { client });
    expect(calls).toEqual([{ topic: "t", partition: 3, brokers: [2, 3] }]);
    expect(run).toMatchObject({ code: 0, stdout: "t/3 is on 2, 3\n" });
    expect(run.stderr).toBe("1 partition moves, 1 still copy their log: 7 entries to go\n1 partition moves\n");
    expect((await runCommand(["partition", "move", "t", "3", "--to", "2,x"], { client })).code).toBe(2);
  });

  test("broker decommission: until the broker is no member any more; --cancel", async () => {
    const calls: unknown[] = [];
    const looks = [[{ ...broker, replicas: 4, leads: 0 }], [{ ...broker, replicas: 0, leads: 0 }], []];
    const client = {
      admin: {
        decommissionBroker: async (input: unknown) => void calls.push(input),
        describeCluster: async () => ({ clusterId: "c", controller: 2, brokers: looks.shift() ?? [] }),
        listMoves: async () => [move],
      },
    };
    const run = await runCommand(["broker", "decommission", "1", "--progress", "--json"], { client });
    expect(JSON.parse(run.stdout)).toEqual({ broker: 1, state: "gone" });
    await runCommand(["broker", "decommission", "1", "--cancel"], { client });
    expect(calls).toEqual([
      { broker: 1, cancel: false },
      { broker: 1, cancel: true },
    ]);
  });

  test("broker drain and replace", async () => {
    const calls: unknown[] = [];
    const leads = [2, 1, 0];
    const client = {
      admin: {
        drainBroker: async (input: unknown) => void calls.push(input),
        replaceBroker: async (input: unknown) => void calls.push(input),
        describeCluster: async () => ({
          clusterId: "c",
          controller: 2,
          brokers: [{ ...broker, replicas: 4, leads: leads.shift() ?? 0 }],
        }),
      },
    };
    const run = await runCommand(["broker", "drain", "1", "--progress"], { client });
    expect(run).toMatchObject({ code: 0, stdout: "broker 1 leads nothing\n" });
    await runCommand(["broker", "drain", "1", "--undo"], { client });
    await runCommand(["broker", "replace", "1"], { client });
    expect(calls).toEqual([{ broker: 1, undo: false }, { broker: 1, undo: true }, { broker: 1 }]);
  });

  describe("broker drain --progress", () => {
    const draining = (leads: number, leadsAlone: number) => ({
      admin: {
        drainBroker: async () => {},
        describeCluster: async () => ({ brokers: [{ ...broker, replicas: 4, leads, leadsAlone }] }),
        listTopics: async () => [
          { topic: "alone", replicas: 1 },
          { topic: "t", replicas: 3 },
        ],
        describeTopic: async () => ({ partitions: [1, 2, 1].map((leader, partition) => ({ partition, leader })) }),
      },
    });

    test("is done when what is left has no other replica", async () => {
      const args = ["broker", "drain", "1", "--progress"];
      expect(await runCommand(args, { client: draining(2, 2) })).toMatchObject({
        code: 0,
        stdout: "broker 1 leads nothing but 2 partitions without another replica\n",
      });
      const json = await runCommand([...args, "--json"], { client: draining(1, 1) });
      expect(JSON.parse(json.stdout)).toEqual({ broker: 1, drained: true, leadsAlone: 1 });
    });

    test("says what is left when somebody ends the wait", async () => {
      const stop = AbortSignal.abort("interrupted");
      const run = await runCommand(["broker", "drain", "1", "--progress"], { client: draining(3, 1), stop });
      expect(run.stdout).toBe("broker 1 is drained and still leads 2 partitions\n");
    });

    test("fails after half a minute without change, names what is left and says that the drain holds", async () => {
      vi.useFakeTimers({ toFake: ["setTimeout"] });
      try {
        const run = runCommand(["broker", "drain", "1", "--progress", "--json"], { client: draining(4, 1) });
        await vi.advanceTimersByTimeAsync(31_000);
        const { code, stderr } = await run;
        const { error } = JSON.parse(stderr.trim().split("\n").at(-1) ?? "");
        expect(code).toBe(1);
        expect(error).toMatchObject({ code: "TIMEOUT", effect: "NONE", details: { drained: true, leads: 3 } });
        expect(error.message).toContain("is drained and still leads 3 partitions (t/0, t/2, ...): no other");
      } finally {
        vi.useRealTimers();
      }
    });
  });
});

test("config check: all problems at once, exit 1; a good file exits 0", async () => {
  const file = join(folder, "broker.yaml");
  writeFileSync(file, "brokerId: 0\nnonsense: 1\nraft: { heartbeatMs: ten }\n");
  const bad = await runCommand(["config", "check", file, "--json"]);
  expect(bad.code).toBe(1);
  const { valid, problems } = JSON.parse(bad.stdout) as { valid: boolean; problems: string[] };
  expect(valid).toBe(false);
  for (const word of ["brokerId", "nonsense", "heartbeatMs", "cluster.seeds"])
    expect(problems.join("\n")).toContain(word);
  const people = await runCommand(["config", "check", file]);
  for (const problem of problems) expect(people.stdout).toContain(problem);
  writeFileSync(file, "brokerId: 1\ncluster: { seeds: ['127.0.0.1:7651'] }\n");
  expect(await runCommand(["config", "check", file])).toMatchObject({ code: 0, stdout: `${file} is valid\n` });
  expect((await runCommand(["config", "check", join(folder, "none")])).code).toBe(1);
});

describe("config check: the TLS files that are named", () => {
  const path = (name: string): string => join(folder, name);
  const checked = async (peerTls: object, more = "brokerId: 1"): Promise<string[]> => {
    const settings = `cluster: { seeds: ['127.0.0.1:7651'] }\npeerTls: ${JSON.stringify(peerTls)}\n`;
    writeFileSync(path("broker.yaml"), `${more}\n${settings}`);
    const { code, stdout } = await runCommand(["config", "check", path("broker.yaml"), "--json"]);
    const { problems } = JSON.parse(stdout) as { problems: string[] };
    expect(code).toBe(problems.length === 0 ? 0 : 1);
    return problems;
  };

  test("are read, and what is wrong with them is told with all the rest", async () => {
    const authority = await createAuthority("commands");
    const own = await authority.issue({ name: "own", uris: ["varve://cluster/c1"] });
    const other = await authority.issue({ name: "other" });
    const texts = { ca: authority.cert, own: own.cert, ownKey: own.key, other: other.cert, otherKey: other.key };
    for (const [name, text] of Object.entries(texts)) writeFileSync(path(name), text);
    const [caFile, certFile, keyFile] = [path("ca"), path("own"), path("ownKey")];
    const says = (...words: string[]) => words.map((word) => expect.stringContaining(word));

    expect(await checked({ caFile, certFile, keyFile })).toEqual([]);
    const gone = { caFile: path("no-ca"), certFile: path("no-cert"), keyFile };
    expect(await checked(gone, "brokerId: 0")).toEqual(says("brokerId", "no-cert cannot be read", "no-ca cannot be"));
    expect(await checked({ caFile, certFile, keyFile: path("otherKey") })).toEqual(says("is not that of the cert"));
    const nameless = { caFile, certFile: path("other"), keyFile: path("otherKey") };
    expect(await checked(nameless)).toEqual(says("must have exactly one alternative name"));
  });
});

test("config reference: every setting with default, range, unit, effect and variable", async () => {
  const json = await runCommand(["config", "reference", "--json"]);
  const rows = JSON.parse(json.stdout) as { path: string; env: string; effect: string }[];
  expect(rows.length).toBeGreaterThan(20);
  const text = (await runCommand(["config", "reference"])).stdout;
  for (const { path, env, effect } of rows) for (const part of [path, env, effect]) expect(text).toContain(part);
  expect(text).toContain("raft.heartbeatMs  VARVE_RAFT_HEARTBEAT_MS\n    default 100 ms; 10 .. 10000 ms\n");
});

test("doctor: what brokers advertise, and whether it answers; exit 1 when an address for clients does not", async () => {
  const listening = createServer((socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = listening.address() as AddressInfo;
    const duty = { drained: false, leaving: false, replicas: 0, leads: 0, peerAddress: "", opsAddress: "" };
    const one = { id: 1, address: `localhost:${port}`, rack: "a", ready: true, version: "1", ...duty };
    const client = { admin: { describeCluster: async () => ({ clusterId: "c", controller: 1, brokers: [one] }) } };
    const well = await runCommand(["doctor"], { client });
    expect(well).toMatchObject({ code: 0, stdout: expect.stringMatching(/all answer from here\n$/) });
    expect(well.stdout).toContain(`localhost:${port}`);
    listening.close();
    const sick = await runCommand(["doctor", "--json"], { client });
    expect(sick.code).toBe(1);
    expect(JSON.parse(sick.stdout)).toMatchObject({
      well: false,
      problems: [`broker 1, clients, localhost:${port}: nobody listens there (connection refused)`],
      brokers: [{ id: 1, listeners: [{ listener: "clients", addresses: expect.any(Array) }, {}, {}] }],
    });
    expect((await runCommand(["doctor"], { client })).stdout).toContain("not all answer from here\n  - broker 1");
  } finally {
    listening.close();
  }
});

test("cluster health: exit 1 with the reasons, also when nobody answers; exit 0 when healthy", async () => {
  const problem = { broker: 2, topic: null, partition: null, message: "broker 2 does not answer" };
  const sick = { admin: { clusterHealth: async () => ({ healthy: false, problems: [problem], brokersReady: 1 }) } };
  const result = await runCommand(["cluster", "health"], { client: sick });
  expect(result).toMatchObject({ code: 1, stdout: "not healthy\n  - broker 2 does not answer\n" });
  const silent = {
    admin: { clusterHealth: () => Promise.reject(new VarveError("UNREACHABLE", { message: "nobody there" })) },
  };
  const none = await runCommand(["cluster", "health", "--json"], { client: silent });
  expect(none.code).toBe(1);
  expect(JSON.parse(none.stdout)).toMatchObject({ healthy: false });
  expect(none.stdout).toContain("nobody there");
  const well = { admin: { clusterHealth: async () => ({ healthy: true, problems: [] }) } };
  expect(await runCommand(["cluster", "health"], { client: well })).toMatchObject({ code: 0, stdout: "healthy\n" });
});
