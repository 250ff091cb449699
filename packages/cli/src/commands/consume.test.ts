import type { ReaderOptions, VarveRecord } from "@varve/client";
import { expect, test } from "vitest";
import { runCommand } from "../testing/memory-shell.js";

function record(offset: number, fields: Partial<VarveRecord> = {}): VarveRecord {
  const value = Buffer.from(`v${offset}`);
  return { topic: "t", partition: 0, offset, timestampMs: 0, key: null, value, headers: {}, rawHeaders: [], ...fields };
}

/** A cluster whose topic has these records; a reader without `to` waits for ever after the last one. */
function cluster(records: readonly VarveRecord[], partitions = 2) {
  const asked: ReaderOptions[] = [];
  let isClosed = false;
  const client = {
    admin: { describeTopic: async () => ({ partitions: Array.from({ length: partitions }, () => ({})) }) },
    close: async () => {
      isClosed = true;
    },
    reader: (options: ReaderOptions) => {
      asked.push(options);
      async function* all() {
        yield* records;
        if (options.to !== undefined) return;
        await new Promise((_, reject) => {
          options.signal?.addEventListener("abort", () => reject(options.signal?.reason), { once: true });
        });
      }
      return { [Symbol.asyncIterator]: all, progress: { read: 0 } };
    },
  };
  return { client, asked, isClosed: () => isClosed };
}

test("consume: values are bytes and a newline each; --to end exits 0", async () => {
  const records = [record(0, { value: Buffer.from([0xff, 0x0d]) }), record(1, { value: null }), record(2)];
  const { client, asked, isClosed } = cluster(records);
  const result = await runCommand(["consume", "t", "--from", "earliest", "--to", "end"], { client });
  expect(result.code).toBe(0);
  expect(result.stdoutBytes.toString("latin1")).toBe("\xff\r\n\nv2\n");
  expect(asked[0]).toMatchObject({ topic: "t", from: "earliest", to: "end" });
  expect(asked[0]).not.toHaveProperty("partitions");
  expect(isClosed()).toBe(true);
});

test("consume: json, by --format or by --json", async () => {
  const { client } = cluster([record(5, { key: Buffer.from("k") })]);
  for (const option of ["--format=json", "--json"]) {
    const { stdout } = await runCommand(["consume", "t", "--to", "end", option], { client });
    expect(JSON.parse(stdout)).toEqual({
      topic: "t",
      partition: 0,
      offset: 5,
      timestamp: "1970-01-01T00:00:00.000Z",
      key: "k",
      value: "v5",
      headers: {},
    });
  }
});

test("consume: from latest and following by default; --max ends it with 0", async () => {
  const { client, asked } = cluster([record(0), record(1), record(2)]);
  expect(await runCommand(["consume", "t", "--max", "2"], { client })).toMatchObject({ code: 0, stdout: "v0\nv1\n" });
  expect(asked[0]).toMatchObject({ from: "latest" });
  expect(asked[0]).not.toHaveProperty("to");
});

test("consume: Ctrl-C ends following with 0, but a range that was cut short with 1", async () => {
  const follow = cluster([record(0)]);
  const stop = AbortSignal.timeout(50);
  const followed = await runCommand(["consume", "t"], { client: follow.client, stop });
  expect(followed).toMatchObject({ code: 0, stdout: "v0\n", stderr: "" });
  const cut = await runCommand(["consume", "t", "--max", "2"], {
    client: cluster([record(0)]).client,
    stop: AbortSignal.timeout(50),
  });
  expect(cut).toMatchObject({ code: 1, stdout: "v0\n", stderr: "" });
});

test("consume: --key takes only records with that key, and --max counts those", async () => {
  const keys = ["a", "b", "a", null, "a"];
  const records = keys.map((key, offset) => record(offset, { key: key === null ? null : Buffer.from(key) }));
  const { client } = cluster(records);
  const { stdout } = await runCommand(["consume", "t", "--key", "a", "--max", "2"], { client });
  expect(stdout).toBe("v0\nv2\n");
});

test.each([
  { args: ["--from", "7", "--partition", "1"], want: { from: { offset: 7 }, partitions: [1] } },
  { args: ["--to", "7", "--partition", "1"], want: { to: { offset: 7 }, partitions: [1] } },
  { args: ["--from", "1970-01-01T01:00:01+01:00"], want: { from: { timeMs: 1_000 } } },
  { args: ["--from", "earliest", "--to", "1970-01-01T00:00:02Z"], want: { to: { timeMs: 2_000 } } },
])("consume: $args", async ({ args, want }) => {
  const { client, asked } = cluster([record(0)]);
  await runCommand(["consume", "t", "--max", "1", ...args], { client });
  expect(asked[0]).toMatchObject(want);
});

test("consume: an offset without --partition is wrong usage in a topic of several partitions, and fine in one of one", async () => {
  const several = await runCommand(["consume", "t", "--from", "7", "--max", "1"], {
    client: cluster([record(7)]).client,
  });
  expect(several.code).toBe(2);
  expect(several.stderr).toContain("--partition: t has 2 partitions");
  const { client, asked } = cluster([record(7)], 1);
  expect((await runCommand(["consume", "t", "--from", "7", "--max", "1"], { client })).code).toBe(0);
  expect(asked[0]).toMatchObject({ partitions: [0] });
});
