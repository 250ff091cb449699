import { isVarveError } from "@varve/base";
import { describe, expect, test } from "vitest";
import { parseConfig } from "./parse-config.js";
import { SETTING_ROWS } from "./rows.js";
import type { BrokerConfig } from "./settings.js";

const MINIMAL = { brokerId: 1, cluster: { seeds: ["127.0.0.1:7651"] } };

/** The problems that parseConfig reports; empty when it accepts. */
function problemsOf(raw: unknown, env: Record<string, string> = {}): readonly string[] {
  try {
    parseConfig(raw, env);
    return [];
  } catch (error) {
    if (!isVarveError(error) || error.code !== "INVALID_CONFIG") throw error;
    const { problems } = error.details;
    if (!Array.isArray(problems)) throw error;
    for (const problem of problems) expect(error.message).toContain(problem);
    return problems;
  }
}

/** Settings that are nothing without others have those. */
const COMPLETE = {
  ...MINIMAL,
  listen: { metricsPort: 7653 },
  tls: { certFile: "cert", keyFile: "key", caFile: "ca" },
  peerTls: { certFile: "cert", keyFile: "key", caFile: "ca" },
};

/** `base` with one setting more, by its dotted path. */
function withSetting(path: string, value: unknown, base: object = MINIMAL): Record<string, unknown> {
  const raw = structuredClone(base) as Record<string, unknown>;
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let node = raw;
  for (const key of keys) {
    node[key] = { ...(node[key] as object | undefined) };
    node = node[key] as Record<string, unknown>;
  }
  node[last] = value;
  return raw;
}

function at(config: BrokerConfig, path: string): unknown {
  return path.split(".").reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], config);
}

describe("parseConfig", () => {
  test("a broker id and the seeds are enough; the rest has the defaults that users rely on", () => {
    const config = parseConfig(MINIMAL);
    expect(config).toMatchObject({
      brokerId: 1,
      rack: null,
      logLevel: "info",
      shutdownGraceMs: 10_000,
      cluster: { seeds: ["127.0.0.1:7651"], expectedClusterId: null },
      listen: { address: "127.0.0.1", grpcPort: 7650, peerPort: 7651, opsPort: 7652, insecure: false },
      raft: { electionTimeoutMs: 1_000, heartbeatMs: 100 },
      limits: {
        recordBytesMax: 2 ** 20,
        batchBytesMax: 4 * 2 ** 20,
        batchRecordsMax: 50_000,
        produceRequestBytesMax: 8 * 2 ** 20,
        fetchBytesMax: 8 * 2 ** 20,
        inFlightBytesPerConnectionMax: 32 * 2 ** 20,
        inFlightBytesMax: 256 * 2 ** 20,
        tailCacheBytesMax: 64 * 2 ** 20,
        undrainedBytesMax: 64 * 2 ** 20,
        requestDeadlineMs: 30_000,
        producerExpiryMs: 7 * 86_400_000,
      },
      topicDefaults: { partitions: 6, retentionMs: 7 * 86_400_000, retentionBytes: -1, segmentBytes: 128 * 2 ** 20 },
    });
  });

  test("the result is frozen through all levels", () => {
    const config = parseConfig(MINIMAL);
    for (const part of [config, config.raft, config.limits, config.cluster.seeds])
      expect(Object.isFrozen(part)).toBe(true);
  });

  test("without a file the environment is enough, and a variable wins over the file", () => {
    const env = { VARVE_BROKER_ID: "3", VARVE_CLUSTER_SEEDS: "a:1, b:2", VARVE_LISTEN_INSECURE: "true" };
    expect(parseConfig(null, env)).toMatchObject({
      brokerId: 3,
      cluster: { seeds: ["a:1", "b:2"] },
      listen: { insecure: true },
    });
    expect(parseConfig(MINIMAL, { VARVE_BROKER_ID: "9" }).brokerId).toBe(9);
    expect(parseConfig(MINIMAL, { VARVE_BROKER_ID: "" }).brokerId).toBe(1);
  });

  test("a group without anything in it, as YAML reads `raft:` alone, is no problem", () => {
    expect(problemsOf({ ...MINIMAL, raft: null })).toEqual([]);
  });

  test.each(SETTING_ROWS)("$path can be set in the file and as $env", ({ path, env, setting }) => {
    const shown = {
      integer: () => (setting.type === "integer" ? (setting.default ?? setting.min) : 0),
      text: () => (path.endsWith("Address") ? "h:1" : "text"),
      choice: () => (setting.type === "choice" ? (setting.choices[0] ?? "") : ""),
      boolean: () => true,
      list: () => ["h:1", "h:2"],
    };
    const value = /^listen\..*[aA]ddress$/.test(path) ? "127.0.0.9" : shown[setting.type]();
    expect(at(parseConfig(withSetting(path, value, COMPLETE)), path)).toEqual(value);
    expect(at(parseConfig(COMPLETE, { [env]: String(value) }), path)).toEqual(value);
  });

  test.each(SETTING_ROWS.filter(({ setting }) => setting.type === "integer"))(
    "$path is held to its limits",
    ({ path, setting }) => {
      if (setting.type !== "integer") throw new Error("not an integer");
      const below = setting.unlimited && setting.min === 0 ? -2 : setting.min - 1;
      for (const value of [below, setting.max + 2, setting.min + 0.5, "x", true, [], {}]) {
        const own = problemsOf(withSetting(path, value)).filter((problem) => problem.startsWith(path));
        expect(own, `${path}: ${JSON.stringify(value)}`).toHaveLength(1);
      }
    },
  );

  test("all problems are reported at once: unknown keys, wrong types, ranges, relations", () => {
    const problems = problemsOf(
      {
        brokerId: "one",
        cluster: { seeds: ["nonsense", "h:1"] },
        raft: { heartbeatMs: 100, electionTimeoutMs: 300 },
        limits: { recordBytesMax: 4 * 2 ** 20, batchBytesMax: 2 ** 20 },
        listen: { address: "10.0.0.1", grpcPort: 70_000 },
        colour: "red",
        rafft: { heartbeatMs: 1 },
      },
      { VARVE_LOG_LEVEL: "loud" },
    );
    for (const words of [
      "brokerId must be an integer",
      "cluster.seeds item 1",
      "raft.electionTimeoutMs must be at least 5 x raft.heartbeatMs",
      "limits.recordBytesMax must not exceed limits.batchBytesMax",
      "listen.address is reachable from other machines",
      "listen.grpcPort must be in 0 .. 65535",
      "colour is not a setting",
      "rafft is not a setting; did you mean raft?",
      "VARVE_LOG_LEVEL (logLevel) must be one of debug, info, warn, error",
    ]) {
      expect(problems.join("\n")).toContain(words);
    }
    expect(problems).toHaveLength(9);
  });

  test.each([
    { raw: {}, says: ["brokerId must be set", "VARVE_BROKER_ID", "cluster.seeds must be set"] },
    { raw: { ...MINIMAL, heartbeatMs: 50 }, says: ["did you mean raft.heartbeatMs?"] },
    { raw: { ...MINIMAL, dataDirr: "x" }, says: ["did you mean dataDir?"] },
    {
      raw: { ...MINIMAL, raft: { heartbeatms: 50 } },
      says: ["raft.heartbeatms is not a setting; did you mean raft.heartbeatMs?"],
    },
    { raw: { ...MINIMAL, raft: 5 }, says: ["raft must hold settings by name"] },
    {
      raw: JSON.parse('{"brokerId":1,"cluster":{"seeds":["h:1"]},"__proto__":{"polluted":1}}'),
      says: ["__proto__ is not a setting"],
    },
    { raw: [], says: ["must hold settings by name"] },
    { raw: "text", says: ["must hold settings by name"] },
    { raw: { ...MINIMAL, dataDir: "" }, says: ["dataDir must be text"] },
    { raw: { ...MINIMAL, brokerId: 2 ** 31 }, says: ["brokerId must be in 1 .. 2147483647"] },
    { raw: { ...MINIMAL, brokerId: null }, says: ["brokerId must be an integer"] },
    { raw: { brokerId: 1, cluster: { seeds: [] } }, says: ["a list of 1 to 100 texts"] },
    { raw: { brokerId: 1, cluster: { seeds: ["h:1", "h:1"] } }, says: ["must not name an address twice"] },
    { raw: { ...MINIMAL, listen: { grpcPort: 7_651 } }, says: ["must differ"] },
  ])("$says is said of $raw", ({ raw, says }) => {
    const problems = problemsOf(raw).join("\n");
    for (const words of says) expect(problems).toContain(words);
  });

  test("several listeners may ask for any free port", () => {
    expect(problemsOf({ ...MINIMAL, listen: { grpcPort: 0, peerPort: 0, opsPort: 0 } })).toEqual([]);
  });

  test("a relation over a value that is itself wrong is not judged", () => {
    const problems = problemsOf({ ...MINIMAL, raft: { heartbeatMs: "fast", electionTimeoutMs: 300 } });
    expect(problems).toHaveLength(1);
  });

  test.each([
    { address: "127.0.0.1", insecure: false, accepted: true },
    { address: "127.9.9.9", insecure: false, accepted: true },
    { address: "::1", insecure: false, accepted: true },
    { address: "localhost", insecure: false, accepted: true },
    { address: "10.0.0.1", insecure: false, accepted: false },
    { address: "127.0.0.1.example.org", insecure: false, accepted: false },
    { address: "0.0.0.0", insecure: false, accepted: false },
    { address: "10.0.0.1", insecure: true, accepted: true },
  ])("listening on $address with insecure: $insecure is accepted: $accepted", ({ address, insecure, accepted }) => {
    const advertised = { grpcAddress: "h:1", peerAddress: "h:2", opsAddress: "h:3" };
    expect(problemsOf({ ...MINIMAL, listen: { address, insecure }, advertised }).length === 0).toBe(accepted);
  });

  test("an address that others reach needs TLS for clients and between brokers, or says that it is insecure", () => {
    const { tls, peerTls } = COMPLETE;
    const listen = { address: "10.0.0.1" };
    expect(problemsOf({ ...MINIMAL, listen, tls, peerTls })).toEqual([]);
    const insecure = [expect.stringContaining("listen.insecure: true")];
    expect(problemsOf({ ...MINIMAL, listen, tls })).toEqual(insecure);
    expect(problemsOf({ ...MINIMAL, listen, peerTls })).toEqual(insecure);
    expect(problemsOf({ ...MINIMAL, listen: { ...listen, insecure: true }, tls })).toEqual([]);
  });

  test.each([
    { given: { tls: { certFile: "c" } }, problem: "tls.certFile and tls.keyFile belong together" },
    { given: { tls: { keyFile: "k" } }, problem: "tls.certFile and tls.keyFile belong together" },
    { given: { tls: { caFile: "a" } }, problem: "tls.caFile is of no use" },
    { given: { tls: { certFile: "c", keyFile: "k", clientAuth: "required" } }, problem: "needs tls.caFile" },
    { given: { tls: { certFile: "c", keyFile: "k", clientAuth: "maybe" } }, problem: "tls.clientAuth" },
    { given: { peerTls: { certFile: "c", keyFile: "k" } }, problem: "set all or none" },
    { given: { listen: { metricsAddress: "127.0.0.1" } }, problem: "needs listen.metricsPort" },
    { given: { listen: { metricsPort: 7652 } }, problem: "must differ" },
  ])("$given is refused", ({ given, problem }) => {
    expect(problemsOf({ ...MINIMAL, ...given })).toEqual([expect.stringContaining(problem)]);
  });

  test.each(["0.0.0.0", "::"])("listening on all interfaces (%s) needs addresses to advertise", (address) => {
    const problems = problemsOf({ ...MINIMAL, listen: { address, insecure: true } });
    expect(problems).toEqual([expect.stringContaining("advertised.grpcAddress")]);
  });

  test("a mistyped variable is named; variables that others set are left alone", () => {
    expect(problemsOf(MINIMAL, { VARVE_BROKERID: "2" })).toEqual([
      expect.stringContaining("did you mean VARVE_BROKER_ID?"),
    ]);
    const foreign = {
      VARVE_BOOTSTRAP: "h:1",
      VARVE_PORT: "tcp://10.0.0.1:7650",
      VARVE_SERVICE_HOST: "10.0.0.1",
      VARVE_PORT_7650_TCP_ADDR: "10.0.0.1",
      PATH: "/bin",
    };
    expect(problemsOf(MINIMAL, foreign)).toEqual([]);
  });

  test.each(["1.5", "0x10", "", " ", "1e3", "NaN"])("the variable text %j is no integer", (text) => {
    if (text === "") expect(problemsOf(MINIMAL, { VARVE_BROKER_ID: text })).toEqual([]);
    else expect(problemsOf(MINIMAL, { VARVE_BROKER_ID: text })).toHaveLength(1);
  });
});
