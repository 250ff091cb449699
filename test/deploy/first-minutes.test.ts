/** first-minutes.test.ts: what the guide's first five minutes type into a shell, on brokers of this process in place of pods. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { notes } from "./notes.js";
import { DEPLOY, endOf, lacks, ROOT } from "./tools.js";

const guide = readFileSync(`${DEPLOY}README.md`, "utf8");
const IN_POD = /kubectl -n varve exec (?:-i )?varve-0 -- varve/g;
const DELETE = "kubectl -n varve delete pod varve-1";
/** Fewer records than in the guide, with more pauses between them: some seconds. */
const RECORDS = 6_000;
const STATE = { timeout: 60_000, interval: 50 };

/** Commands of the block of code after these words, without their marks. */
function commandsAfter(words: string): string[] {
  const [, block = ""] = guide.slice(guide.indexOf(words)).split(/^```$/m);
  return block
    .trim()
    .split("\n")
    .map((line) => line.replace(/ +# .*/, ""));
}

let cluster: TestCluster;
let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "varve-first-"));
  cluster = await startCluster({ brokers: 3 });
});
afterAll(async () => {
  await cluster.close();
  rmSync(folder, { recursive: true });
});

/** Lets a shell do it, with the command line of this checkout; deleting the pod asks this process to kill the broker, and waits until it is back. */
async function shell(commands: readonly string[]): Promise<{ code: number; said: string }> {
  const script = commands
    .join("\n")
    .replaceAll(IN_POD, '"$NODE" "$VARVE"')
    .replace(DELETE, 'touch "$ASKED"; while [ -e "$ASKED" ]; do sleep 0.1; done')
    .replaceAll("100000", String(RECORDS))
    .replace("% 100", "% 20");
  const child = spawn("bash", ["-c", script], {
    env: {
      ...process.env,
      VARVE_BOOTSTRAP: cluster.bootstrap.join(),
      NODE: process.execPath,
      VARVE: `${ROOT}packages/cli/bin/varve.js`,
      ASKED: asked(),
    },
  });
  return endOf(child);
}

const asked = (): string => join(folder, "delete");

async function written(): Promise<number> {
  const offsets = await cluster.varve().admin.listOffsets({ topic: "counted", at: "latest" });
  return offsets.reduce((sum, { offset }) => sum + offset, 0);
}

/** What Kubernetes does: the pod ends and comes back, in the midst of the writing. */
async function killWhenAsked(): Promise<void> {
  await vi.waitUntil(() => existsSync(asked()), STATE);
  await vi.waitUntil(async () => (await written()) > RECORDS / 20, STATE);
  expect(await written(), "it is killed while there is more to write").toBeLessThan(RECORDS);
  const [, second] = cluster.brokerIds;
  if (second === undefined) throw new Error("there is no second broker");
  await cluster.kill(second);
  await cluster.restart(second);
  rmSync(asked());
}

describe("the first five minutes", () => {
  test.skipIf(lacks("helm"))("produce and consume as helm install prints it", () => {
    const printed = notes([], "varve");
    const commands = commandsAfter("Produce and consume, as");
    expect(commands).toHaveLength(3);
    for (const command of commands) expect(printed).toContain(command);
  });

  test("write a record and read it", async () => {
    const { code, said } = await shell(commandsAfter("Produce and consume, as"));
    expect(said).toMatch(/^hello$/m);
    expect(code).toBe(0);
  });

  test("lose no record when a broker goes while they are written", async () => {
    const commands = commandsAfter("Delete a pod while records are written");
    expect(commands).toContain(DELETE);
    const [{ code, said }] = await Promise.all([shell(commands), killWhenAsked()]);
    expect(said).toContain(`${RECORDS.toLocaleString("en")} records`);
    expect(said).toContain("nothing lost");
    expect(code).toBe(0);
  });

  test("would say that one is lost", async () => {
    const commands = commandsAfter("Delete a pod while records are written");
    const look = commands.at(-1)?.replace("consume counted", "consume orders") ?? "";
    const { code, said } = await shell([look]);
    expect(said).not.toContain("nothing lost");
    expect(code).not.toBe(0);
  });
});
