/**
 * quickstart.test.ts: the quickstart proves what it claims, of the log and of the group that reads it, and cannot be fooled: a record that is
 * dropped, swapped or doubled on the way must make it fail.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Finished, VarveProcess } from "./varve-process.js";

const QUICKSTART = fileURLToPath(new URL("../../packages/cli/dist/quickstart/main.js", import.meta.url));
/** Of the group, with --quick. */
const SESSION_TIMEOUT_MS = 2_000;
/** From the end of the session to the first record that another worker gets, with the coordinator dead as well. */
const TAKE_OVER_MS_MAX = 5_000;

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

test("an untouched run is a proof: a broker and a reader were killed, others took over, nothing is lost, doubled or left unread", async () => {
  const { code, stdout, stderr } = await quickstart("--json");
  expect(code, stderr).toBe(0);
  const figures = JSON.parse(stdout);
  expect(figures).toMatchObject({
    proven: true,
    records: 2_003,
    readMeanwhile: 2_003,
    unread: 0,
    disorderedInGroup: 0,
    outsideAssignment: 0,
    sharedAssignments: 0,
    strayed: 0,
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
  expect(figures.killedWorker).toMatch(/^worker [12]$/);
  expect(figures.takenOver).toBeGreaterThan(0);
  expect(figures.killedWorkerPartitions).toBeGreaterThan(0);
  expect(figures.processingGapMs).toBeGreaterThan(0);
  expect(figures.processingGapMs).toBeLessThan(SESSION_TIMEOUT_MS + TAKE_OVER_MS_MAX);
  // Only what the dead worker held and had not committed comes again; if no living one was taken for dead, to the other one.
  expect(figures.redelivered).toBeLessThanOrEqual(figures.losses === 0 ? figures.takenOver : figures.records);
});

test.each([
  { tamper: "drop", says: /^lost +1$/m },
  { tamper: "swap", says: /^out of order within a key +1$/m },
  { tamper: "duplicate", says: /^duplicates in the log +1$/m },
])(
  "--tamper $tamper makes it fail and say why, and what the group got again is another figure",
  async ({ tamper, says }) => {
    const { code, stdout, stderr } = await quickstart("--tamper", tamper);
    expect(code).toBe(1);
    expect(stdout).toMatch(says);
    expect(stdout).toMatch(/^redelivered to the group +\d+$/m);
    expect(stdout).toMatch(/^read by nobody +0$/m);
    expect(stderr).toContain("NOT PROVEN");
  },
);

test("wrong usage exits 2", async () => {
  const { code, stderr } = await new VarveProcess(["--tamper", "shuffle"], { stdin: "" }, QUICKSTART).finished;
  expect(code).toBe(2);
  expect(stderr).toContain("drop, swap, duplicate");
});
