import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadConfigFile } from "./load-config-file.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-config-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function file(text: string): string {
  const path = join(folder, "broker.yaml");
  writeFileSync(path, text);
  return path;
}

const invalid = (...says: string[]) =>
  expect.objectContaining({
    code: "INVALID_CONFIG",
    details: { problems: expect.arrayContaining(says.map((words) => expect.stringContaining(words))) },
  });

describe("loadConfigFile", () => {
  test("reads nested YAML; the environment wins", () => {
    const path = file(
      'brokerId: 1\ncluster:\n  seeds: ["h:1", "h:2"]\nraft:\n  heartbeatMs: 50\n  electionTimeoutMs: 500\n',
    );
    const config = loadConfigFile(path, { VARVE_RAFT_HEARTBEAT_MS: "100" });
    expect(config).toMatchObject({ brokerId: 1, cluster: { seeds: ["h:1", "h:2"] }, raft: { heartbeatMs: 100 } });
  });

  test("works without a file", () => {
    expect(loadConfigFile(null, { VARVE_BROKER_ID: "2", VARVE_CLUSTER_SEEDS: "h:1" }).brokerId).toBe(2);
  });

  test.each([
    { why: "broken YAML, with the place", text: "brokerId: [1\n", says: "line 2" },
    { why: "a key that stands twice", text: "brokerId: 1\nbrokerId: 2\n", says: "unique" },
    { why: "two documents", text: "brokerId: 1\n---\nbrokerId: 2\n", says: "document" },
    { why: "a list", text: "- 1\n", says: "must hold settings by name" },
    { why: "aliases that grow", text: bomb(), says: "alias" },
    { why: "a file that is too large", text: `# ${"x".repeat(300_000)}\n`, says: "at most 262144" },
  ])("refuses $why", ({ text, says }) => {
    expect(() => loadConfigFile(file(text), {})).toThrow(invalid(says));
  });

  test("a file that is not there is named", () => {
    const path = join(folder, "absent.yaml");
    expect(() => loadConfigFile(path, {})).toThrow(invalid(path));
  });
});

/** A few lines whose aliases would expand to 10^8 values. */
function bomb(): string {
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let depth = 1; depth < 8; depth++) {
    const refs = Array.from({ length: 10 }, () => `*a${depth - 1}`).join(", ");
    lines.push(`a${depth}: &a${depth} [${refs}]`);
  }
  return `${lines.join("\n")}\n`;
}
