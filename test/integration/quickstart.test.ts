/**
 * quickstart.test.ts: the quickstart proves what it claims, and cannot be fooled: a record that is dropped, swapped or doubled on the way
 * must make it fail.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Finished, VarveProcess } from "./varve-process.js";

const QUICKSTART = fileURLToPath(new URL("../../packages/cli/dist/quickstart/main.js", import.meta.url));
const RUN_MS_MAX = 40_000;

let folder = "";
let input = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-quickstart-test-"));
  input = join(folder, "access.log");
  // Repeated lines, a CR, bytes that are no UTF-8, lines without key, and no newline at the end.
  const lines = Array.from({ length: 2_000 }, (_, index) => `host-${index % 40} GET /${index % 300} \xff\r`);
  writeFileSync(input, Buffer.from([...lines, "", "", "host-1 the end"].join("\n"), "latin1"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function quickstart(...args: string[]): Promise<Finished> {
  const all = ["--quick", "--input", input, "--key-field", "1", ...args];
  return new VarveProcess(all, { stdin: "" }, QUICKSTART).finished;
}

test(
  "an untouched run is a proof: a broker was killed with records in flight, others took over, nothing is lost or doubled",
  async () => {
    const { code, stdout, stderr } = await quickstart("--json");
    expect(code, stderr).toBe(0);
    const figures = JSON.parse(stdout);
    expect(figures).toMatchObject({
      proven: true,
      records: 2_003,
      readMeanwhile: 2_003,
      replayed: 2_003,
      lost: 0,
      duplicates: 0,
      altered: 0,
      disordered: 0,
    });
    expect(figures.acknowledgedAtKillRatio).toBeGreaterThanOrEqual(0.4);
    expect(figures.acknowledgedAtKillRatio).toBeLessThanOrEqual(0.6);
    expect(figures.inFlightAtKill).toBeGreaterThan(0);
    expect(figures.recordsInLaterEpoch).toBeGreaterThan(0);
    expect(figures.failoverGapMs).toBeGreaterThan(0);
  },
  RUN_MS_MAX,
);

test.each([
  { tamper: "drop", says: /^lost +1$/m },
  { tamper: "swap", says: /^out of order within a key +1$/m },
  { tamper: "duplicate", says: /^duplicates in the log +1$/m },
])(
  "--tamper $tamper makes it fail and say why",
  async ({ tamper, says }) => {
    const { code, stdout, stderr } = await quickstart("--tamper", tamper);
    expect(code).toBe(1);
    expect(stdout).toMatch(says);
    expect(stderr).toContain("NOT PROVEN");
  },
  RUN_MS_MAX,
);

test("wrong usage exits 2", async () => {
  const { code, stderr } = await new VarveProcess(["--tamper", "shuffle"], { stdin: "" }, QUICKSTART).finished;
  expect(code).toBe(2);
  expect(stderr).toContain("drop, swap, duplicate");
});
