import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VarveError } from "@varve/base";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkHistory, linesOf } from "./history/index.js";
import { Proc, Recorder } from "./recorder.js";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-recorder-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ASK = { topic: "t", key: null, value: "p:0", acks: "quorum" } as const;

/** The lines that were written, parsed. */
async function written(recorder: Recorder): Promise<Record<string, unknown>[]> {
  const path = join(folder, "history.jsonl");
  await recorder.write(path);
  return readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("events of all processes are numbered in the order of time, whoever told of them first", async () => {
  const recorder = new Recorder();
  recorder.add({ t: 1_030, proc: "b", type: "ok", f: "assign" }, { partitions: [] });
  recorder.add({ t: 1_010, proc: "a", type: "invoke", f: "assign" }, { group: null });
  recorder.add({ t: 1_010, proc: "b", type: "invoke", f: "assign" }, { group: null });
  const events = await written(recorder);
  expect(events.map(({ i, t, proc }) => [i, t, proc])).toEqual([
    [0, 0, "a"],
    [1, 0, "b"],
    [2, 20, "b"],
  ]);
});

test.each([
  { effect: "NOT_APPLIED", type: "fail", next: "c" },
  { effect: "NONE", type: "fail", next: "c" },
  { effect: "UNKNOWN", type: "info", next: "c/2" },
] as const)(
  "an error whose effect is $effect is a $type, and the client goes on as $next",
  async ({ effect, type, next }) => {
    const recorder = new Recorder();
    const proc = new Proc(recorder, "c");
    const fail = (): Promise<never> => Promise.reject(new VarveError("TIMEOUT", { message: "late", effect }));
    const answer = { partition: 0, offset: 0, epoch: 1 };
    expect(await proc.operate("send", ASK, fail, () => answer)).toBe(null);
    await proc.operate(
      "send",
      { ...ASK, value: "p:1" },
      async () => {},
      () => answer,
    );
    const events = await written(recorder);
    expect(events.map((event) => [event["proc"], event["type"]])).toEqual([
      ["c", "invoke"],
      ["c", type],
      [next, "invoke"],
      [next, "ok"],
    ]);
    expect(events[1]).toMatchObject({ f: "send", err: "TIMEOUT" });
    expect(checkHistory(linesOf(join(folder, "history.jsonl")))).toMatchObject({ kind: "judged", valid: true });
  },
);
