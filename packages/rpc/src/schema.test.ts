/** schema.test.ts: what is committed in gen/ is what proto/ says, and METHODS has all of it. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { SCHEMA_FILES } from "./gen/descriptors.js";
import { METHODS, methodByNumber, SCALER_METHODS } from "./methods.js";

const packageDir = fileURLToPath(new URL("..", import.meta.url));
const repositoryDir = join(packageDir, "../..");

test("generating again gives exactly the committed files", () => {
  const outDir = mkdtempSync(join(tmpdir(), "varve-gen-"));
  try {
    execFileSync(process.execPath, [join(packageDir, "scripts/generate.mjs"), outDir]);
    const committed = readdirSync(join(packageDir, "src/gen")).sort();
    expect(readdirSync(outDir).sort()).toEqual(committed);
    for (const name of committed) {
      expect(
        readFileSync(join(outDir, name), "utf8") === readFileSync(join(packageDir, "src/gen", name), "utf8"),
        name,
      ).toBe(true);
    }
  } finally {
    rmSync(outDir, { recursive: true });
  }
});

test("the schema lints clean, comments included", () => {
  const buf = join(repositoryDir, "node_modules/.bin/buf");
  expect(execFileSync(buf, ["lint", "proto"], { cwd: repositoryDir, encoding: "utf8" })).toBe("");
});

test("every rpc of the schema is a method, under its own path", () => {
  const symbols = new Set(SCHEMA_FILES.flatMap((file) => file.symbols));
  const services = SCHEMA_FILES.flatMap((file) => file.services).filter(
    (name) => name.startsWith("varve.") || name.startsWith("externalscaler."),
  );
  const rpcs = [...symbols].filter((symbol) => services.some((service) => symbol.startsWith(`${service}.`))).sort();
  const methods = [...Object.values(METHODS), ...Object.values(SCALER_METHODS)].map(
    ({ service, name }) => `${service}.${name}`,
  );
  expect(methods.sort()).toEqual(rpcs);
});

test("method numbers, which travel between brokers, never change", () => {
  const numbers = Object.fromEntries(Object.values(METHODS).map(({ name, number }) => [name, number]));
  expect(numbers).toEqual({
    InitProducer: 1,
    Produce: 2,
    ProduceStream: 3,
    Read: 4,
    Subscribe: 5,
    ListOffsets: 6,
    Session: 16,
    CommitOffsets: 17,
    FetchOffsets: 18,
    SeekGroup: 19,
    ListGroups: 20,
    DescribeGroup: 21,
    DeleteGroup: 22,
    CreateTopic: 32,
    DeleteTopic: 33,
    AlterTopic: 34,
    AddPartitions: 35,
    ListTopics: 36,
    DescribeTopic: 37,
    DescribeCluster: 38,
    TransferLeadership: 39,
    Metadata: 40,
    ClusterHealth: 41,
    MovePartition: 42,
    ListMoves: 43,
    DecommissionBroker: 44,
    DrainBroker: 45,
    ReplaceBroker: 46,
    PlanRebalance: 47,
    FinalizeFeatureLevel: 48,
  });
  for (const [name, number] of Object.entries(numbers)) expect(methodByNumber(number)?.name).toBe(name);
  expect(methodByNumber(999)).toBeNull();
});
