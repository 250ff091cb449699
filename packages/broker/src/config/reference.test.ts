import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { closest, editDistance } from "./did-you-mean.js";
import { advertisedAddresses, checkPartitions, completeTopicShape, parseHostPort } from "./index.js";
import { parseConfig } from "./parse-config.js";
import { configReference } from "./reference.js";
import { envName } from "./rows.js";

const MINIMAL = { brokerId: 1, cluster: { seeds: ["127.0.0.1:7651"] } };

describe("the reference", () => {
  test("every setting has an effect in words, its unit in its name, and a variable of its own", () => {
    const rows = configReference();
    expect(new Set(rows.map(({ env }) => env)).size).toBe(rows.length);
    for (const { path, type, unit, effect, min, max } of rows) {
      expect(effect.length, path).toBeGreaterThan(30);
      expect(effect.endsWith("."), path).toBe(true);
      if (unit === "ms") expect(path).toMatch(/Ms$/);
      if (unit === "bytes") expect(path).toMatch(/Bytes(Max|PerGroupMax|PerConnectionMax|PerSecond)?$/);
      if (type === "integer") expect(min ?? 0, path).toBeLessThan(max ?? 0);
    }
  });

  test("only what nobody can guess must be set", () => {
    expect(
      configReference()
        .filter(({ required }) => required)
        .map(({ path }) => path),
    ).toEqual(["brokerId", "cluster.seeds"]);
  });

  test.each([
    [["brokerId"], "VARVE_BROKER_ID"],
    [["raft", "heartbeatMs"], "VARVE_RAFT_HEARTBEAT_MS"],
    [["limits", "inFlightBytesPerConnectionMax"], "VARVE_LIMITS_IN_FLIGHT_BYTES_PER_CONNECTION_MAX"],
  ])("%j is the variable %s", (keys, env) => {
    expect(envName(keys)).toBe(env);
  });
});

describe("suggestions", () => {
  test.each([
    ["", "abc", 3],
    ["kitten", "sitting", 3],
    ["same", "same", 0],
  ])("from %j to %j are %i edits", (left, right, edits) => {
    expect(editDistance(left, right)).toBe(edits);
    expect(editDistance(right, left)).toBe(edits);
  });

  test("the closest name is suggested, none when all are far", () => {
    expect(closest("data_dir", ["dataDir", "rack"], 2)).toBe("dataDir");
    expect(closest("colour", ["dataDir", "rack"], 2)).toBeNull();
  });
});

describe("addresses", () => {
  test.each([
    ["127.0.0.1:7651", { host: "127.0.0.1", port: 7651 }],
    ["[::1]:80", { host: "::1", port: 80 }],
    ["varve-0.varve:7651", { host: "varve-0.varve", port: 7651 }],
    ["host", null],
    ["host:0", null],
    ["host:65536", null],
    ["::1:80", null],
    ["a b:1", null],
    ["http://h:1", null],
    [":1", null],
  ])("%s is read as %j", (text, want) => {
    expect(parseHostPort(text)).toEqual(want);
  });

  test("a broker is reached where it listens, on the ports that it got, unless it says otherwise", () => {
    const config = parseConfig({
      ...MINIMAL,
      listen: { address: "::1", grpcPort: 0 },
      advertised: { peerAddress: "varve-0:7651" },
    });
    expect(advertisedAddresses(config, { grpcPort: 5_000, peerPort: 7_651, opsPort: 7_652 })).toEqual({
      grpcAddress: "[::1]:5000",
      peerAddress: "varve-0:7651",
      opsAddress: "[::1]:7652",
    });
  });
});

describe("settings for new topics", () => {
  const open = { partitions: null, replicas: null, config: {} };

  test("what the client left open gets this broker's defaults; built-in ones are not written down", () => {
    expect(completeTopicShape(parseConfig(MINIMAL), open)).toEqual({ ...open, partitions: 6 });
    const config = parseConfig({ ...MINIMAL, topicDefaults: { partitions: 12, retentionMs: 60_000 } });
    expect(completeTopicShape(config, open)).toEqual({
      partitions: 12,
      replicas: null,
      config: { retentionMs: 60_000 },
    });
    const asked = { partitions: 1, replicas: 1, config: { retentionMs: -1, nonsense: 1 } };
    expect(completeTopicShape(config, asked)).toEqual(asked);
  });

  test("limits that the operator lowered are kept", () => {
    const config = parseConfig({ ...MINIMAL, limits: { partitionsPerTopicMax: 8, replicasMax: 3 } });
    expect(() => completeTopicShape(config, { ...open, partitions: 9 })).toThrow(
      expect.objectContaining({ code: "INVALID_PARTITIONS", effect: "NOT_APPLIED" }),
    );
    expect(() => completeTopicShape(config, { ...open, replicas: 4 })).toThrow(
      expect.objectContaining({ code: "INVALID_REPLICATION" }),
    );
    expect(() => checkPartitions(config, 9)).toThrow(expect.objectContaining({ code: "INVALID_PARTITIONS" }));
    expect(completeTopicShape(config, { ...open, partitions: 8, replicas: 3 })).toMatchObject({ partitions: 8 });
  });
});

test("OPERATIONS.md lists exactly the settings that there are, with their defaults", () => {
  const text = readFileSync(new URL("../../OPERATIONS.md", import.meta.url), "utf8");
  const listed = [...text.matchAll(/^\| `([a-z][A-Za-z.]+)` \| ([^|]+?)(?: \([^|]*\))? \|/gm)].map(
    ([, path, value]) => [path, value],
  );
  const expected = configReference().map(({ path, required, default: value }) => [
    path,
    required ? "must be set" : String(value ?? "unset"),
  ]);
  expect(listed).toEqual(expected);
});
